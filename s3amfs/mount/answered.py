"""Which version of each file the kernel has in its cache: the one whose size and times it got last.

It caches them for a while, and would cut a longer version off at the size that it knows. Threads may share it.
"""

from __future__ import annotations

import time

MOST_PATHS = 50_000


class Answered:
    """ttl: seconds for which the kernel caches what it gets."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._etags: dict[str, str] = {}
        """By path."""
        self._complete_since = 0.0
        """Monotonic time from which on the kernel has no path that is not in here."""

    def note(self, path: str, etag: str) -> None:
        """The kernel gets the attributes of this version."""
        if len(self._etags) >= MOST_PATHS:
            self._etags.clear()
            self._complete_since = time.monotonic() + self._ttl
        self._etags[path] = etag

    def not_given(self, path: str) -> None:
        """The kernel has not got what was noted: it may have cached any other version."""
        self._etags[path] = ""

    def is_news(self, path: str, etag: str) -> bool:
        """Whether the kernel may have cached another version than this one; asked again, it is not."""
        noted = self._etags.get(path)
        if noted == etag or (noted is None and time.monotonic() >= self._complete_since):
            return False  # it stays noted: the next one that opens the file may find another version
        self._etags[path] = etag
        return True
