"""Folders that are not there, in directories where one new name after the other is looked for: one listing for all.

A path may be an object or a folder, so a new name costs a HEAD and a LIST. While many names are not found in one
directory, a listing of it says for as long as the TTL which folders it has; the HEADs go on. Threads may share it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import AccessDenied
from ..transfers.options import ListPage

STREAK = 10
"""Names not found in a directory within the TTL, from which on it is listed."""
MOST_LISTED = 1000
"""Names in a directory that is listed for this: one page."""
LARGE_SECONDS = 60.0
"""How long a directory with more names, or one that may not be listed, is left alone."""
MOST_DIRECTORIES = 64


@dataclass(slots=True)
class _Directory:
    since: float
    misses: int = 0
    folders: set[str] = field(default_factory=set)
    """Their prefixes: listed, or made by this mount."""
    until: float = 0.0
    """Up to when other folders are not there."""
    not_before: float = 0.0
    listing: bool = False


class MissingFolders:
    """list_folder: returns the first page of what is in a prefix, cut at slashes. ttl: of a listing, in seconds."""

    def __init__(
        self, list_folder: Callable[[str], ListPage], ttl: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._list = list_folder
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._directories: dict[str, _Directory] = {}

    def has(self, prefix: str) -> bool:
        """Whether no key begins with `prefix`, which ends in a slash; False: unknown. Raises what a listing raises."""
        parent = _parent(prefix)
        began = self._clock()
        with self._lock:
            found = self._directories.get(parent)
            if found is None:
                return False
            if found.until > began:
                return prefix not in found.folders
            if found.listing or found.misses < STREAK or found.not_before > began:
                return False
            found.listing, found.folders = True, set()
        page: ListPage | None = None
        try:
            with suppress(AccessDenied):  # what is in the folder may be listed nevertheless
                page = self._list(parent)
        finally:
            with self._lock:
                found.listing = False
        with self._lock:
            if page is None or page.next_token is not None:
                found.not_before = began + LARGE_SECONDS
                return False
            found.folders.update(page.prefixes)
            found.until = began + self._ttl
            return prefix not in found.folders

    def missed(self, prefix: str) -> None:
        """Neither a folder nor an object was found there."""
        now, parent = self._clock(), _parent(prefix)
        with self._lock:
            found = self._directories.get(parent)
            if found is None:
                if len(self._directories) >= MOST_DIRECTORIES:
                    self._directories.clear()
                found = self._directories[parent] = _Directory(now)
            if now - found.since > self._ttl:
                found.since, found.misses = now, 0
            found.misses += 1

    def made(self, prefix: str) -> None:
        """This mount has made that folder, perhaps with folders in it."""
        with self._lock:
            found = self._directories.get(_parent(prefix))
            if found is not None:
                found.folders.add(prefix)
            for name in [name for name in self._directories if name.startswith(prefix)]:
                del self._directories[name]


def _parent(prefix: str) -> str:
    above, slash, _ = prefix[:-1].rpartition("/")
    return above + slash
