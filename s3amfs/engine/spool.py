"""A local sparse file: bytes of an object that were written or fetched.

It has no name, so that it is gone with its process, until `give_name` is called; what is known of it is then kept in
a record (`SpoolRecord`, in the state folder), whose lock says that its process lives. The few bytes of a small one
stay in memory until its file is asked for.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import stat
import tempfile
import threading
import uuid
from collections.abc import Iterator

from ..core import unpublished
from ..core.locations import SPOOL_PREFIX
from ..core.patch import Ranges
from .file_io import make_private, write_all_at
from .journal import state_dir

_log = logging.getLogger("s3amfs")

NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
"""Answers of file systems and kernels that do not know O_TMPFILE (open(2))."""
NO_LINK = frozenset({errno.ENOENT, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP})
"""Answers where a file that has lost its name gets none again (linkat(2)), or hard links are unknown."""
RESERVE_BYTES = 1 << 30
"""Bytes that a copy of a stream leaves free on its disk. A tenth of it would be hundreds of GB on a large one."""
SMALL_BYTES = 64 * 1024
"""Up to here a spool is in memory."""
MOST_SMALL = 512
"""Spools in memory at a time: 32 MiB. Programs may have many more small files open."""
_places = threading.BoundedSemaphore(MOST_SMALL)
SUFFIX = ".changes"


class Spool:
    """present: ranges of the file that are here. dirty: ranges that are newer than the object. One thread at a time."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self.name: str | None = None
        self.present = Ranges()
        self.dirty = Ranges()
        self._fd: int | None = None
        self._head = bytearray()
        """All of it, as long as there is no file."""
        self._has_place = False
        """Whether it is one of those in memory."""

    @property
    def folder(self) -> str:
        return os.path.abspath(self._folder or tempfile.gettempdir())

    @property
    def fd(self) -> int:
        """Of the file, which is made now if there is none; -1: closed. Raises OSError."""
        if self._fd is None:
            self._fd = self._make()
        return self._fd

    def _make(self) -> int:
        try:
            fd = os.open(self.folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in NO_TMPFILE:
                raise
            fd, name = tempfile.mkstemp(prefix="s3am-", dir=self.folder)
            os.unlink(name)
        try:
            write_all_at(fd, self._head, 0)
        except BaseException:
            os.close(fd)
            raise
        self._empty_head()
        return fd

    def stays_small(self, size: int) -> bool:
        """Whether it is in memory and may have `size` bytes there."""
        if self._fd is not None or size > SMALL_BYTES:
            return False
        if size and not self._has_place:
            self._has_place = _places.acquire(blocking=False)
        return self._has_place or not size

    def _empty_head(self) -> None:
        self._head = bytearray()
        if self._has_place:
            self._has_place = False
            _places.release()

    @classmethod
    def open(cls, path: str) -> Spool:
        """One that has a name; nothing in it counts as present or dirty yet. Raises OSError."""
        spool = cls.__new__(cls)
        spool._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        spool._head, spool._has_place = bytearray(), False
        found = os.fstat(spool.fd)
        if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
            os.close(spool.fd)
            raise PermissionError(errno.EPERM, "it is not the file that was written: another user's, or no file", path)
        spool._folder, spool.name = os.path.dirname(path), path
        spool.present, spool.dirty = Ranges(), Ranges()
        return spool

    @property
    def path(self) -> str:
        """A name by which this process can open it again."""
        return f"/proc/self/fd/{self.fd}"

    def write(self, data: bytes | memoryview, offset: int, *, dirty: bool = True) -> None:
        """Raises OSError (ENOSPC): then none of it counts."""
        end = offset + len(data)
        if self.stays_small(end):
            if len(self._head) < offset:
                self._head += bytes(offset - len(self._head))
            self._head[offset:end] = data
        else:
            write_all_at(self.fd, data, offset)
        self.present.add(offset, end)
        if dirty:
            self.dirty.add(offset, end)

    def read(self, offset: int, size: int) -> bytes:
        """Returns `size` bytes; ranges that were never written are zeros."""
        data = bytes(self._head[offset : offset + size]) if self._fd is None else os.pread(self._fd, size, offset)
        return data if len(data) == size else data + bytes(size - len(data))

    def resize(self, size: int) -> None:
        """The end that is cut off is zeros if the file grows again."""
        if self.stays_small(size):
            del self._head[size:]
            self._head += bytes(size - len(self._head))
        else:
            os.ftruncate(self.fd, size)
        self.present.cut(size)
        self.dirty.cut(size)

    def has_room(self, size: int, kept: int = 0) -> bool:
        """Whether the disk can take `size` more bytes and keep as much free as `kept`, which is here, and a reserve.

        The reserve is RESERVE_BYTES or, on a small disk, a tenth of it: other programs need some of it.
        """
        disk = os.statvfs(self.folder if self._fd is None else self._fd)
        return disk.f_bavail * disk.f_frsize - size > max(kept, min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // 10))

    def give_name(self, hint: str) -> str:
        """A name, by which it outlives its process. Returns its path. Raises OSError."""
        if self.name is None:
            short = hint.encode(errors="surrogateescape")[-100:].decode(errors="ignore")
            name = os.path.join(self.folder, f"{SPOOL_PREFIX}{short}-{uuid.uuid4().hex[:12]}")
            try:
                os.link(self.path, name, follow_symlinks=True)
            except OSError as error:
                if error.errno not in NO_LINK:
                    raise
                self._copy_to(name)
            self.name = name
        return self.name

    def _copy_to(self, name: str) -> None:
        target = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size, at = os.fstat(self.fd).st_size, 0
            while at < size:
                at += os.sendfile(target, self.fd, at, size - at)
        except BaseException:
            os.close(target)
            os.unlink(name)
            raise
        os.close(self.fd)
        self._fd = target

    def remove_name(self) -> None:
        name, self.name = self.name, None
        if name is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def discard(self) -> None:
        """Closes it; nothing of it stays."""
        self.remove_name()
        self.close()

    def close(self) -> None:
        if self._fd is not None and self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._empty_head()


class SpoolRecord:
    """A record on disk: locked as long as its process works on it. Format: core/unpublished.py."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def create(cls, header: unpublished.Header, state: str | None = None) -> SpoolRecord:
        """Raises OSError."""
        folder = records_folder(state)
        make_private(folder)
        path = os.path.join(folder, uuid.uuid4().hex + SUFFIX)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        record = cls(path, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails on network file systems without locks
            record.append(unpublished.encode_header(header))
        except BaseException:
            record.remove()
            raise
        return record

    def append(self, line: bytes) -> None:
        """Raises OSError; then the line is not there, nor half of it."""
        before = os.fstat(self._fd).st_size
        if os.write(self._fd, line) != len(line):
            os.ftruncate(self._fd, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """It stays on disk, for anybody."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def records_folder(state: str | None = None) -> str:
    """Returns the folder of the records of unpublished changes. state: the state folder; None: the default."""
    return os.path.join(state_dir(state), "changes")


def left_records(state: str | None = None) -> Iterator[tuple[SpoolRecord, unpublished.Unpublished]]:
    """The records that nobody works on, each with its lock, which the caller gives back by `close` or `remove`."""
    folder = records_folder(state)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except OSError:
        return
    for name in names:
        found = _open_left(os.path.join(folder, name))
        if found is not None:
            yield found


def is_recorded(data: str, state: str | None = None) -> bool:
    """Whether a record, used or left, is about the spool at `data`."""
    folder = records_folder(state)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, name), "rb") as file:
                if _data_of(file.read()) == data:
                    return True
    return False


def _data_of(record: bytes) -> str:
    """The spool of a record, of another version's, too. Raises ValueError."""
    try:
        return unpublished.parse(record).header.data
    except unpublished.RecordOfAnotherVersion as error:
        return error.data


def _open_left(path: str) -> tuple[SpoolRecord, unpublished.Unpublished] | None:
    """None while its process lives, and for what is no record; one of another version is left alone, with a warning."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(fd, "rb", closefd=False) as file:
            return SpoolRecord(path, fd), unpublished.parse(file.read())
    except unpublished.RecordOfAnotherVersion as error:
        os.close(fd)
        _log.warning("%s: %s: publish %s with that version", path, error, error.data or "its changes")
        return None
    except (OSError, ValueError):
        os.close(fd)
        return None
