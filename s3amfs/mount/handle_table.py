"""Which files are open, by handle and by key. Threads share it."""

from __future__ import annotations

import errno
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Literal

from ..core.define import define
from ..transfers.options import ObjectInfo
from .context import Service
from .open_file import OpenFile
from .open_paths import OpenPaths

Pages = Literal["old", "new", "none"]
"""The kernel's cached pages of an open file are valid; are stale; may not be kept."""
MOST_PAGES = 10_000


HIDDEN = re.compile(r"\.fuse_hidden[0-9a-f]{8}([0-9a-f]{8})")
"""libfuse's name for an open file that loses its own (lib/fuse.c, hidden_name): node and running number."""
MOST_TRIES = 10
"""Numbers that libfuse tries for one file."""
RELEASED_SECONDS = 5.0
"""libfuse counts a handle as open until an instant after its release was answered (lib/fuse.c, fuse_do_release)."""


@define(frozen=True, slots=True)
class Handle:
    """An open descriptor of a program."""

    file: OpenFile
    writes: bool
    opener: int = 0
    """The process that opened it."""


class Files:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._handles: dict[int, Handle] = {}
        self._by_key: dict[str, OpenFile] = {}
        self._paths = OpenPaths()
        self._next = 1
        self._hidden: dict[str, OpenFile | None] = {}
        """By the path that libfuse made up; None: its last handle was just released."""
        self._released: OrderedDict[str, float] = OrderedDict()
        """Path -> when its last handle was released, for the last few."""
        self._hidden_number = 0
        self._pages: dict[str, str] = {}
        """By path: ETag of the version whose pages the kernel may still have."""
        self._exact: set[str] = set()
        """Paths that are written: the kernel needs the size of what is there, or an append goes elsewhere."""

    def hold(
        self,
        path: str,
        key: str,
        info: ObjectInfo | None,
        metadata: Mapping[str, str],
        *,
        writes: bool,
        opener: int = 0,
        replaces: bool = False,
    ) -> tuple[int, OpenFile]:
        """A handle for the file at `key`: the one that is open, unless the object is another one meanwhile.

        info: what is stored; None: a new file. replaces: by O_TRUNC. opener: process. Raises OSError (a full disk).
        """
        with self._lock:
            file = self._by_key.get(key)
            if file is None or file.given_up or (not file.changed and _is_other(file.published, info)):
                file = self._by_key[key] = OpenFile(self._service, key, info, metadata, replaces=replaces)
                self._paths.put(file, path)
            return self._hand_out(file, writes, opener), file

    def join(self, file: OpenFile, *, writes: bool, opener: int = 0) -> int | None:
        """Another handle for `file`, whatever is stored of it by now; None: it is not open under its name any more."""
        with self._lock:
            if file.given_up or self._by_key.get(file.key) is not file:
                return None
            return self._hand_out(file, writes, opener)

    def hold_again(self, file: OpenFile) -> int:
        """Another handle for a file that is open."""
        with self._lock:
            return self._hand_out(file, writes=False)

    def _hand_out(self, file: OpenFile, writes: bool, opener: int = 0) -> int:
        if writes:
            path = self._paths.of(file)
            self._pages.pop(path, None)
            self._exact.add(path)
        file.holders += 1
        number = self._next
        self._next += 1
        self._handles[number] = Handle(file, writes, opener)
        return number

    def take_away(self, key: str) -> None:
        """No name leads to the file that is open under `key`."""
        with self._lock:
            self._by_key.pop(key, None)

    def pages(self, path: str, file: OpenFile) -> Pages:
        """How `file`, just opened at `path`, may use the kernel's page cache, which is by path, not by version."""
        with self._lock:
            if any(other is not file and other.holders for other in self._paths.at(path)):
                return "none"  # somebody reads an older version: theirs are the pages
            stored = file.published
            if stored is None or file.changed or any(h.writes and h.file is file for h in self._handles.values()):
                self._pages.pop(path, None)
                return "new"
            known = self._pages.get(path)
            if len(self._pages) >= MOST_PAGES:
                self._pages.clear()
            self._pages[path] = stored.etag
            return "old" if known == stored.etag else "new"

    def shown_size(self, path: str) -> int:
        """The size that the kernel may not go below: it would cut off those who read an older version at `path`."""
        with self._lock:
            if path in self._exact:
                return 0
            return max((file.size for file in self._paths.at(path) if file.holders and file.shown), default=0)

    def show_exact(self, path: str) -> None:
        """From now on, `shown_size` is none: somebody opens the file at `path` for writing, until they close it."""
        with self._lock:
            self._exact.add(path)

    def forget_pages(self, *paths: str) -> None:
        """All at `paths`, or below them, goes or becomes something else."""
        with self._lock:
            for path in paths:
                for name in [name for name in self._pages if name == path or name.startswith(path + "/")]:
                    del self._pages[name]

    def __getitem__(self, number: int) -> OpenFile:
        return self.handle(number).file

    def __bool__(self) -> bool:
        """Whether any is open."""
        return bool(self._by_key or self._hidden)

    def handle(self, number: int) -> Handle:
        with self._lock:
            handle = self._handles.get(number)
        if handle is None:
            raise OSError(errno.EBADF, "not open")
        return handle

    def at(self, key: str, *, given_up: bool = False) -> OpenFile | None:
        """The file that is open there; one that a killed process has left only if `given_up`."""
        with self._lock:
            file = self._by_key.get(key)
            return None if file is not None and file.given_up and not given_up else file

    def states(self) -> dict[str, int]:
        """How many open files are in which state."""
        with self._lock:
            return dict(Counter(type(file.state).__name__ for file in self._paths))

    def writing_handles(self, file: OpenFile) -> int:
        with self._lock:
            return sum(handle.writes and handle.file is file for handle in self._handles.values())

    # -- files without a name ---------------------------------------------------------------------------------------

    def is_hiding(self, old: str, new: str, key: str) -> bool:
        """Whether a rename is libfuse's own: it hides an open file that is unlinked or replaced.

        By a name with its running number, in the same directory. The same name by anybody else is a name as any.
        """
        folder, _, name = new.rpartition("/")
        found = HIDDEN.fullmatch(name)
        if found is None or old.rpartition("/")[0] != folder:
            return False
        with self._lock:
            if key not in self._by_key and not self._paths.at(old) and not self._was_just_released(old):
                return False
            return 0 < int(found[1], 16) - self._hidden_number <= MOST_TRIES

    def _was_just_released(self, path: str) -> bool:
        return time.monotonic() - self._released.get(path, -RELEASED_SECONDS) < RELEASED_SECONDS

    def closing_at(self, path: str) -> OpenFile | None:
        """The file that was open at `path` and whose last handle is being released; it may still be published."""
        with self._lock:
            return next((file for file in self._paths.at(path) if not file.holders), None)

    def hide(self, key: str, path: str) -> OpenFile | None:
        """The file that is open under `key` has only libfuse's name `path` from now on; None: it was just released."""
        with self._lock:
            self._hidden_number = int(path[-8:], 16)
            file = self._hidden[path] = self._by_key.pop(key, None)
            if file is not None:
                self._move(self._paths.of(file), path)  # readers of older versions, too
            return file

    def hidden(self, path: str) -> OpenFile | None:
        return self._hidden.get(path)

    def unhide(self, path: str) -> bool:
        """libfuse unlinks it after its last close: whether it was hidden."""
        with self._lock:
            was_hidden = path in self._hidden
            self._hidden.pop(path, None)
            return was_hidden

    # -- ends -------------------------------------------------------------------------------------------------------

    def drop(self, number: int) -> OpenFile | None:
        """Gives a handle back; returns its file if nobody else holds it."""
        with self._lock:
            handle = self._handles.pop(number)
            file = handle.file
            file.holders -= 1
            if handle.writes:
                self._end_exact(self._paths.of(file))
            if file.holders:
                return None
            if self._by_key.get(file.key) is file:
                del self._by_key[file.key]
            return file

    def path_of(self, file: OpenFile) -> str:
        """The path that it has now."""
        with self._lock:
            return self._paths.of(file)

    def forget(self, file: OpenFile) -> None:
        """It is closed."""
        with self._lock:
            path = self._paths.take(file)
            if path is not None:
                self._end_exact(path)
                now = time.monotonic()
                self._released[path] = now
                self._released.move_to_end(path)
                while now - next(iter(self._released.values())) >= RELEASED_SECONDS:
                    self._released.popitem(last=False)

    def below(self, key: str) -> list[OpenFile]:
        """The open files that a rename of `key` (or of the directory `key + '/'`) moves."""
        with self._lock:
            return [file for name, file in self._by_key.items() if name == key or name.startswith(key + "/")]

    def rename(self, old: str, new: str, path: str) -> None:
        """The file that is open under `old` has been moved to `new`."""
        with self._lock:
            file = self._by_key.pop(old, None)
            if file is not None:
                file.key = new
                self._by_key[new] = file
                self._paths.put(file, path)
        if file is not None:
            file.was_moved()

    def moved(self, old: str, new: str) -> None:
        """All files at the path `old`, or below it, are at `new`: older versions that are still read, too."""
        with self._lock:
            self._move(old, new)

    def _move(self, old: str, new: str) -> None:
        for before, now in self._paths.move(old, new):
            if before in self._exact:
                self._exact.remove(before)
                self._exact.add(now)

    def _end_exact(self, path: str) -> None:
        """Somebody has closed a file there: a writer may be left."""
        there = self._paths.at(path)
        if not any(handle.writes and handle.file in there for handle in self._handles.values()):
            self._exact.discard(path)

    def unpublished_in(self, directory: str) -> list[str]:
        """Names in `directory` (a path) of files that are open and not in S3 yet."""
        start = directory.rstrip("/") + "/"
        with self._lock:
            fresh = [file for file in self._by_key.values() if not file.published and not file.unlinked]
            paths = [self._paths.of(file) for file in fresh if not file.given_up]
        return [path[len(start) :] for path in paths if path.startswith(start) and "/" not in path[len(start) :]]


def _is_other(published: ObjectInfo | None, info: ObjectInfo | None) -> bool:
    return (published.etag if published else None) != (info.etag if info else None)
