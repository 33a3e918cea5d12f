"""Gives a transfer of parts more of them before it runs out: the line has no pause between batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from ..core.parts import Part


class Add(Protocol):
    """Adds parts to a transfer that runs; any thread."""

    def __call__(self, parts: Iterable[Part], *, last: bool) -> None: ...


class Feed:
    """The parts of one transfer that are not there yet.

    more: looks for further parts, given the numbers of those that still move; returns none where there is nothing to do
    now. It runs in a thread of its own, beside the transfer, whenever half of what moved after the last look is there.
    """

    def __init__(self, parts: Collection[Part], more: Callable[[Collection[int]], list[Part]]) -> None:
        self._more = more
        self._moving = {part.number for part in parts}
        self._low = len(parts) // 2
        self._look = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def begin(self, add: Add) -> None:
        """The transfer runs; `add` gives it parts, and in the end none with `last`."""
        self._thread = threading.Thread(target=self._run, args=(add,), name="s3am-split-feed", daemon=True)
        self._thread.start()

    def done(self, number: int) -> None:
        """A part is there. In a loop's thread."""
        self._moving.discard(number)
        if len(self._moving) <= self._low:
            self._look.set()

    def end(self) -> None:
        """The transfer is over, or was stopped. Raises what `more` has raised."""
        self._stopped = True
        self._look.set()
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, add: Add) -> None:
        try:
            while self._wait() and (parts := self._more(frozenset(self._moving.copy()))):
                self._moving.update(part.number for part in parts)
                self._low = len(self._moving) // 2
                add(parts, last=False)
        except BaseException as error:  # noqa: BLE001 - raised in the owner's thread by `end`
            self._error = error
        finally:
            add((), last=True)

    def _wait(self) -> bool:
        """Until half is there; returns whether there is still a transfer."""
        while not self._stopped and len(self._moving) > self._low:
            self._look.wait()
            self._look.clear()
        return not self._stopped
