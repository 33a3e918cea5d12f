"""Times that only this mount knows: when names came and went in a directory, and when exactly an object changed.

S3 keeps the time of each object's last writing in whole seconds, and nothing of directories. Threads may share it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from ..transfers.options import ObjectInfo
from .attributes import Attributes, last_changed

MOST_TIMES = 50_000
SLACK_SECONDS = 3
"""The server's clock may be that far ahead of ours, and it cuts to seconds."""


class FileTimes:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._directories: OrderedDict[str, int] = OrderedDict()
        """By path: nanoseconds since 1970."""
        self._moved: OrderedDict[str, int] = OrderedDict()
        """By path: when a directory got that name, in nanoseconds since 1970."""
        self._objects: OrderedDict[str, tuple[str, int, float]] = OrderedDict()
        """By key: ETag, ctime in nanoseconds, when it was stored in seconds since 1970."""
        self._accessed: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By path: the mtime that it had when an atime was set, and this atime. Both in nanoseconds since 1970."""

    def name_changed(self, path: str) -> None:
        """A name has come or gone in the directory of `path`."""
        parent = path.rpartition("/")[0] or "/"
        with self._lock:
            self._directories[parent] = time.time_ns()
            self._directories.move_to_end(parent)
            while len(self._directories) > MOST_TIMES:
                self._directories.popitem(last=False)

    def directory(self, path: str) -> int:
        """When names last came or went in it, as far as this mount knows: nanoseconds since 1970, or 0."""
        return self._directories.get(path, 0)

    def moved(self, path: str) -> None:
        """The directory `path` has got this name now, which changes its ctime."""
        with self._lock:
            self._moved[path] = time.time_ns()
            while len(self._moved) > MOST_TIMES:
                self._moved.popitem(last=False)

    def directory_changed(self, path: str) -> int:
        """ctime of a directory, as far as this mount knows: nanoseconds since 1970, or 0."""
        return max(self._directories.get(path, 0), self._moved.get(path, 0))

    def accessed(self, path: str, mtime: int, atime: int) -> None:
        """A program has set `atime` for what has `mtime` there, both in nanoseconds since 1970."""
        with self._lock:
            self._accessed.pop(path, None)
            if atime != mtime:
                self._accessed[path] = (mtime, atime)
            while len(self._accessed) > MOST_TIMES:
                self._accessed.popitem(last=False)

    def with_access(self, path: str, found: Attributes) -> Attributes:
        """Returns `found` with the atime that was set. Reading sets none: without one it is the mtime."""
        mtime, atime = self._accessed.get(path, (None, 0))
        return {**found, "st_atime": atime} if mtime == found["st_mtime"] else found

    def renamed(self, old: str, new: str, *, below: bool) -> None:
        """An atime at `old` becomes one at `new`. below: it is a directory, so those of all in it do."""
        with self._lock:
            if not below:
                moved = {new: self._accessed.pop(old, None)}
            else:
                for path in [path for path in self._accessed if f"{path}/".startswith(f"{new}/")]:
                    del self._accessed[path]
                paths = [path for path in self._accessed if f"{path}/".startswith(f"{old}/")]
                moved = {new + path[len(old) :]: self._accessed.pop(path) for path in paths}
            self._accessed.pop(new, None)
            self._accessed.update({path: times for path, times in moved.items() if times is not None})

    def removed(self, path: str) -> None:
        """Nothing is at `path` any more."""
        with self._lock:
            self._accessed.pop(path, None)

    def set_directory(self, path: str) -> None:
        """Drops a directory's earlier time, since a new one was set."""
        with self._lock:
            self._directories.pop(path, None)

    def forget_below(self, path: str) -> None:
        with self._lock:
            self._accessed.pop(path, None)  # of what is in it, each has gone by itself
            for known in (self._directories, self._moved):
                for name in [name for name in known if name == path or name.startswith(path + "/")]:
                    del known[name]

    def stored(self, key: str, etag: str, changed: int) -> None:
        """This mount has stored `key` with what changed at `changed` (nanoseconds since 1970)."""
        with self._lock:
            self._objects[key] = (etag, changed, time.time())
            self._objects.move_to_end(key)
            while len(self._objects) > MOST_TIMES:
                self._objects.popitem(last=False)

    def changed(self, key: str, info: ObjectInfo) -> int:
        """ctime of the object at `key`, in nanoseconds since 1970."""
        known = self._known(key, info)
        return known[1] if known is not None else last_changed(info)

    def is_own(self, key: str, info: ObjectInfo) -> bool:
        """Whether `info` is the object that this mount has stored last at `key`."""
        return self._known(key, info) is not None

    def _known(self, key: str, info: ObjectInfo) -> tuple[str, int, float] | None:
        known = self._objects.get(key)
        if known is None or known[0] != info.etag or (info.last_modified or 0) > known[2] + SLACK_SECONDS:
            return None
        return known
