"""Names that are not there, in directories where one new name after the other is looked for: one listing for all.

A path may be an object or a folder, so a new name costs a HEAD and a LIST. While many names are not found in one
directory, a listing of it says for as long as the TTL which names it has. All that this mount changes is looked at
again, whatever a listing said: it may be of before. Threads may share it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from itertools import islice

from ..core.define import define
from ..errors import AccessDenied
from ..transfers.options import ListPage

STREAK = 10
"""Names not found in a directory within the TTL, for each page that its listing takes, from which on it is listed."""
MOST_PAGES = 5
"""Of a directory that is listed for this."""
LARGE_SECONDS = 60.0
"""How long a directory with more names, or one that may not be listed, is left alone."""
MOST_DIRECTORIES = 64
LAG_SECONDS = 60.0
"""How long a name that this mount has changed is looked at, whatever a listing says: some servers' listings lag."""
MOST_OWN = 10_000
"""Such names in one directory."""


@define(slots=True)
class _Directory:
    """A directory in which names were missed."""

    since: float
    misses: int = 0
    folders: set[str] = field(default_factory=set)
    """Their prefixes: listed, or made by this mount."""
    objects: set[str] = field(default_factory=set)
    """Their keys: listed, or changed by this mount."""
    own: dict[str, float] = field(default_factory=dict)
    """When this mount has changed a key or a folder, by name."""
    pages: int = 1
    """That its last listing took."""
    until: float = 0.0
    """Up to when other names are not there."""
    not_before: float = 0.0
    listing: bool = False


class MissingNames:
    """list_folder: iterates over the pages of what is in a prefix, cut at slashes. ttl: of a listing, in seconds."""

    def __init__(
        self, list_folder: Callable[[str], Iterator[ListPage]], ttl: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._list = list_folder
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._directories: dict[str, _Directory] = {}
        self._changing: Counter[str] = Counter()

    def has_both(self, key: str) -> bool:
        """Whether neither an object has `key` nor a folder that name, by a listing that `has` made; False: unknown.

        Such a name counts as missed.
        """
        with self._lock:
            found = self._directories.get(_parent(key))
            now = self._clock()
            if found is None or found.until <= now or found.listing:
                return False
            if key in found.objects or key in self._changing or key + "/" in found.folders:
                return False
            self._count(found, now)
            return True

    def has(self, prefix: str) -> bool:
        """Whether no key begins with `prefix`, which ends in a slash; False: unknown. Raises what a listing raises."""
        parent = _parent(prefix)
        began = self._clock()
        with self._lock:
            found = self._directories.get(parent)
            if found is None or found.listing:
                return False
            if found.until > began:
                return prefix not in found.folders
            if found.misses < STREAK * found.pages or found.not_before > began:
                return False
            found.listing = True
            found.own = {name: when for name, when in found.own.items() if when + LAG_SECONDS > began}
            found.folders = {name for name in found.own if name.endswith("/")}
            found.objects = set(found.own) - found.folders
        pages: list[ListPage] = []
        try:
            with suppress(AccessDenied):  # what is in the folder may be listed nevertheless
                pages += islice(self._list(parent), MOST_PAGES)
        finally:
            with self._lock:
                found.listing = False
        with self._lock:
            if not pages or pages[-1].next_token is not None:
                found.not_before = began + LARGE_SECONDS
                return False
            for page in pages:
                found.folders.update(page.prefixes)
                found.objects.update(listed.key for listed in page.objects)
            found.pages, found.until = len(pages), began + self._ttl
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
            self._count(found, now)

    def _count(self, found: _Directory, now: float) -> None:
        if now - found.since > self._ttl:
            found.since, found.misses = now, 0
        found.misses += 1

    def changing(self, key: str) -> _Changing:
        """While it lasts this mount stores `key`, or a folder: a listing may come before that and end after it.

        However it ends: a refusal shows that somebody has stored it, and what failed may be stored nevertheless.
        """
        return _Changing(self, key)

    def _begin_change(self, key: str) -> None:
        with self._lock:
            self._changing[key] += 1

    def _end_change(self, key: str) -> None:
        with self._lock:
            self._changing[key] -= 1
            if not self._changing[key]:
                del self._changing[key]
            self._note(key)

    def changed(self, key: str) -> None:
        """This mount has changed what is at `key`, or is about to."""
        with self._lock:
            self._note(key)

    def _note(self, key: str) -> None:
        """Also the folders that it is in may be there by it alone."""
        name, directories = key, self._directories
        while name:
            parent = _parent(name)
            found = directories.get(parent)
            if found is not None:
                (found.folders if name.endswith("/") else found.objects).add(name)
                if len(found.own) >= MOST_OWN:
                    found.own.clear()
                found.own[name] = self._clock()
            name = parent

    def changed_below(self, prefix: str) -> None:
        """This mount has changed what is in the folder `prefix`."""
        with self._lock:
            self._drop_below(prefix)

    def _drop_below(self, prefix: str) -> None:
        for name in [name for name in self._directories if name.startswith(prefix)]:
            del self._directories[name]

    def made(self, prefix: str) -> None:
        """This mount has made that folder, perhaps with folders in it."""
        with self._lock:
            self._note(prefix)
            self._drop_below(prefix)


class _Changing:
    """A generator would take three times as long."""

    __slots__ = ("_key", "_missing")

    def __init__(self, missing: MissingNames, key: str) -> None:
        self._missing = missing
        self._key = key

    def __enter__(self) -> None:
        self._missing._begin_change(self._key)

    def __exit__(self, *_: object) -> None:
        self._missing._end_change(self._key)


def _parent(name: str) -> str:
    """The prefix of the folder that a key, or a prefix, is in."""
    return name[: name.rfind("/", 0, -1) + 1]
