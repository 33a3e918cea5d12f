"""The states of an open file, and which event leads from one to which: one table, a picture drawn from it. Pure.

A state is frozen: its payload comes and goes with it, so that no file has a stream and a spool at once.
`step` is the only way from one to the next; a transition that is not in the table is our own bug, and says which.
`python -m s3amfs.mount.states` prints the picture of docs/architecture.md.
"""

from __future__ import annotations

import sys
from typing import Literal

from ..core.define import define
from ..objects.spooled_file import SpooledFile
from ..objects.streamed_file import FileStream
from ..transfers.options import ObjectInfo


@define(frozen=True, slots=True, eq=False)
class Clean:
    """The object in S3, pinned to one version."""

    base: ObjectInfo
    copy: SpooledFile | None = None
    """All of it on the local disk, where it was just written."""


@define(frozen=True, slots=True, eq=False)
class Streaming:
    """A new content, written mostly in order: its parts leave for S3 while more is written."""

    base: ObjectInfo | None
    """The object that it will replace, whose content does not count any more."""
    stream: FileStream


@define(frozen=True, slots=True, eq=False)
class Spooled:
    """All that differs from the base, in a local sparse file."""

    base: ObjectInfo | None
    spooled: SpooledFile


@define(frozen=True, slots=True, eq=False)
class Delayed(Spooled):
    """The same after a close that was answered (`--write-back`): on record, to be published in a moment."""


@define(frozen=True, slots=True, eq=False)
class GivenUp:
    """Its writer was killed: nothing of it is published."""

    base: ObjectInfo | None


@define(frozen=True, slots=True, eq=False)
class Unlinked:
    """It has no name any more, or its name is another file's; processes that have it open may go on."""

    content: Clean | Spooled
    lost: bool = False
    """Whether part of it was sent, and is nowhere else."""

    @property
    def base(self) -> ObjectInfo | None:
        return self.content.base


State = Clean | Streaming | Spooled | GivenUp | Unlinked
Event = Literal["write", "resize", "empty", "publish", "delay", "stored again", "writer killed", "unlink"]

TABLE: dict[tuple[type[State], Event], tuple[type[State], ...]] = {
    (Clean, "write"): (Streaming, Spooled),
    (Clean, "resize"): (Spooled,),
    (Clean, "empty"): (Streaming,),
    (Clean, "stored again"): (Clean,),
    (Clean, "unlink"): (Unlinked,),
    (Streaming, "resize"): (Spooled,),
    (Streaming, "empty"): (Streaming,),
    (Streaming, "stored again"): (Streaming,),
    (Streaming, "publish"): (Clean, Spooled),
    (Streaming, "delay"): (Spooled,),
    (Streaming, "writer killed"): (GivenUp,),
    (Streaming, "unlink"): (Unlinked,),
    (Spooled, "empty"): (Streaming,),
    (Spooled, "publish"): (Clean,),
    (Spooled, "delay"): (Delayed,),
    (Spooled, "stored again"): (Spooled,),
    (Spooled, "writer killed"): (GivenUp,),
    (Spooled, "unlink"): (Unlinked,),
    (Delayed, "write"): (Spooled,),
    (Delayed, "resize"): (Spooled,),
    (Delayed, "empty"): (Streaming,),
    (Delayed, "publish"): (Clean,),
    (Delayed, "stored again"): (Delayed,),
    (Delayed, "unlink"): (Unlinked,),
    (GivenUp, "unlink"): (GivenUp,),
    (GivenUp, "stored again"): (GivenUp,),
    (Unlinked, "write"): (Unlinked,),
    (Unlinked, "resize"): (Unlinked,),
    (Unlinked, "empty"): (Unlinked,),
}
"""(state, event) -> the states that may follow. An event that leaves a state as it is (more of a stream) is no step."""


class IllegalTransition(AssertionError):
    """A bug of ours."""


def step(state: State, event: Event, following: State) -> State:
    """Returns `following`. Raises IllegalTransition if no `event` leads there from `state`."""
    if type(following) not in TABLE.get((type(state), event), ()):
        raise IllegalTransition(
            f"an open file went from {type(state).__name__} to {type(following).__name__} by {event!r}: "
            "a bug of the mount, please report it"
        )
    return following


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> Clean: open", "    [*] --> Streaming: create"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), following in TABLE.items():
        for each in following:
            arrows.setdefault((state.__name__, each.__name__), []).append(event)
    lines += [f"    {start} --> {end}: {', '.join(events)}" for (start, end), events in arrows.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(diagram() + "\n")
