"""Where small files are written: in the thread that receives them, or in threads of their own. Pure.

On a quick disk a file costs less than its way to another thread, which takes the interpreter from the one that
receives. On a slow one (a network's, or one that is full of work) nothing would be received meanwhile. A disk counts as
slow once both the average and the last file are: a trial that is quick is followed by more.
"""

from __future__ import annotations

MOST_SECONDS = 0.002
"""For a file, on the average, that is written where it is received."""
SHARE = 0.125
"""Of the last file in the average."""
MOST_COUNTED = 2 * MOST_SECONDS
"""For a file, in the average, up to `PAUSE`: on a busy machine a thread pauses that long whatever it does."""
PAUSE = 0.1
"""Seconds. A file that takes longer waits for the disk, and counts in full."""
TRIAL = 64
"""While others write, one of so many is written here, to see whether that is quick again."""


class WritePlace:
    """Learns from how long files took. One thread."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._last = 0.0
        self._elsewhere = 0

    def is_here(self) -> bool:
        """Whether the next file is to be written in the thread that received it; `took` has to follow then."""
        if min(self._mean, self._last) <= MOST_SECONDS:
            return True
        self._elsewhere += 1
        return self._elsewhere % TRIAL == 0

    def took(self, seconds: float) -> None:
        """A file was written here."""
        counted = seconds if seconds > PAUSE else min(seconds, MOST_COUNTED)
        self._last = seconds
        self._mean += (counted - self._mean) * SHARE
