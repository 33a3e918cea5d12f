"""Operations on open files.

When a close is the commit: of several descriptors that one opening has led to (a shell's redirection, inherited by the
programs it starts) the close of the last one; an opener that has written itself commits with its own close.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from typing import Any

from ..errors import ChecksumMismatch, Interrupted
from .caller import caller
from .errors import LookAgain, answered, found_before
from .metadata_cache import Entry
from .namespace import key_of_new, modified_now
from .open_file import OpenFile
from .operations_shared import Shared
from .processes import is_written_elsewhere, process_of, was_killed

log = logging.getLogger("s3amfs.mount")


class FileOperations(Shared):
    _last_writers: dict[int, tuple[int, int]]
    """By handle: the thread that wrote last, and its process."""
    _looking_again: dict[str, int]
    """By path: the thread whose open comes again after a LookAgain."""
    _direct: set[int]
    """Handles whose reads and writes go around the kernel's page cache."""

    @answered
    def create(self, path: str, mode: int, fi: Any) -> int:
        key = key_of_new(self.tree, path)
        self._settle(path)
        self.tree.changes.settle(key)
        metadata = {"mode": str(stat.S_IFREG | stat.S_IMODE(mode)), **modified_now(), **self._owner()}
        replaces = fi.flags & (os.O_TRUNC | os.O_EXCL) == os.O_TRUNC
        process = process_of(caller()[2])
        fi.fh, file = self.files.hold(path, key, None, metadata, writes=True, opener=process, replaces=replaces)
        self._opened(path, fi, file)
        self.tree.forget(path)
        self.tree.times.name_changed(path)
        return 0

    @answered
    def open(self, path: str, fi: Any) -> int:
        writes = fi.flags & os.O_ACCMODE != os.O_RDONLY
        process = process_of(caller()[2]) if writes else 0
        if writes:
            self._settle(path)
        file = self._open_at(path)
        around = False
        number = self.files.join(file, writes=writes, opener=process) if file is not None and file.changed else None
        if file is None or number is None:
            with found_before():
                entry = self.tree.entry(path)
            if entry.directory:
                raise OSError(errno.EISDIR, "is a directory")
            around = not fi.flags & os.O_TRUNC and self._is_cut_off(path, entry, writes=writes)
            metadata = self.tree.metadata(entry)
            number, file = self.files.hold(path, entry.key, entry.info, metadata, writes=writes, opener=process)
        fi.fh = number
        if writes and fi.flags & os.O_TRUNC:
            try:
                file.truncate_to_nothing()
            except BaseException:
                self._release(fi.fh)
                raise
        self._opened(path, fi, file, around=around)
        return 0

    def _is_cut_off(self, path: str, entry: Entry, *, writes: bool) -> bool:
        """Whether the size that the kernel has may be of another version than `entry`, so that only reads around the
        page cache are right. Raises LookAgain first, and for a writer, who needs the size."""
        assert entry.info is not None
        thread = caller()[2]
        has_looked = self._looking_again.pop(path, 0) == thread
        if self.files.shown_size(path) > entry.info.size:
            if not writes:
                return True
            self.files.show_exact(path)
        if not self.tree.answered.is_news(path, entry.info.etag):
            return False
        if has_looked and not writes:
            return True  # a read of an older version has ended meanwhile, or /proc has its name
        self._looking_again[path] = thread
        raise LookAgain

    def _opened(self, path: str, fi: Any, file: OpenFile, *, around: bool = False) -> None:
        """Writes alone go around the page cache, in requests of a MiB. around: reads do, too."""
        pages = "none" if around else self.files.pages(path, file)
        fi.direct_io = fi.flags & os.O_ACCMODE == os.O_WRONLY or pages == "none"
        if fi.direct_io:
            self._direct.add(fi.fh)
        fi.keep_cache = pages == "old"
        if fi.flags & os.O_ACCMODE == os.O_RDWR:
            file.keeps = None

    @answered
    def read(self, path: str | None, size: int, offset: int, fi: Any) -> list[bytes | memoryview]:
        file = self.files[fi.fh]
        try:
            found = file.read(offset, size)
            if sum(map(len, found)) < size and not file.unlinked:
                self._ends(fi.fh, file, offset)
            return found
        except ChecksumMismatch:
            self.files.forget_pages(self.files.path_of(file))  # what the kernel has of it may be wrong
            raise

    def _ends(self, number: int, file: OpenFile, offset: int) -> None:
        """A read at `offset` has ended with the file. Raises OSError (ESTALE) where the kernel takes it for longer.

        Of several short reads at a time the kernel may note the wrong one as the end, and show zeros up to there: only
        the read in which the version ends may be a short one.
        """
        path, version = self.files.path_of(file), file.shown
        is_past = version and offset >= file.size and number not in self._direct
        if is_past and self.tree.answered.is_news(path, version):
            raise OSError(errno.ESTALE, "another version is longer than this one, whose end has been read")
        self.tree.answered.doubt(path, version)

    @answered
    def write(self, path: str | None, data: bytes | memoryview, offset: int, fi: Any) -> int:
        thread = caller()[2]
        last = self._last_writers.get(fi.fh)
        if last is None or last[0] != thread:
            last = self._last_writers[fi.fh] = (thread, process_of(thread))
        return self.files[fi.fh].write(data, offset, last[1])

    @answered
    def truncate(self, path: str | None, length: int, fi: Any = None) -> int:
        if fi is not None:
            self.files[fi.fh].resize(length)
            return 0
        assert path is not None
        self._settle(path)
        file = self._open_at(path)
        if file is not None and file.unlinked:
            file.resize(length)
            return 0
        number = self.files.join(file, writes=True) if file is not None and file.changed else None
        if file is None or number is None:
            entry = self.tree.entry(path)
            metadata = self.tree.metadata(entry)
            number, file = self.files.hold(path, self.tree.key(path), entry.info, metadata, writes=True)
        try:
            if length or not file.size:
                file.resize(length)
            else:
                file.truncate_to_nothing()
            self._publish(file)
        finally:
            self._release(number)
        return 0

    @answered
    def fallocate(self, path: str | None, mode: int, offset: int, size: int, fi: Any) -> int:
        """Room is never short; only the size may change."""
        if mode:
            raise OSError(errno.EOPNOTSUPP, "holes can be neither made nor filled")
        file = self.files[fi.fh]
        file.resize(max(file.size, offset + size))
        return 0

    @answered
    def flush(self, path: str | None, fi: Any) -> int:
        """close() of one descriptor."""
        self._last_writers.pop(fi.fh, None)
        handle = self.files.handle(fi.fh)
        file = handle.file
        if file.given_up and handle.writes and file.written_by(process_of(caller()[2])):
            raise OSError(errno.EIO, "a process that shares its descriptor was killed: nothing of it is published")
        if not file.changed or file.is_delayed or not handle.writes:
            return 0
        thread = caller()[2]
        process = process_of(thread)
        has_written = file.written_by(process)
        try:
            killed = was_killed(thread)
        except OSError:
            self._give_up(file)  # it may be: then half a file would be published by its release
            raise
        if killed:
            if has_written or not self._is_written_elsewhere(file):
                self._give_up(file)
            return 0
        commits = has_written and process == handle.opener
        if not commits and self.files.writing_handles(file) == 1 and self._is_written_elsewhere(file):
            return 0  # all descriptors are of one opening: the close of the last is the commit
        try:
            if not self._delays(file):
                self._publish(file)
        except Interrupted:
            self._give_up(file)
            raise
        return 0

    def _give_up(self, file: OpenFile) -> None:
        file.give_up()
        self.tree.answered.note(self.files.path_of(file), "")  # the kernel knows the size of what was written

    def _delays(self, file: OpenFile) -> bool:
        """Whether its publication waits (`--write-back`)."""
        if not self.write_back.takes(file) or self.files.writing_handles(file) > 1:
            return False
        try:
            if not file.delay():
                return False
        except OSError as error:
            log.warning("%s can't wait on disk for its publication: %s", file.key, error)
            return False
        self.write_back.put(file, self.files.hold_again)
        return True

    def _is_written_elsewhere(self, file: OpenFile) -> bool:
        return is_written_elsewhere(self._mountpoint + self.files.path_of(file))

    @answered
    def fsync(self, path: str | None, datasync: int, fi: Any) -> int:
        file = self.files[fi.fh]
        self.write_back.settle([file])
        self._publish(file)
        self.write_back.confirm(file.key)
        self.tree.changes.store(file.key)
        return 0

    @answered
    def release(self, path: str | None, fi: Any) -> int:
        self._last_writers.pop(fi.fh, None)
        self._direct.discard(fi.fh)
        self._release(fi.fh)
        return 0
