"""Looks every half second for parts of one transfer that lag, and has them asked for again (core/lag.py decides)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..core.lag import LEAST_DONE, LagWatch, Running
from .recurring import Recurring, Schedule

LAG_SECONDS = 0.5
"""Between two looks for parts that lag."""


class Stragglers:
    """All of it runs in the transfer's home loop.

    call_later: has a function called there after so many seconds. running: the parts in flight; None: the transfer is
    over, and no further look is taken. ask_again: called with the number of each part that lags.
    """

    def __init__(
        self,
        call_later: Schedule,
        running: Callable[[], Sequence[Running] | None],
        ask_again: Callable[[int], None],
    ) -> None:
        self._watch = LagWatch()
        self._lock = threading.Lock()  # for form's sake: one thread is all that is here
        self._looks = Recurring(call_later, LAG_SECONDS, self._look, lambda: running() is not None, self._lock)
        self._running = running
        self._ask_again = ask_again
        self._done = 0
        self.asked_again = 0
        """Parts, each time it was done."""

    def done(self, number: int, length: int, seconds: float) -> None:
        """A part of `length` bytes has finished, `seconds` after its request began."""
        self._watch.done(number, length, seconds)
        self._done += 1
        if self._done == LEAST_DONE:
            with self._lock:
                self._looks.start()

    def _look(self) -> None:
        for number in self._watch.lagging(self._running() or ()):
            self.asked_again += 1
            self._ask_again(number)
