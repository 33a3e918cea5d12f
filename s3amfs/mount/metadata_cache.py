"""The entry at a path: HEADs and listings, cached for a while. Threads may share a lookup.

A listing has no metadata, so times and modes need a HEAD for each object; for a process that stats the files of a
directory one by one they are prefetched in parallel, in a loop's thread: no thread waits for them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from ..core.define import define
from ..core.names import Place, path_of, place_of, to_key
from ..engine.client import S3Client
from ..engine.interruptible import check, result_of
from ..errors import Interrupted, NotFound, UsageError
from ..transfers.options import ListedObject, ListPage, ObjectInfo
from ..transfers.pages_ahead import PageAhead, PagesAhead
from .answered import Answered
from .listings import AHEAD, Listing, Listings
from .missing_names import MissingNames

MOST_ENTRIES = 50_000
SETTLED_SECONDS = 5.0
PAGE_AHEAD = 4 * AHEAD
"""Names that are left of a page of a listing when the next one is asked for."""
MOST_LOOKS = 5
"""At a path that is changed again and again while it is looked at."""


@define(frozen=True, slots=True)
class Entry:
    """The entry at a path."""

    key: str
    """Of the object; of a directory: its prefix, '' for the root."""
    directory: bool
    info: ObjectInfo | None
    """None: a directory without a marker object."""
    until: float
    """Monotonic time up to which it is used."""


def _in_time(known: Entry | None) -> Entry | None:
    """None for what is too old."""
    return known if known is not None and known.until > time.monotonic() else None


class _Outdated(Exception):
    """The path was changed by this mount while it was looked at: nobody knows whether the answer is of before."""

    def __init__(self, found: Entry | BaseException) -> None:
        super().__init__()
        self._found = found

    def answer(self) -> Entry:
        """Returns, or raises, what the look has found nevertheless."""
        if isinstance(self._found, BaseException):
            raise self._found
        return self._found


def _up_to_date(look: Callable[[], Entry]) -> Entry:
    """Looks until the answer is not outdated, a few times at most."""
    for _ in range(MOST_LOOKS - 1):
        try:
            return look()
        except _Outdated:
            check()
    try:
        return look()
    except _Outdated as outdated:
        return outdated.answer()


def _version(seen: ObjectInfo | ListedObject) -> tuple[str, int, int]:
    """ETag, size and time of an object, which HEADs and listings have."""
    return seen.etag, seen.size, int(seen.last_modified or 0)


def _key_of(path: str) -> str:
    """Below the mount's root; '' for what no key can be."""
    with suppress(UsageError):
        return place_of(path).key
    return ""


def _is_missing(missing: MissingNames, root: str, path: str) -> bool:
    """Whether that is known without a look. Raises as `Lookup.entry`."""
    place = place_of(path)
    to_key(place)  # raises for what no key can be
    return bool(place.key) and not place.partial and not place.shadowed and missing.has_both(root + place.key)


def _drop_below(known: MutableMapping[str, Any], name: str) -> None:
    """Removes `name`, and all that begins with it and a slash."""
    for each in [each for each in known if each == name or each.startswith(name + "/")]:
        del known[each]


