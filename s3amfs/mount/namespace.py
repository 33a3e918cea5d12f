"""Paths as keys of one bucket: what is there, listings, directories, renames. Threads may share a tree.

What was seen (lookup.py) is believed for `metadata_ttl` seconds.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ..core.locations import S3Location
from ..core.names import place_of, to_key
from ..engine.client import S3Client
from ..errors import NotFound, S3AMError
from ..transfers.options import ObjectInfo, ObjectOptions, UploadOptions
from ..verbs.upload import upload
from .attributes import Attributes, attributes, attributes_of, time_text
from .deferred_metadata import Changes
from .metadata_cache import Entry, Lookup
from .options import MountOptions

WORKERS = 16


class Tree:
    def __init__(self, client: S3Client, root: S3Location, options: MountOptions) -> None:
        self.client = client
        self.bucket = root.bucket
        self.root = root.key.rstrip("/") + "/" if root.key else ""
        self.options = options
        self.changes = Changes(self._store_metadata)
        self.on_stored_again: Callable[[str, str], None] = _ignore
        """Told of a key whose object was copied onto itself or to another key, and of the copy's ETag."""
        self._directories: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3am-tree")
        self._lookup = Lookup(client, self.bucket, self.root, options.metadata_ttl, self._pool)
        self.entry = self._lookup.entry
        self.forget = self._lookup.forget
        self.is_news = self._lookup.is_news
        self._began = time.time_ns()

    # -- one path ---------------------------------------------------------------------------------------------------

    def key(self, path: str) -> str:
        """The key that a file at `path` has. Raises OSError (EILSEQ, ENAMETOOLONG, ENOENT)."""
        return self.root + to_key(place_of(path))

    def prefix(self, path: str) -> str:
        return self.root + place_of(path).prefix

    def attributes(self, path: str) -> Attributes:
        entry = self.entry(path)
        self._lookup.tell(path, entry)
        if entry.info is None:
            return attributes(self.options, self.metadata(entry), size=0, changed=self._began, directory=True)
        return attributes_of(self.options, entry.info, self.metadata(entry), directory=entry.directory)

    def metadata(self, entry: Entry) -> dict[str, str]:
        """Also what waits to be stored, and what this mount knows of a directory."""
        waiting = self.changes.of(entry.key)
        if waiting is not None:
            return dict(waiting)
        stored = entry.info.metadata if entry.info is not None else {}
        return dict(stored or (self._directories.get(entry.key, {}) if entry.directory else {}))

    def remember(self, path: str, info: ObjectInfo) -> None:
        """An object has just been stored at `path`."""
        self._lookup.remember(path, self.key(path), info)

    # -- directories ------------------------------------------------------------------------------------------------

    def names(self, path: str) -> Iterator[str]:
        """Names in the directory `path`, as pages arrive."""
        return self._lookup.names(path, self.prefix(path))

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
        metadata = {**self.metadata(entry), **changes}
        if not entry.key:  # a bucket has no marker: this mount remembers it
            with self._lock:
                self._directories[""] = metadata
        elif entry.directory and entry.info is None:
            self._put_marker(entry.key, metadata)
            self.forget(path)
        else:
            self.changes.put(entry.key, metadata)

    def _store_metadata(self, key: str, metadata: Mapping[str, str]) -> None:
        if key.endswith("/"):
            self._put_marker(key, metadata)
        else:
            where = S3Location(self.bucket, key)
            self.on_stored_again(key, upload(where, where, self.client, _options(metadata)).etag)
        self._lookup.forget_key(key)

    def _put_marker(self, prefix: str, metadata: Mapping[str, str]) -> None:
        """A directory's marker is written, never copied: not every server copies a key that ends in a slash.

        Nor does every server keep metadata of such a key: this mount remembers it.
        """
        with self._lock:
            self._directories[prefix] = dict(metadata)
        self.client.put(self.bucket, prefix, b"", ObjectOptions(metadata=dict(metadata)))

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
        self._lookup.forget_below(old)
        self._lookup.forget_below(new)
        self._keep_parent(old)

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
            stored = upload(S3Location(self.bucket, old), S3Location(self.bucket, new), self.client, _options(metadata))
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
