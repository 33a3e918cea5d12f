"""A function that the engine's loop calls again and again; what it raises does not end that.

A timer that raises is reported by its loop and gone, and a loop that crashes takes its timers along: whatever hangs on
one that schedules itself would stand still from then on, in silence. Here the next call is scheduled all the same,
later, and a call that is overdue is scheduled once more by the next `start`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

SECONDS_AFTER_A_CRASH = 5.0
"""Until the next call of a function that has raised: a bug is reported on stderr each time."""
OVERDUE_SECONDS = 10.0
"""A call that is so late is lost: its loop is no more."""

Schedule = Callable[[float, Callable[[], None]], None]
"""Has a function called in a loop after so many seconds."""


class Recurring:
    """Calls `function` every `seconds` while `is_wanted()`.

    lock: held while `is_wanted` is asked, and by the caller of `start`, so that no start is lost.
    """

    def __init__(
        self,
        schedule: Schedule,
        seconds: float,
        function: Callable[[], None],
        is_wanted: Callable[[], bool],
        lock: threading.Lock,
    ) -> None:
        self._schedule = schedule
        self._seconds = seconds
        self._function = function
        self._is_wanted = is_wanted
        self._lock = lock
        self._due: float | None = None
        """When the next call is to be (time.monotonic()); None: it does not run."""
        self._serial = 0

    def start(self) -> bool:
        """Begins unless it runs. Returns whether it did not run. With the lock held; raises what `schedule` raises."""
        if self._due is not None and time.monotonic() < self._due + OVERDUE_SECONDS:
            return False
        self._call_in(self._seconds)
        return True

    def _call_in(self, seconds: float) -> None:
        self._serial += 1
        self._due = None
        self._schedule(seconds, partial(self._run, self._serial))
        self._due = time.monotonic() + seconds

    def _run(self, serial: int) -> None:
        if serial != self._serial:
            return  # overdue, and scheduled once more since
        with self._lock:
            if not self._is_wanted():
                self._due = None
                return
        seconds = SECONDS_AFTER_A_CRASH
        try:
            self._function()
            seconds = self._seconds
        finally:
            self._call_in(seconds)
