"""Gives a transfer of parts more of them before it runs out: the line has no pause between batches.

It looks now and then whether other processes have moved what this one still moves: a slow line then holds up nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from ..core.parts import Part
from ..core.shares import HAND_SECONDS, LOOK_SECONDS
from ..errors import S3AMError

LEAVE_SECONDS = 1.0
"""So long a command that was interrupted waits for a look, whose answer may take minutes."""
LOOK_SHARE = 0.25
"""Most of the time that looks take beside the last parts: a page of ListParts has 200 KB, which share their line."""


class Add(Protocol):
    """Adds parts to a transfer that runs; any thread."""

    def __call__(self, parts: Iterable[Part], *, last: bool) -> None: ...


class Feed:
    """The parts of one transfer that are not there yet.

    more: looks for further parts, given the numbers of those that still move; returns none where there is nothing to do
    now. It runs in a thread of its own, beside the transfer, whenever half of what moved after the last look is there.
    missing: the numbers of the whole that are not there yet; None: what moves is never given up.
    """

    def __init__(
        self,
        parts: Collection[Part],
        more: Callable[[Collection[int]], list[Part]],
        missing: Callable[[], Collection[int]] | None,
        between: float = LOOK_SECONDS,
        waiting: float = HAND_SECONDS,
    ) -> None:
        """between: seconds between two looks at what is missing once all is given, at least; waiting: before that."""
        self._more = more
        self._missing = missing
        self._between = between
        self._waiting = waiting
        self._there: frozenset[int] = frozenset()
        """Of what still moves, the parts that others had moved at the last look."""
        self._moving = {part.number for part in parts}
        self._given = set(self._moving)
        self._low = len(parts) // 2
        self._look = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._all_given = False
        """The transfer has all its parts: looks that are in flight can no longer give it any."""
        self.superseded = False
        """Others have moved all that still moved here: it was cut."""

    def begin(self, add: Add, stop: Callable[[], None]) -> None:
        """The transfer runs; `add` gives it parts, and in the end none with `last`; `stop` cuts it."""
        self._thread = threading.Thread(target=self._run, args=(add, stop), name="s3am-split-feed", daemon=True)
        self._thread.start()

    def done(self, number: int) -> None:
        """A part is there. In a loop's thread."""
        self._moving.discard(number)
        if len(self._moving) <= self._low:
            self._look.set()

    def run(self, transfer: Callable[[], None]) -> None:
        """Calls `transfer`, which returns when the parts are there. Raises what it or `more` raises, but for the
        failure of one that was cut since others have moved its parts."""
        try:
            transfer()
        except S3AMError:
            if not self.superseded:
                self.end()
                raise
        except BaseException:
            self._leave(LEAVE_SECONDS)
            raise
        self.end()

    def end(self) -> None:
        """The transfer is over, or was stopped. It does not wait for a look at what others have moved meanwhile.

        Raises what `more` has raised.
        """
        self._leave(0 if self._all_given else None)
        if self._error is not None:
            raise self._error

    def _leave(self, seconds: float | None) -> None:
        """Waits for the end of the thread, at most so many seconds."""
        self._over.set()
        self._look.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, add: Add, stop: Callable[[], None]) -> None:
        try:
            self._feed(add)
            self._all_given = True
            if self._missing is not None:
                self._watch(self._missing)
            if self.superseded:
                stop()
        except BaseException as error:  # noqa: BLE001 - raised in the owner's thread by `end`
            self._error = error

    def _feed(self, add: Add) -> None:
        try:
            while self._wait() and (parts := self._new(self._more(frozenset(self._moving.copy())))):
                self._moving.update(part.number for part in parts)
                self._given.update(part.number for part in parts)
                self._low = len(self._moving) // 2
                add(parts, last=False)
        finally:
            add((), last=True)

    def _new(self, parts: list[Part]) -> list[Part]:
        """Those of `parts` that the transfer was not given yet: it moves none twice, and a listing may lag behind."""
        return [part for part in parts if part.number not in self._given]

    def _watch(self, missing: Callable[[], Collection[int]]) -> None:
        pause = self._between
        while not self.superseded and not self._over.wait(pause):
            pause = self._compare(missing, self._between)

    def _compare(self, missing: Callable[[], Collection[int]], least: float) -> float:
        """Looks whether others have moved all that still moves here; returns the seconds until the next look.

        Two looks have to agree: what this process has moved itself is listed before its answer is here. The second one
        comes soon. least: seconds between two others.
        """
        begun = time.monotonic()
        moving = frozenset(self._moving.copy())
        there = moving.difference(missing())
        self.superseded = bool(moving) and there == moving <= self._there and not self._over.is_set()
        self._there = there
        return self._between if there == moving else pause_after(time.monotonic() - begun, least)

    def _wait(self) -> bool:
        """Until half is there; returns whether there is still a transfer that can have more."""
        pause = self._waiting
        while not self._over.is_set() and len(self._moving) > self._low:
            if self._missing is None:
                self._look.wait()
            elif not self._look.wait(pause):
                pause = self._compare(self._missing, self._waiting)
                if self.superseded:
                    return False
            self._look.clear()
        return not self._over.is_set()


def pause_after(seconds: float, least: float) -> float:
    """Returns the seconds between a look that took so many `seconds` and the next one, at least `least`."""
    return max(least, seconds * (1 - LOOK_SHARE) / LOOK_SHARE)
