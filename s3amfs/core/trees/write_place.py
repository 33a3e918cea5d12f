"""Where small files are written: in the thread that receives them, or in threads of their own. Pure.

On a quick disk a file costs less than its way to another thread, which takes the interpreter from the one that
receives. On a slow one (a network's, or one that is full of work) nothing would be received meanwhile.
"""

from __future__ import annotations

MOST_SECONDS = 0.002
"""For a file, on the average, that is written where it is received."""
SHARE = 0.125
"""Of the last file in the average."""
TRIAL = 64
"""While others write, one of so many is written here, to see whether that is quick again."""


class WritePlace:
    """Learns from how long files took. One thread."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._elsewhere = 0

    def is_here(self) -> bool:
        """Whether the next file is to be written in the thread that received it; `took` has to follow then."""
        if self._mean <= MOST_SECONDS:
            return True
        self._elsewhere += 1
        return self._elsewhere % TRIAL == 0

    def took(self, seconds: float) -> None:
        """A file was written here."""
        self._mean += (seconds - self._mean) * SHARE
