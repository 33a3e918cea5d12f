"""Operations on open files."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from ..errors import ChecksumMismatch
from .caller import caller
from .errors import LookAgain, answered, found_before
from .open_file import OpenFile
from .operations_shared import Shared
from .processes import is_open, process_of, was_killed


class FileOperations(Shared):
    @answered
    def create(self, path: str, mode: int, fi: Any) -> int:
        key = self.tree.key(path)
        metadata = {"mode": str(stat.S_IFREG | stat.S_IMODE(mode)), **self.tree.modified_now(), **self._owner()}
        fi.fh, file = self.files.hold(path, key, None, metadata, writes=True)
        self._opened(path, fi, file)
        self.tree.forget(path)
        return 0

    @answered
    def open(self, path: str, fi: Any) -> int:
        writes = fi.flags & os.O_ACCMODE != os.O_RDONLY
        file = self._open_at(path)
        if file is not None and file.changed:
            fi.fh, file = self.files.hold(path, file.key, file.published, {}, writes=writes)
        else:
            with found_before():
                entry = self.tree.entry(path)
            if entry.directory:
                raise OSError(errno.EISDIR, "is a directory")
            if self.tree.is_news(path, entry):
                raise LookAgain
            fi.fh, file = self.files.hold(path, entry.key, entry.info, self.tree.metadata(entry), writes=writes)
        if writes and fi.flags & os.O_TRUNC:
            file.begin_anew()
        self._opened(path, fi, file)
        return 0

    def _opened(self, path: str, fi: Any, file: OpenFile) -> None:
        """Writes alone go around the page cache, in requests of a MiB."""
        pages = self.files.pages(path, file)
        fi.direct_io = fi.flags & os.O_ACCMODE == os.O_WRONLY or pages == "none"
        fi.keep_cache = pages == "old"
        file.copies_all |= fi.flags & os.O_ACCMODE == os.O_RDWR

    @answered
    def read(self, path: str | None, size: int, offset: int, fi: Any) -> list[bytes | memoryview]:
        file = self.files[fi.fh]
        try:
            return file.read(offset, size)
        except ChecksumMismatch:
            self.files.forget_pages(self.files.path_of(file))  # what the kernel has of it may be wrong
            raise

    @answered
    def write(self, path: str | None, data: bytes | memoryview, offset: int, fi: Any) -> int:
        return self.files[fi.fh].write(data, offset, self._process())

    def _process(self) -> int:
        thread = caller()[2]
        process = self._processes.get(thread)
        if process is None:
            if len(self._processes) > 10_000:
                self._processes.clear()
            process = self._processes[thread] = process_of(thread)
        return process

    @answered
    def truncate(self, path: str | None, length: int, fi: Any = None) -> int:
        if fi is not None:
            self.files[fi.fh].resize(length)
            return 0
        assert path is not None
        file = self._open_at(path)
        info = file.published if file is not None and file.changed else self.tree.entry(path).info
        metadata = self.tree.metadata(self.tree.entry(path)) if file is None else {}
        number, file = self.files.hold(path, self.tree.key(path), info, metadata, writes=True)
        try:
            file.resize(length)
            self._publish(file)
        finally:
            self._release(number)
        return 0

    @answered
    def fallocate(self, path: str | None, mode: int, offset: int, size: int, fi: Any) -> int:
        """Room is never short; only the size may change."""
        if mode:
            raise OSError(errno.EOPNOTSUPP, "holes are not made nor filled")
        file = self.files[fi.fh]
        file.resize(max(file.size, offset + size))
        return 0

    @answered
    def flush(self, path: str | None, fi: Any) -> int:
        """close() of one descriptor: the commit, unless its process is being killed."""
        handle = self.files.handle(fi.fh)
        file = handle.file
        if not file.changed or not handle.writes:
            return 0
        thread = caller()[2]
        if not file.written_by(process_of(thread)) and is_open(self._mountpoint + self.files.path_of(file)):
            return 0  # it only had it for others, who write: a shell's redirection, a parent's of its child
        if was_killed(thread):
            file.give_up()
        else:
            self._publish(file)
        return 0

    @answered
    def fsync(self, path: str | None, datasync: int, fi: Any) -> int:
        file = self.files[fi.fh]
        self._publish(file)
        self.tree.changes.store(file.key)
        return 0

    @answered
    def release(self, path: str | None, fi: Any) -> int:
        self._release(fi.fh)
        return 0

    def _release(self, number: int) -> None:
        file = self.files.drop(number)
        if file is None:
            return
        try:
            # After a close that failed nothing may appear: what was written is kept.
            if file.changed and not file.given_up and not file.failed:
                self._publish(file)
        finally:
            file.close()
            self.files.forget(file)