class Lookup:
    """root: prefix of all keys. ttl: TTL of an answer, in seconds. pool: for what has to wait."""

    def __init__(self, client: S3Client, bucket: str, root: str, ttl: float, pool: Executor) -> None:
        self._client = client
        self._bucket = bucket
        self._root = root
        self._ttl = ttl
        self._pool = pool
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._listings = Listings()
        self._looking: dict[str, Future[Entry]] = {}
        """By path: the look that is made now. One forgotten meanwhile is no longer in here; its answer is not kept."""
        self._infos: dict[str, ObjectInfo] = {}
        """By key: the info seen last, to be recognised in listings."""
        self._missing = MissingNames(lambda prefix: client.list_pages(bucket, prefix, delimiter="/"), ttl)
        self.made_folder = self._missing.made
        self.changing = self._missing.changing
        self.answered = Answered(ttl)

    def entry(self, path: str) -> Entry:
        """The entry at `path`. Raises NotFound, and OSError (EILSEQ, ENAMETOOLONG) for what no key can be."""
        if (known := self.known(path)) is not None:
            return known
        listed = self._look_ahead(path)
        if not listed and _is_missing(self._missing, self._root, path):
            raise NotFound("no such file or directory")
        return _up_to_date(lambda: self._entry(path, listed))

    def known(self, path: str) -> Entry | None:
        """The entry at `path` if that needs no look."""
        with self._lock:
            return _in_time(self._entries.get(path))

    def _entry(self, path: str, listed: bool) -> Entry:
        """By a look that is made now. Raises _Outdated, too."""
        while True:
            with self._lock:
                if (known := _in_time(self._entries.get(path))) is not None:  # it came meanwhile
                    return known
                looking = self._looking.get(path)
                if looking is None:
                    mine = self._looking[path] = Future()
            if looking is None:
                self._look(path, mine, listed)
                return mine.result()
            try:
                return result_of(looking)
            except Interrupted:
                check()  # was it this thread's caller that has gone, or that of the one which looks?

    def forget(self, path: str) -> None:
        """`path` is no longer what it was, or is about to change."""
        parent = path.rpartition("/")[0] or "/"
        key = self._root + _key_of(path)
        with self._lock:
            self._entries.pop(path, None)
            self._looking.pop(path, None)
            self._listings.forget(parent)
            self._infos.pop(key, None)  # a listing that has been asked for may be of before
        self._missing.changed(key)

    def forget_below(self, path: str) -> None:
        self.forget(path)
        with self._lock:
            self._listings.forget_below(path)
            for known, name in (
                (self._entries, path),
                (self._looking, path),
                (self._infos, self._root + _key_of(path)),
            ):
                _drop_below(known, name)
        self._missing.changed_below(self._root + _key_of(path) + "/")

    def forget_key(self, key: str) -> None:
        name = key[len(self._root) :].removesuffix("/")
        with self._lock:
            for shadowed in (False, True):
                self._looking.pop("/" + path_of(name, shadowed=shadowed), None)
            self._infos.pop(key, None)
            for path in [path for path, entry in self._entries.items() if entry.key == key]:
                del self._entries[path]
        self._missing.changed(key)

    def remember(self, path: str, key: str, info: ObjectInfo) -> None:
        """An object has just been stored at `path`."""
        self.forget(path)
        with self._lock:
            self._entries[path] = Entry(key, False, info, self._until())
        self.answered.note(path, info.etag)

    def _until(self) -> float:
        return time.monotonic() + self._ttl

    # -- looking ----------------------------------------------------------------------------------------------------

    def _look(self, path: str, looking: Future[Entry], listed: bool) -> None:
        """Gives `looking` its answer. listed: a listing showed an object there, and no directory."""
        try:
            place = place_of(path)
            to_key(place)  # raises for what no key can be
            entry = self._find_object(place) if listed else None
            self._answer(path, looking, entry or self._find(place))
        except BaseException as error:  # noqa: BLE001 - raised to all who wait for it
            with self._lock:
                wanted = self._leave(path, looking)
            looking.set_exception(error if wanted else _Outdated(error))

    def _answer(self, path: str, looking: Future[Entry], entry: Entry) -> None:
        with self._lock:
            wanted = self._leave(path, looking)
            if wanted:
                self._keep(path, entry)
        if wanted:
            looking.set_result(entry)
        else:
            looking.set_exception(_Outdated(entry))

    def _leave(self, path: str, looking: Future[Entry]) -> bool:
        """Whether the answer is still wanted. The lock is held."""
        if self._looking.get(path) is not looking:
            return False
        del self._looking[path]
        return True

    def _keep(self, path: str, entry: Entry) -> None:
        if len(self._entries) >= MOST_ENTRIES:
            now = time.monotonic()
            self._entries = {name: e for name, e in self._entries.items() if e.until > now}
            if len(self._entries) > MOST_ENTRIES // 2:
                self._entries.clear()
        if len(self._infos) >= MOST_ENTRIES:
            self._infos.clear()
        self._entries[path] = entry
        # Later changes have another time, which is given in seconds.
        if entry.info is not None and time.time() - (entry.info.last_modified or 0) > SETTLED_SECONDS:
            self._infos[entry.key] = entry.info

    def _find_object(self, place: Place) -> Entry | None:
        key = self._root + place.key
        with suppress(NotFound):
            return Entry(key, False, self._client.head(self._bucket, key), self._until())
        return None

    def _find(self, place: Place) -> Entry:
        """A directory hides an object of the same name, which then has another one (core/names.py).

        Object and directory are looked for at the same time.
        """
        until = self._until()
        if not place.key:
            return Entry(self._root, True, None, until)
        key, prefix = self._root + place.key, self._root + place.prefix
        may_be_folder = place.partial or not self._missing.has(prefix)
        if not may_be_folder and not place.shadowed and self._missing.has_both(key):
            raise NotFound("no such file or directory")
        below = PageAhead(self._client, self._bucket, prefix, max_keys=1) if may_be_folder else None
        info = None
        try:
            if not place.partial:
                with suppress(NotFound):
                    info = self._client.head(self._bucket, key)
            first = next((found.key for found in below.result().objects), None) if below is not None else None
        finally:
            if below is not None:
                below.stop()
        if place.shadowed and first is None:
            raise NotFound("no such file or directory")  # without the directory beside it, it has its plain name
        if first is not None and not place.shadowed:
            marker = first == prefix and not place.partial
            return Entry(prefix, True, self._client.head(self._bucket, prefix) if marker else None, until)
        if info is None:
            if not place.shadowed and not place.partial:
                self._missing.missed(prefix)
            raise NotFound("no such file or directory")
        return Entry(key, False, info, until)

    # -- ahead ------------------------------------------------------------------------------------------------------

    def _look_ahead(self, path: str) -> bool:
        """Whether a listing showed an object at `path`; then it and the objects after it are looked at."""
        parent, _, name = path.rpartition("/")
        begun: list[tuple[str, Future[Entry]]] = []
        with self._lock:
            names = self._listings.to_look_at(parent or "/", name, time.monotonic())
            for each in names or ():
                child = f"{parent}/{each}"
                if child not in self._looking and _in_time(self._entries.get(child)) is None:
                    begun.append((child, Future()))
                    self._looking[child] = begun[-1][1]
        for child, looking in begun:
            self._begin(child, looking)
        return names is not None

    def _begin(self, path: str, looking: Future[Entry]) -> None:
        key = self._root + place_of(path).key

        def on_info(info: ObjectInfo | None) -> None:
            if info is not None:
                self._answer(path, looking, Entry(key, False, info, self._until()))
                return
            try:
                self._pool.submit(self._look, path, looking, True)
            except RuntimeError as error:  # the mount ends
                looking.set_exception(error)

        self._client.begin_head(self._bucket, key, on_info)

    # -- listings ---------------------------------------------------------------------------------------------------

    def names(self, path: str, prefix: str) -> Iterator[str]:
        """Names in the directory `path`, as pages arrive."""
        listing = Listing(time.monotonic(), place_of(path))
        pages, shown = PagesAhead(self._client, self._bucket, prefix, self._ttl), deque[str]()
        try:
            while True:
                if len(shown) <= PAGE_AHEAD:
                    pages.begin()
                # A page that came while the last names of the one before are looked at adds more to look at.
                if not shown or (pages.came and len(shown) <= AHEAD):
                    page = pages.take()
                    if page is None:
                        return
                    shown += self._show(path, prefix, listing, page, pages.taken_at)
                else:
                    yield shown.popleft()
        finally:
            pages.stop()

    def _show(self, path: str, prefix: str, listing: Listing, page: ListPage, came_at: float) -> list[str]:
        """Adds a page to the listing of the directory `path`. Returns the names that are new in it."""
        parent = path.rstrip("/")
        with self._lock:
            names, objects = listing.add(page, prefix)
            for name in listing.mistaken:
                self._entries.pop(f"{parent}/{name}", None)
                self._looking.pop(f"{parent}/{name}", None)
            for name, listed in objects:
                self._recognise(f"{parent}/{name}", listed, came_at + self._ttl)
            self._listings.keep(path, listing)
        return names

    def _recognise(self, path: str, listed: ListedObject, until: float) -> None:
        """An object that a listing shows unchanged need not be looked at again."""
        info, known = self._infos.get(listed.key), self._entries.get(path)
        is_same = info is not None and _version(info) == _version(listed)
        if is_same and (known is None or known.until <= until):  # else it was looked at since the page came
            self._entries[path] = Entry(listed.key, False, info, until)
