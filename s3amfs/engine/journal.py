"""A manifest on disk: locked, append-only, durable. core/manifest.py defines the lines.

One journal belongs to one transfer; the lock on its file keeps a second process (or thread) out. `record` is called in
a loop's thread and costs one write; the header is synced before anything depends on it. A part record that is lost in
a crash costs one check only: the server's list of parts, or the file's bytes, decide.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat

from ..core import manifest as m
from ..errors import TransferError, TransferLocked
from .file_io import make_private


def state_dir(chosen: str | None = None) -> str:
    """Folder of upload manifests: `chosen`, S3AM_STATE_DIR, or the user's state folder."""
    found = chosen or os.environ.get("S3AM_STATE_DIR")
    if found:
        return _normal(found) if found.startswith("/") else os.path.abspath(found)
    return _default_dir(os.environ.get("XDG_STATE_HOME"), os.path.expanduser("~"))


_normal = functools.lru_cache(maxsize=8)(os.path.abspath)


@functools.lru_cache(maxsize=8)
def _default_dir(*_depends_on: str | None) -> str:
    import platformdirs

    return os.path.join(platformdirs.user_state_dir("s3amfs", appauthor=False), "uploads")


class Journal:
    """The manifest file at `path`, locked. `manifest` is what was found there, None if there was nothing usable."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd = fd
        self.manifest: m.Manifest | None = None
        self.problem: str | None = None
        """Why what was found is not usable; None if it is, or nothing was there."""
        self.too_new = False
        """A newer version of this program wrote it: it is not ours to change."""
        self.write_error: OSError | None = None
        """The first error of `record`; the transfer goes on without records."""
        self._load()

    @classmethod
    def open(cls, path: str, *, wait: bool = False) -> Journal:
        """Opens or creates the file (0600, its folder 0700) and takes its lock.

        wait: until another transfer lets go of it. Raises TransferLocked when another transfer holds it, OSError when
        the folder can't be used.
        """
        folder = os.path.dirname(path)
        make_private(folder)
        while True:
            fd = _open(path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if _same_file(fd, path):
                    return cls(path, fd)
            except BlockingIOError:
                os.close(fd)
                raise TransferLocked(
                    "another process is at work on the same transfer: wait for it or stop it"
                ) from None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # its last owner removed the file between our open and our lock

    @classmethod
    def peek(cls, path: str) -> m.Manifest | None:
        """Reads a manifest without a lock; None if it is not there or not readable."""
        try:
            with open(path, "rb") as file:
                return m.parse(file.read())
        except (OSError, ValueError):
            return None

    def _load(self) -> None:
        with open(self._fd, "rb", closefd=False) as file:
            data = file.read()
        if not data:
            return
        try:
            self.manifest = m.parse(data)
        except m.ManifestTooNew as error:
            self.problem, self.too_new = str(error), True
        except ValueError as error:
            self.problem = str(error)
        if self.manifest is not None and self.manifest.valid_bytes < len(data):
            os.ftruncate(self._fd, self.manifest.valid_bytes)  # a torn tail: what comes next must begin on a line

    def begin(self, header: m.Header, *records: m.UploadRecord | m.PartRecord) -> None:
        """Replaces what is there; on disk when it returns. Raises OSError."""
        if self.too_new:
            raise TransferError(f"{self.path}: {self.problem}: use that version, or remove the file to start over")
        os.ftruncate(self._fd, 0)
        self._write(b"".join(m.encode(record) for record in (header, *records)))
        os.fsync(self._fd)
        sync_folder(os.path.dirname(self.path))

    def record(self, *records: m.UploadRecord | m.PartRecord, sync: bool = False) -> None:
        """Appends; after the first OSError `write_error` is set and nothing more is written."""
        if self.write_error is not None:
            return
        try:
            self._write(b"".join(m.encode(record) for record in records))
            if sync:
                os.fsync(self._fd)
        except OSError as error:
            self.write_error = error

    def _write(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def forget(self) -> None:
        """The manifest found is about nothing any more: the file is empty, and goes with `close`. Raises OSError."""
        if self.manifest is not None:
            os.ftruncate(self._fd, 0)
            self.manifest = None

    def remove(self) -> None:
        """The transfer is over: the file goes, then the lock."""
        if not self.too_new:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """Lets go of the lock; the file stays, unless nothing was ever written to it."""
        if self._fd < 0:
            return
        if os.fstat(self._fd).st_size == 0 and _same_file(self._fd, self.path):
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(self._fd)
        self._fd = -1


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_APPEND | os.O_CREAT, 0o600)


def _same_file(fd: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return stat.S_ISREG(there.st_mode) and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def sync_folder(folder: str) -> None:
    """Returns when the names in `folder` are on disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
