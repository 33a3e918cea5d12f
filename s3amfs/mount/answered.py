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
        """The kernel gets the attributes of this version; '': of none that is in S3."""
        if len(self._etags) >= MOST_PATHS:
            self._etags.clear()
            self._complete_since = time.monotonic() + self._ttl
        self._etags[path] = etag

    def is_news(self, path: str, etag: str) -> bool:
        """Whether the kernel may have cached another version than this one. It is until the kernel has asked again:
        others may open the file before that."""
        noted = self._etags.get(path)
        return noted != etag and (noted is not None or time.monotonic() < self._complete_since)

    def doubt(self, path: str, etag: str) -> None:
        """A read has ended where this version ends: if the kernel had the attributes of another one, it may have
        changed the size."""
        if self._etags.get(path, etag) != etag:
            self._etags[path] = ""

    def moved(self, old: str, new: str, *, below: bool) -> None:
        """A rename takes along what the kernel has of `old`; below: it is a directory, and all in it moves, too."""
        inside = old + "/"
        for path in [old, *(path for path in list(self._etags) if path.startswith(inside))] if below else [old]:
            etag = self._etags.pop(path, None)
            if etag is not None:
                self._etags[new + path[len(old) :]] = etag
