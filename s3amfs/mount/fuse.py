"""mfusepy with what it leaves out: handles for what has no path any more, flags of rename, times that stay."""

from __future__ import annotations

import ctypes
import errno
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import mfusepy

from ..errors import Unsupported
from .attributes import Attributes
from .stat_buffer import StatWriter

if TYPE_CHECKING:
    from .operations import Operations

RENAME_NOREPLACE = 1
"""renameat2(2); nothing else is possible in S3."""
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
"""utimensat(2): what tv_nsec may say instead of a time."""

LOOP_ENDED = 8
"""fuse_main(3): the event loop was ended by something else than an unmount, that is by a signal."""
READDIR_PLUS, FILL_DIR_PLUS = 1, 2
"""fuse.h: attributes are asked for with the names; an entry has all of them."""
OUR_XATTRS = b"user.s3am."
USER_XATTRS = b"user."
"""No file has others: ls asks for them once on a file system that says so, else for each file."""
THREADS = 16
"""That are kept for the kernel's requests; libfuse starts and ends more of them as it needs."""
MOST_THREADS = 128
"""A close waits for the network: with libfuse's ten, as many of them would stop everything else."""
LIMITED_SINCE = (3, 12)
"""The libfuse that knows a limit of threads."""
MOST_KEPT = MOST_THREADS
"""Threads of libfuse whose Python state is kept: 20 KB each stay behind when libfuse ends the thread."""
MOST_BACKGROUND = 32
"""Requests for what is read ahead that the kernel sends at a time; 12 if nobody says more."""


class _Thread(threading.local):
    is_kept = False


_thread = _Thread()
_stat = StatWriter(mfusepy.c_stat, mfusepy.c_timespec)
_kept = itertools.count()
_ensure = ctypes.pythonapi.PyGILState_Ensure


def keep_thread() -> None:
    """Keeps Python's state of the calling thread for all requests that libfuse answers in it.

    Else ctypes makes one for each request and takes it down: a page mapped, cleared and unmapped, and all that is local
    to the thread. Source of the rule: Python/C API, "Non-Python created threads": PyGILState_Release deletes the state
    when each call of PyGILState_Ensure has been undone, which this one never is.
    """
    if not _thread.is_kept:
        _thread.is_kept = True
        if next(_kept) < MOST_KEPT:
            _ensure()


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]
    def _wrapper(self, func: Any, *args: Any) -> int:
        if not _thread.is_kept:
            keep_thread()
        return super()._wrapper(func, *args)  # type: ignore[no-any-return]

    def init_fuse_3(self, connection: Any, config: Any) -> None:
        connection.contents.max_background = MOST_BACKGROUND
        super().init_fuse_3(connection, config)

    def _text(self, path: bytes | None) -> str | None:
        return None if path is None else path.decode(self.encoding, self.errors)

    def getattr_fuse_3(self, path: bytes | None, buf: Any, fip: Any) -> int:
        """A name that is not there is an answer as any: it needs no line in the log, which mfusepy makes up."""
        try:
            _stat.write(buf, self.operations.getattr(self._text(path), _handle(fip)))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return -errno.ENOENT
        return 0

    def readdir_fuse_3(self, path: bytes | None, buf: Any, filler: Any, offset: int, fip: Any, flags: int) -> int:
        found = mfusepy.c_stat()
        pointer = ctypes.pointer(found)

        def show(name: str, attributes: Attributes | None, following: int) -> bool:
            encoded = name.encode(self.encoding, self.errors)
            if attributes is None:
                return not filler(buf, encoded, None, following, 0)
            _stat.write(pointer, attributes)
            return not filler(buf, encoded, pointer, following, FILL_DIR_PLUS)

        number = fip.contents.fh
        return int(
            self.operations.readdir_with_offset(self._text(path), offset, number, bool(flags & READDIR_PLUS), show)
        )

    def read(self, path: bytes | None, buf: Any, size: int, offset: int, fip: Any) -> int:
        """Without mfusepy's copies of what is read and written: they cost more than all else that is done here."""
        pieces = self.operations.read(self._text(path), size, offset, fip.contents)
        target = _memory(buf, size)
        at = 0
        for piece in pieces:
            target[at : at + len(piece)] = piece
            at += len(piece)
        return at

    def write(self, path: bytes | None, buf: Any, size: int, offset: int, fip: Any) -> int:
        """The operation must not keep what it is given."""
        return int(self.operations.write(self._text(path), _memory(buf, size), offset, fip.contents))

    def getxattr(self, path: bytes, name: bytes, value: Any, size: int, *args: Any) -> int:
        """No error has to be made for what no file here has."""
        if not name.startswith(USER_XATTRS):
            return -errno.EOPNOTSUPP
        if not name.startswith(OUR_XATTRS):
            return -errno.ENODATA
        return int(super().getxattr(path, name, value, size, *args))

    def chmod_fuse_3(self, path: bytes | None, mode: int, fip: Any) -> int:
        return int(self.operations.chmod(self._text(path), mode, _handle(fip)))

    def chown_fuse_3(self, path: bytes | None, uid: int, gid: int, fip: Any) -> int:
        ids = [-1 if number in (-1, 2**32 - 1) else number for number in (uid, gid)]
        return int(self.operations.chown(self._text(path), *ids, _handle(fip)))

    def truncate_fuse_3(self, path: bytes | None, length: int, fip: Any) -> int:
        return int(self.operations.truncate(self._text(path), length, _handle(fip)))

    def utimens_fuse_3(self, path: bytes | None, buf: Any, fip: Any) -> int:
        now = time.time_ns()
        given = (buf.contents.actime, buf.contents.modtime) if buf else ()
        accessed, modified = [_time(each, now) for each in given] or [now, now]
        return int(self.operations.utimens(self._text(path), modified, accessed, _handle(fip)))

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        if flags & ~RENAME_NOREPLACE:
            return -errno.EINVAL
        return int(self.operations.rename(self._text(old), self._text(new), bool(flags & RENAME_NOREPLACE)))


def _memory(buf: Any, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(ctypes.addressof(buf.contents))).cast("B")


def _time(given: Any, now: int) -> int | None:
    """Nanoseconds since 1970, None: as it is."""
    if given.tv_nsec == UTIME_OMIT:
        return None
    return now if given.tv_nsec == UTIME_NOW else int(given.tv_sec * 10**9 + given.tv_nsec)


def _handle(fip: Any) -> Any:
    return fip.contents if fip else None


def serve(operations: Operations, directory: str, options: dict[str, Any]) -> None:
    """Until it is unmounted, also by SIGTERM. Raises RuntimeError if libfuse could not mount."""
    if mfusepy.fuse_version_major != 3:
        raise Unsupported("FUSE_LIBRARY_PATH names libfuse 2: unset it, or name libfuse 3")
    options = {"max_idle_threads": THREADS, **options}
    if (mfusepy.fuse_version_major, mfusepy.fuse_version_minor) >= LIMITED_SINCE:
        options.setdefault("max_threads", MOST_THREADS)
    try:
        _Fuse(operations, directory, raw_fi=True, foreground=True, **options)
    except RuntimeError as error:
        if error.args != (LOOP_ENDED,):
            raise
