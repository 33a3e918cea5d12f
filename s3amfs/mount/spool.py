"""A local sparse file without a name: bytes of an object that were written or fetched. It is gone with its process."""

from __future__ import annotations

import os
import tempfile

from ..core.patch import Ranges


class Spool:
    """present: what of the file is here. dirty: what of it is newer than the object. One thread at a time."""

    def __init__(self, folder: str | None) -> None:
        """Raises OSError."""
        self.folder = folder or tempfile.gettempdir()
        try:
            self.fd = os.open(self.folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # a file system without O_TMPFILE
            self.fd, name = tempfile.mkstemp(prefix="s3am-", dir=self.folder)
            os.unlink(name)
        self.present = Ranges()
        self.dirty = Ranges()

    @property
    def path(self) -> str:
        """A name by which this process can open it again."""
        return f"/proc/self/fd/{self.fd}"

    def write(self, data: bytes | memoryview, offset: int, *, dirty: bool = True) -> None:
        """Raises OSError (ENOSPC): then none of it counts."""
        view, at = memoryview(data), offset
        while view:
            written = os.pwrite(self.fd, view, at)
            view, at = view[written:], at + written
        self.present.add(offset, at)
        if dirty:
            self.dirty.add(offset, at)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes; what was never written is zeros."""
        data = os.pread(self.fd, size, offset)
        return data if len(data) == size else data + bytes(size - len(data))

    def resize(self, size: int) -> None:
        """What is cut off is zeros if the file grows again."""
        os.ftruncate(self.fd, size)
        self.present.cut(size)
        self.dirty.cut(size)

    def has_room(self, size: int) -> bool:
        """Whether the disk can take `size` more bytes and keep a tenth free."""
        disk = os.statvfs(self.fd)
        return disk.f_bavail * disk.f_frsize - size > disk.f_blocks * disk.f_frsize // 10

    def keep(self, name: str) -> str:
        """Gives the file a name, for people to save what could not be published. Returns its path."""
        path = os.path.join(self.folder, name)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size, at = os.fstat(self.fd).st_size, 0
            while at < size:
                at += os.sendfile(target, self.fd, at, size - at)
            os.fsync(target)
        finally:
            os.close(target)
        return path

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
