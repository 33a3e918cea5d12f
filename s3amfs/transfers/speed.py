"""How fast the parts of one transfer move: slots, lines and rate limit; and the transfer that moves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.bandwidth import Bandwidth
from ..core.define import define
from ..core.failures import Failure
from ..core.parts import Part
from ..engine.attempt import Move, PartResult
from ..engine.bwlimit import limiter_of
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.limits import SlotGate
from ..engine.line import Direction, Line, Share
from ..engine.settings import Callbacks, Settings
from .report import Report

LIMITED_SLOTS = 4
"""Slots that share a rate limit."""


@define(frozen=True, slots=True)
class Speed:
    """How much at a time, and over which lines."""

    slots: int | None = None
    """Fixed number of slots; None: adapted to the lines."""
    bwlimit: Bandwidth | int = 0
    """Bytes per second over all transfers of this process that have the same limit; 0: no limit."""
    direction: Direction | None = "up"
    """Of the line to the client's service; None: nothing moves there."""
    bucket: str | None = None
    """At the client's service."""
    source: str | None = None
    """Endpoint of another service that the parts come from; None: there is none."""

    @property
    def fixed(self) -> int | None:
        """Slots that do not adapt; None: they do."""
        return min(self.slots or LIMITED_SLOTS, LIMITED_SLOTS) if self.bwlimit else self.slots

    def share(self, client: S3Client) -> Share:
        """The slots on the lines that a transfer of `client` moves over."""
        if self.fixed is not None:
            return Share([client.engine.lines.fixed(self.fixed)])
        lines: list[Line] = []
        if self.source is not None:
            lines.append(client.engine.lines.line(self.source, "down"))
        if self.direction is not None:
            lines.append(client.engine.lines.line(client.endpoint(self.bucket), self.direction))
        return Share(lines)


def as_it_is(number: int, failure: Failure) -> Failure:
    """For parts that have one form only."""
    return failure


def make_transfer(
    client: S3Client,
    move: Move,
    describe: str,
    speed: Speed,
    report: Report,
    *,
    on_part: Callable[[PartResult], None],
    others: tuple[S3Client, ...] = (),
    gate: SlotGate | None = None,
    total: int | None = None,
    done_before: int = 0,
    receives: bool = False,
    judge: Callable[[int, Failure], Failure] = as_it_is,
) -> Transfer:
    """A transfer that counts for `report`. others: further clients whose credentials sign its requests.

    receives: bytes come here, which costs a core sooner than sending does; as TLS does, it then gets all loops. Sending
    without TLS would be faster over two as well, but cost half as much CPU again.
    judge: called in a loop's thread with each failure of a part; returns what it is.
    """
    settings = Settings(
        describe,
        client.policy,
        credentials=tuple(c.session for c in (client, *others)),
        gate=gate,
        spread=receives or client.session.uses_tls(),
        total=total,
        done_before=done_before,
        limiter=limiter_of(speed.bwlimit),
        asks_again=speed.direction != "copy" and not speed.bwlimit,  # what waits for its turn does not lag
    )
    callbacks = Callbacks(on_part, judge, report.on_event)
    transfer = Transfer(client.engine, move, speed.share(client), settings, callbacks)
    report.count(transfer)
    return transfer


def move_all(transfer: Transfer, parts: Iterable[Part]) -> None:
    """Moves `parts` and waits. Raises the error that ended the transfer; KeyboardInterrupt stops it first."""
    transfer.add(parts, last=True)
    transfer.wait()
