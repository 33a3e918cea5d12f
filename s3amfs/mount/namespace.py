"""Paths as keys of one bucket: objects, listings, directories, renames. Threads may share a tree.

Answers (metadata_cache.py) are cached for `metadata_ttl` seconds.
"""

from __future__ import annotations

import errno
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from ..core.locations import MAX_KEY_BYTES, S3Location
from ..core.names import OBJECT, place_of, to_key
from ..core.posix_metadata import time_text
from ..engine.client import S3Client
from ..engine.interruptible import result_of
from ..errors import NotFound, ObjectExists
from ..transfers.options import ObjectInfo, StoredInfo
from .attributes import Attributes, attributes, last_changed
from .deferred_metadata import Changes, Waiting
from .file_times import FileTimes
from .metadata_cache import Entry, Lookup
from .options import MountOptions
from .storing import Store

WORKERS = 16
MOST_LISTED = 1000
"""Keys of one page of a listing (S3 API, ListObjectsV2)."""
OnMoved = Callable[[str, str], None]
OnStoredAgain = Callable[[str, str, StoredInfo], None]


class Tree:
    def __init__(self, client: S3Client, reading: S3Client, root: S3Location, options: MountOptions) -> None:
        self.client = client
        self.bucket = root.bucket
        self.root = root.key.rstrip("/") + "/" if root.key else ""
        self.options = options
        self.store = Store(client, root.bucket)
        self.changes = Changes(self._apply)
        self.times = FileTimes()
        self.on_stored_again: OnStoredAgain = _ignore
        """Called with a key whose object was copied onto itself or to another key, its ETag, and what the copy is."""
        self._directories: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3am-tree")
        self._lookup = Lookup(reading, self.bucket, self.root, options.metadata_ttl, self._pool)
        self.forget = self._lookup.forget
        self.answered = self._lookup.answered
        self.changing = self._lookup.changing
        self._began = time.time_ns()

    # -- one path ---------------------------------------------------------------------------------------------------

    def key(self, path: str) -> str:
        """The key that a file at `path` has. Raises OSError (EILSEQ, ENAMETOOLONG, ENOENT)."""
        return self.root + to_key(place_of(path))

    def prefix(self, path: str) -> str:
        return self.root + place_of(path).prefix

    def entry(self, path: str) -> Entry:
        """The entry at `path`. Raises NotFound, and OSError (EILSEQ, ENAMETOOLONG) for what no key can be."""
        entry = self._lookup.entry(path)
        waiting = self.changes.of(entry.key)
        if waiting is not None and waiting.removal and entry.info is not None and entry.info.etag == waiting.base.etag:
            raise NotFound("no such file or directory")
        return entry

    def find(self, path: str) -> Entry | None:
        """The entry at `path`, None if nothing is."""
        try:
            return self.entry(path)
        except NotFound:
            return None

    def attributes(self, path: str, at_least: int = 0) -> Attributes:
        """at_least: the size of a file is shown as no less: the kernel would cut off readers of an older version."""
        entry = self.entry(path)
        metadata, info = self.metadata(entry), entry.info
        waiting = self.changes.of(entry.key)
        modified = last_changed(info) if info is not None else self._began
        if not entry.directory:
            assert info is not None
            self.answered.note(path, info.etag if info.size >= at_least else "")
            changed = waiting.since if waiting is not None else self.times.changed(entry.key, info)
            return attributes(self.options, metadata, size=max(info.size, at_least), modified=modified, changed=changed)
        found = attributes(self.options, metadata, size=0, modified=modified, changed=modified, directory=True)
        found["st_mtime"] = found["st_atime"] = max(found["st_mtime"], self.times.directory(path))
        since = waiting.since if waiting is not None else 0
        found["st_ctime"] = max(modified, self.times.directory_changed(path), since)
        return found

    def metadata(self, entry: Entry) -> dict[str, str]:
        """Also what waits to be stored, and what this mount knows of a directory."""
        waiting = self.changes.of(entry.key)
        if waiting is not None and (entry.info is None or waiting.base.etag == entry.info.etag):
            return waiting.metadata
        stored = entry.info.metadata if entry.info is not None else {}
        return dict(stored or (self._directories.get(entry.key, {}) if entry.directory else {}))

    def remember(self, path: str, info: ObjectInfo, changed: int) -> None:
        """An object has just been stored at `path`; its ctime is `changed`, in nanoseconds since 1970."""
        key = self.key(path)
        self.times.stored(key, info.etag, changed)
        self._lookup.remember(path, key, info)

    # -- directories ------------------------------------------------------------------------------------------------

    def names(self, path: str) -> Iterator[str]:
        """Names in the directory `path`, as pages arrive."""
        prefix = self.prefix(path)
        for name in self._lookup.names(path, prefix):
            removed = self.changes.removals_in(prefix)
            if not removed or self.key(f"{path.rstrip('/')}/{name}") not in removed:
                yield name

    def is_empty(self, path: str) -> bool:
        prefix = self.prefix(path)
        removed = self.changes.removals_in(prefix)
        page = self.client.list_page(self.bucket, prefix, max_keys=min(MOST_LISTED, len(removed) + 2))
        return all(found.key == prefix or found.key in removed for found in page.objects)

    def make_directory(self, path: str, metadata: Mapping[str, str], *, again: bool = True) -> None:
        """again: as in `Store.put_marker`."""
        prefix = key_of_new(self, path) + "/"
        self._put_marker(prefix, metadata, None, again=again)
        self._lookup.made_folder(prefix)
        self.forget(path)

    def remove_directory(self, path: str) -> None:
        if not self.is_empty(path):
            raise OSError(errno.ENOTEMPTY, "the directory is not empty")
        prefix = self.prefix(path)
        entry = self.entry(path)
        for key in self.changes.removals_in(prefix):
            self.changes.store(key)
        self.changes.take(prefix)
        self._directories.pop(prefix, None)
        if entry.info is not None:
            self.store.remove(prefix, entry.info)
        self.forget(path)
        self.times.forget_below(path)
        self.keep_parent(path)

    def remove(self, path: str, entry: Entry) -> None:
        """Raises OSError (EBUSY) if it has been replaced by somebody else: theirs stays, and is seen from now on."""
        self.changes.take(entry.key)
        if not self.store.remove(entry.key, entry.info):
            _remove_own(self, path)
        self.forget(path)
        self.times.removed(path)
        self.keep_parent(path)

    def keep_parent(self, path: str) -> None:
        """A directory that only its content implied does not vanish with the last file in it."""
        self.times.name_changed(path)
        parent = path.rpartition("/")[0]
        if parent and not self.client.list_page(self.bucket, self.prefix(parent), max_keys=1).objects:
            with suppress(ObjectExists):  # SeaweedFS shows a folder for a while after its last key went
                self.make_directory(parent, {}, again=False)

    # -- changes ----------------------------------------------------------------------------------------------------

    def change(self, path: str, changes: Mapping[str, str]) -> None:
        """Other times, mode or owner: seen at once, stored soon."""
        entry = self.entry(path)
        if entry.directory and "mtime" in changes:
            self.times.set_directory(path)
        metadata = {**self.metadata(entry), **changes}
        if not entry.key:  # a bucket has no marker: this mount remembers it
            with self._lock:
                self._directories[""] = metadata
        elif entry.info is None:
            _make_marker(self, path, metadata, changes)
        else:
            self.changes.put(entry.key, entry.info, metadata if entry.directory else changes)

    def _apply(self, key: str, waiting: Waiting) -> None:
        if waiting.removal:
            self.store.remove(key, waiting.base)
            self._keep_prefix(key)
        elif key.endswith("/"):
            self._put_marker(key, waiting.metadata, waiting.base)
        else:
            stored = self.store.change_metadata(key, waiting)
            if stored is not None:
                self.times.stored(key, stored.etag, waiting.since)
                self.on_stored_again(key, waiting.base.etag, stored)
        self._lookup.forget_key(key)

    def _keep_prefix(self, key: str) -> None:
        parent = key.rpartition("/")[0] + "/"
        if len(parent) > len(self.root) and not self.client.list_page(self.bucket, parent, max_keys=1).objects:
            with suppress(ObjectExists):
                self._put_marker(parent, {}, None, again=False)

    def _put_marker(
        self, prefix: str, metadata: Mapping[str, str], base: ObjectInfo | None, *, again: bool = True
    ) -> None:
        """Not every server keeps metadata of a key that ends in a slash: this mount remembers it."""
        with self._lock:
            self._directories[prefix] = dict(metadata)
        self.store.put_marker(prefix, metadata, base, again=again)

    # -- renames ----------------------------------------------------------------------------------------------------

    def move(self, old: str, new: str, on_moved: OnMoved, no_replace: bool = False) -> None:
        """Renames a file, or a directory with all keys below it (one after the other is visible under its new name).

        on_moved: called with the old and the new key of each file that has moved, also if another one fails. Returns,
        or raises, when nothing moves any more. no_replace: raises ObjectExists for a file where something is at `new`.
        """
        entry = self.entry(old)
        try:
            if not entry.directory:
                there = self.find(new) if not no_replace else None
                self._move_file(entry, self.key(new), there.info if there is not None else None, on_moved)
            else:
                self._move_directory(old, new, on_moved)
        finally:
            if entry.directory:
                self._lookup.made_folder(self.prefix(new))
            self._lookup.forget_below(old)
            self._lookup.forget_below(new)
        self.answered.moved(old, new, below=entry.directory)
        self.times.renamed(old, new, below=entry.directory)
        self.times.forget_below(old)
        self.keep_parent(old)
        self.times.name_changed(new)
        if entry.directory:
            self.times.moved(new)

    def _move_directory(self, old: str, new: str, on_moved: OnMoved) -> None:
        if not self.is_empty(new):  # asked of the server: what was seen there before may be old
            raise OSError(errno.ENOTEMPTY, "the directory is not empty")
        start, target = self.prefix(old), key_of_new(self, new) + "/"
        for key in self.changes.removals_in(start) | self.changes.removals_in(target):
            self.changes.store(key)
        keys = [o.key for page in self.client.list_pages(self.bucket, start) for o in page.objects]
        # Until the last key has moved the folder is there; SeaweedFS goes on listing one whose marker went first.
        for _, group in itertools.groupby(sorted(keys, key=_turn), _turn):
            _all_done([self._pool.submit(self._move_key, key, target + key[len(start) :], on_moved) for key in group])

    def _move_key(self, old: str, new: str, on_moved: OnMoved) -> None:
        if old == new:
            return
        if not old.endswith("/"):
            self._move_file(Entry(old, False, self.client.head(self.bucket, old), 0.0), new, None, on_moved)
            return
        waiting = self.changes.take(old)
        known = waiting.metadata if waiting is not None else self._directories.pop(old, None)
        if known is not None:
            with self._lock:
                self._directories[new] = dict(known)
        self.store.move_marker(old, new, known)

    def _move_file(self, entry: Entry, new: str, replaced: ObjectInfo | None, on_moved: OnMoved) -> None:
        old, base = entry.key, entry.info
        if old == new:
            return
        assert base is not None
        waiting = self.changes.take(old)
        if waiting is not None and waiting.base.etag != base.etag:
            waiting = None
        self.changes.take(new)
        try:
            stored = self.store.move(old, base, new, replaced, waiting.changes if waiting is not None else {})
        except BaseException:
            if waiting is not None:
                self.changes.put_back(old, waiting)
            raise
        self.times.stored(new, stored.etag, time.time_ns())
        self.on_stored_again(old, base.etag, stored)
        on_moved(old, new)

    def close(self) -> None:
        """Stores what waits. Raises OSError."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.changes.store_all()


def modified_now() -> dict[str, str]:
    """Metadata of what is written now."""
    return {"mtime": time_text(time.time_ns())}


def key_of_new(tree: Tree, path: str) -> str:
    """The key for something new at `path`. Raises OSError as `Tree.key`, and EINVAL for the name that an object has
    beside a directory (core/names.py) where no such directory is: it would replace the object with the plain name."""
    if path.endswith(OBJECT) and place_of(path).shadowed:
        beside = tree.find(path[: -len(OBJECT)])
        if beside is None or not beside.directory:
            raise OSError(errno.EINVAL, f"a name in {OBJECT} is that of an object beside a directory")
    return tree.key(path)


def _make_marker(tree: Tree, path: str, metadata: Mapping[str, str], changes: Mapping[str, str]) -> None:
    """For a directory that only its content implied, to keep `metadata`, of which `changes` are new."""
    prefix = tree.prefix(path)
    try:
        tree._put_marker(prefix, metadata, None)
    except ObjectExists:
        tree.forget(path)
        there = tree.entry(path).info
        if there is not None:  # else SeaweedFS has a folder there that nobody made: this mount remembers it
            tree.changes.put(prefix, there, {**there.metadata, **changes})
    tree.forget(path)


def _remove_own(tree: Tree, path: str) -> None:
    """Removes what was not seen there yet if it is this mount's own: the same object with other times or mode."""
    tree.forget(path)
    now = tree.find(path)
    if now is None or now.directory or now.info is None:
        return
    if not (tree.times.is_own(now.key, now.info) and tree.store.remove(now.key, now.info)):
        # Not ESTALE: the kernel would ask once more, and theirs would go.
        raise OSError(errno.EBUSY, "somebody else has replaced it meanwhile: theirs stays")


def _ignore(key: str, etag: str, stored: StoredInfo) -> None:
    """Nothing is open."""


def _turn(key: str) -> int:
    """When a key of a directory moves: files at once, then the markers, those that lie deepest first."""
    return -key.count("/") if key.endswith("/") else -MAX_KEY_BYTES


def _all_done(moving: list[Future[None]]) -> None:
    """Returns, or raises the first error, when nothing moves any more."""
    try:
        for moved in moving:
            result_of(moved)
    finally:
        for moved in moving:
            moved.cancel()
        wait(moving)
