"""Paths as keys of one bucket: what is there, listings, directories, renames. Threads may share a tree.

What was seen is believed for `metadata_ttl` seconds. A listing tells no metadata, so times and modes need a HEAD for
each object; who looks at the files of a directory one by one gets them in parallel, ahead of being asked.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..core.locations import S3Location
from ..core.names import Place, child_of, place_of, to_key
from ..engine.client import S3Client
from ..errors import NotFound, S3AMError
from ..verbs.copy import copy
from ..verbs.options import ListedObject, ObjectInfo, ObjectOptions, UploadOptions
from .attributes import Attributes, attributes, attributes_of, time_text
from .changes import Changes
from .options import MountOptions

WORKERS = 16
AHEAD = 64
"""Objects of a directory that are looked at ahead of being asked for."""
LISTING_SECONDS = 60.0
"""How long a listing says in which order files will be asked for; what they are is asked anew."""
MOST_ENTRIES = 200_000
SETTLED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a path."""

    key: str
    """Of the object; of a directory: its prefix, '' for the root."""
    directory: bool
    info: ObjectInfo | None
    """None: a directory without a marker object."""
    until: float
    """Monotonic time up to which it is believed."""


@dataclass(slots=True)
class _Listing:
    """The objects that the last listing of a directory showed, in its order."""

    seen: float
    names: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Name -> place in `names`."""
    looked_to: int = 0


class Tree:
    def __init__(self, client: S3Client, root: S3Location, options: MountOptions) -> None:
        self.client = client
        self.bucket = root.bucket
        self.root = root.key.rstrip("/") + "/" if root.key else ""
        self.options = options
        self.changes = Changes(self._store_metadata)
        self.on_stored_again: Callable[[str, str], None] = _ignore
        """Told of a key whose object was copied onto itself or to another key, and of the copy's ETag."""
        self._entries: dict[str, Entry] = {}
        self._listings: dict[str, _Listing] = {}
        self._looking: dict[str, Future[Entry]] = {}
        self._infos: dict[str, ObjectInfo] = {}
        """By key: what was seen last, to be recognised in listings."""
        self._directories: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3am-tree")
        self._began = time.time_ns()

    # -- one path ---------------------------------------------------------------------------------------------------

    def key(self, path: str) -> str:
        """The key that a file at `path` has. Raises OSError (EILSEQ, ENAMETOOLONG, ENOENT)."""
        return self.root + to_key(place_of(path))

    def prefix(self, path: str) -> str:
        return self.root + place_of(path).prefix

    def entry(self, path: str) -> Entry:
        """What is at `path`. Raises NotFound."""
        with self._lock:
            known = self._entries.get(path)
            if known is not None and known.until > time.monotonic():
                return known
            looking = self._looking.get(path)
        listed = self._look_ahead(path)
        return looking.result() if looking is not None else self._look(path, listed)

    def attributes(self, path: str) -> Attributes:
        entry = self.entry(path)
        if entry.info is None:
            return attributes(self.options, {}, size=0, changed=self._began, directory=True)
        return attributes_of(
            self.options, replace(entry.info, metadata=self.metadata(entry)), directory=entry.directory
        )

    def metadata(self, entry: Entry) -> dict[str, str]:
        """Also what waits to be stored, and what this mount knows of a directory."""
        waiting = self.changes.of(entry.key)
        if waiting is not None:
            return dict(waiting)
        stored = entry.info.metadata if entry.info is not None else {}
        return dict(stored or (self._directories.get(entry.key, {}) if entry.directory else {}))

    def forget(self, path: str) -> None:
        """`path` is no longer what it was, or is about to change."""
        parent = path.rpartition("/")[0] or "/"
        with self._lock:
            self._entries.pop(path, None)
            self._looking.pop(path, None)
            self._listings.pop(parent, None)

    def remember(self, path: str, info: ObjectInfo) -> None:
        """An object has just been stored at `path`."""
        self.forget(path)
        entry = Entry(self.key(path), False, info, time.monotonic() + self.options.metadata_ttl)
        with self._lock:
            self._entries[path] = entry

    def _look(self, path: str, listed: bool = False) -> Entry:
        """listed: a listing showed an object there, and no directory."""
        place = place_of(path)
        entry = self._find_object(place) if listed else None
        if entry is None:
            entry = self._find(place)
        with self._lock:
            if len(self._entries) > MOST_ENTRIES:
                now = time.monotonic()
                self._entries = {name: e for name, e in self._entries.items() if e.until > now}
                self._infos.clear()
            self._entries[path] = entry
            # Later changes have another time, which is told in seconds.
            if entry.info is not None and time.time() - (entry.info.last_modified or 0) > SETTLED_SECONDS:
                self._infos[entry.key] = entry.info
        return entry

    def _find_object(self, place: Place) -> Entry | None:
        key = self.root + place.key
        with suppress(NotFound):
            info = self.client.head(self.bucket, key)
            return Entry(key, False, info, time.monotonic() + self.options.metadata_ttl)
        return None

    def _find(self, place: Place) -> Entry:
        """A directory hides an object of the same name, which then has another one (core/names.py)."""
        until = time.monotonic() + self.options.metadata_ttl
        if not place.key:
            return Entry(self.root, True, None, until)
        key = self.root + place.key
        info = None
        if not place.partial:
            with suppress(NotFound):
                info = self.client.head(self.bucket, key)
        if not place.shadowed:
            prefix = self.root + place.prefix
            page = self.client.list_page(self.bucket, prefix, max_keys=1)
            if page.objects:
                marker = page.objects[0].key == prefix and not place.partial
                return Entry(prefix, True, self.client.head(self.bucket, prefix) if marker else None, until)
        if info is None:
            raise NotFound("no such file or directory")
        return Entry(key, False, info, until)

    def _look_ahead(self, path: str) -> bool:
        """Whether a listing showed an object at `path`; then the objects after it are looked at, too."""
        parent, _, name = path.rpartition("/")
        with self._lock:
            listing = self._listings.get(parent or "/")
            place = listing.places.get(name) if listing is not None else None
            if listing is None or place is None or listing.seen + LISTING_SECONDS < time.monotonic():
                return False
            if place + AHEAD // 2 >= listing.looked_to:
                start, listing.looked_to = max(place + 1, listing.looked_to), place + 1 + AHEAD
                for each in listing.names[start : listing.looked_to]:
                    child = f"{parent}/{each}"
                    if child not in self._looking and child not in self._entries:
                        self._looking[child] = self._pool.submit(self._look_for, child)
        return True

    def _look_for(self, path: str) -> Entry:
        try:
            return self._look(path, listed=True)
        finally:
            with self._lock:
                self._looking.pop(path, None)

    # -- directories ------------------------------------------------------------------------------------------------

    def names(self, path: str) -> Iterator[str]:
        """Names in the directory `path`, as pages arrive."""
        place, prefix = place_of(path), self.prefix(path)
        listing = _Listing(time.monotonic())
        below: set[str] = set()
        for page in self.client.list_pages(self.bucket, prefix, delimiter="/"):
            below |= {name[len(prefix) : -1] for name in page.prefixes}
            found = [child_of(place, name[len(prefix) : -1]) for name in page.prefixes]
            for listed in page.objects:
                piece = listed.key[len(prefix) :]
                name = child_of(place, piece, shadowed=piece in below) if piece else None
                if name is not None:
                    found.append(name)
                    listing.places[name] = len(listing.names)
                    listing.names.append(name)
                    self._recognise(path.rstrip("/") + "/" + name, listed)
            with self._lock:
                self._listings[path] = listing
            yield from (name for name in found if name is not None)

    def _recognise(self, path: str, listed: ListedObject) -> None:
        """What a listing shows unchanged need not be looked at again."""
        info = self._infos.get(listed.key)
        if info is None or (info.etag, info.size) != (listed.etag, listed.size):
            return
        if int(info.last_modified or 0) == int(listed.last_modified or 0):
            self._entries[path] = Entry(listed.key, False, info, time.monotonic() + self.options.metadata_ttl)

    def is_empty(self, path: str) -> bool:
        prefix = self.prefix(path)
        page = self.client.list_page(self.bucket, prefix, max_keys=2)
        return all(found.key == prefix for found in page.objects)

    def make_directory(self, path: str, metadata: Mapping[str, str]) -> None:
        prefix = self.root + to_key(place_of(path)) + "/"
        self._put_marker(prefix, metadata)
        self.forget(path)

    def remove_directory(self, path: str) -> None:
        if not self.is_empty(path):
            raise OSError(errno.ENOTEMPTY, "the directory is not empty")
        prefix = self.prefix(path)
        self.changes.take(prefix)
        self._directories.pop(prefix, None)
        self.client.delete(self.bucket, prefix)
        self.forget(path)
        self._keep_parent(path)

    def remove(self, path: str, key: str) -> None:
        self.changes.take(key)
        self.client.delete(self.bucket, key)
        self.forget(path)
        self._keep_parent(path)

    def _keep_parent(self, path: str) -> None:
        """A directory that only its content implied does not vanish with the last file in it."""
        parent = path.rpartition("/")[0]
        if parent and not self.client.list_page(self.bucket, self.prefix(parent), max_keys=1).objects:
            self.make_directory(parent, {})

    # -- changes ----------------------------------------------------------------------------------------------------

    def change(self, path: str, changes: Mapping[str, str]) -> None:
        """Other times, mode or owner: seen at once, stored soon."""
        entry = self.entry(path)
        if entry.directory and entry.info is None:
            if entry.key != self.root:
                self.make_directory(path, changes)
            return
        self.changes.put(entry.key, {**self.metadata(entry), **changes})

    def _store_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        if key.endswith("/"):
            self._put_marker(key, metadata)
        else:
            where = S3Location(self.bucket, key)
            self.on_stored_again(key, copy(where, where, self.client, _options(metadata)).etag)
        self._drop_key(key)

    def _put_marker(self, prefix: str, metadata: Mapping[str, str]) -> None:
        """A directory's marker is written, never copied: not every server copies a key that ends in a slash.

        Nor does every server keep metadata of such a key: this mount remembers it.
        """
        with self._lock:
            self._directories[prefix] = dict(metadata)
        self.client.put(self.bucket, prefix, b"", ObjectOptions(metadata=dict(metadata)))

    def _drop_key(self, key: str) -> None:
        with self._lock:
            for path in [path for path, entry in self._entries.items() if entry.key == key]:
                del self._entries[path]

    def move(self, old: str, new: str) -> None:
        """Renames a file, or a directory with all keys below it (one after the other is visible under its new name)."""
        entry = self.entry(old)
        if not entry.directory:
            self._move_key(entry.key, self.key(new))
        else:
            with suppress(NotFound):
                if self.entry(new).directory and not self.is_empty(new):
                    raise OSError(errno.ENOTEMPTY, "the directory is not empty")
            start, target = self.prefix(old), self.root + to_key(place_of(new)) + "/"
            keys = [o.key for page in self.client.list_pages(self.bucket, start) for o in page.objects]
            for moved in [self._pool.submit(self._move_key, key, target + key[len(start) :]) for key in keys]:
                moved.result()
        self.forget_below(old)
        self.forget_below(new)
        self._keep_parent(old)

    def forget_below(self, path: str) -> None:
        self.forget(path)
        below = path + "/"
        with self._lock:
            for known in (self._entries, self._listings):
                for name in [name for name in known if name == path or name.startswith(below)]:
                    del known[name]

    def _move_key(self, old: str, new: str) -> None:
        if old == new:
            return
        metadata = self.changes.take(old)
        self.changes.take(new)
        if old.endswith("/"):
            known = metadata or self._directories.pop(old, None) or self.client.head(self.bucket, old).metadata
            self._put_marker(new, known)
            self.client.delete(self.bucket, old)
            return
        try:
            stored = copy(S3Location(self.bucket, old), S3Location(self.bucket, new), self.client, _options(metadata))
        except S3AMError:
            if metadata is not None:
                self.changes.put(old, metadata)
            raise
        self.on_stored_again(old, stored.etag)
        self.client.delete(self.bucket, old)

    def close(self) -> None:
        """Stores what waits. Raises OSError."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.changes.store_all()

    def modified_now(self) -> dict[str, str]:
        return {"mtime": time_text(time.time_ns())}


def _ignore(key: str, etag: str) -> None:
    """Nothing is open."""


def _options(metadata: Mapping[str, str] | None) -> UploadOptions:
    return UploadOptions(
        unfinished="continue", exists="overwrite", object=ObjectOptions(metadata=dict(metadata) if metadata else {})
    )
