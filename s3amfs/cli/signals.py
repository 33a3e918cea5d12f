"""The first SIGINT or SIGTERM ends a command in order; the second ends it at once."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

INTERRUPTED = 130
TOGETHER_SECONDS = 1.0
"""Signals that come within this time are one wish: `timeout` sends SIGTERM to its child and to their group."""


class Interruption:
    """The first signal raises KeyboardInterrupt in the main thread; a later one ends the process."""

    def __init__(self) -> None:
        self._first: float | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as by nohup, or by a shell for a job in the background
                signal.signal(number, self._arrived)

    def _arrived(self, _signal: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise KeyboardInterrupt
        if now - self._first > TOGETHER_SECONDS:
            os.write(2, b"error: interrupted again: ended at once\n")
            os._exit(INTERRUPTED)

    def over(self) -> None:
        """The command has ended: a signal now has nothing left to interrupt."""
        if self._first is None:
            self._first = time.monotonic()
