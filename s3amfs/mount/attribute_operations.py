"""Operations on what a file is beside its content: times, mode, owner, extended attributes."""

from __future__ import annotations

import errno
from typing import Any

from ..core.posix_metadata import time_text
from .attributes import Attributes
from .errors import answered
from .operations_shared import Shared
from .xattrs import SYNC_XATTR, XATTRS


class AttributeOperations(Shared):
    @answered
    def getattr(self, path: str | None, fi: Any = None) -> Attributes:
        return self._attributes_of(path, fi)

    def _attributes_of(self, path: str | None, fi: Any) -> Attributes:
        if fi is not None:
            return self._of_open(self.files[fi.fh])
        assert path is not None
        return self._attributes(path)

    @answered
    def utimens(self, path: str | None, mtime: int | None, atime: int | None, fi: Any = None) -> int:
        """Nanoseconds since 1970; None: as it is. The access time is known to this mount alone."""
        if mtime is None and atime is None:
            return 0
        if mtime is None or atime is None:
            before = self._attributes_of(path, fi)
            atime = before["st_atime"] if atime is None else atime
        if mtime is not None:
            self._change(path, fi, {"mtime": time_text(mtime)})
        file = self.files[fi.fh] if fi is not None else self._open_at(path)
        if file is not None and not file.unlinked:
            path = self.files.path_of(file)
        if path is not None:
            self.tree.times.accessed(path, before["st_mtime"] if mtime is None else mtime, atime)
        return 0

    @answered
    def chmod(self, path: str | None, mode: int, fi: Any = None) -> int:
        return self._change(path, fi, {"mode": str(mode)})

    @answered
    def chown(self, path: str | None, uid: int, gid: int, fi: Any = None) -> int:
        return self._change(path, fi, {n: str(v) for n, v in (("uid", uid), ("gid", gid)) if v != -1})

    def _change(self, path: str | None, fi: Any, changes: dict[str, str]) -> int:
        file = self.files[fi.fh] if fi is not None else self._open_at(path)
        if file is not None and (file.change_metadata(changes) or file.unlinked):
            return 0
        if path is None:
            assert file is not None
            path = self.files.path_of(file)
        self.tree.change(path, changes)
        return 0

    @answered
    def statfs(self, path: str) -> dict[str, int]:
        """S3 has no end."""
        blocks = 2**38
        return {
            "f_bsize": 4096,
            "f_frsize": 4096,
            "f_blocks": blocks,
            "f_bfree": blocks,
            "f_bavail": blocks,
            "f_files": 2**32,
            "f_ffree": 2**32,
            "f_favail": 2**32,
            "f_namemax": 255,
        }

    @answered
    def listxattr(self, path: str) -> list[str]:
        """Lists none, though they can be read by name: rsync -X and cp -a copy those listed, and these can't be set."""
        return []

    @answered
    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        if path == "/" and name in self._of_root:
            return self._of_root[name]()
        if name not in XATTRS:
            raise OSError(errno.ENODATA, "no such attribute")
        info = self.tree.entry(path).info
        if info is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return XATTRS[name](info).encode()

    @answered
    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        if path == "/" and name == SYNC_XATTR:
            self._sync()
            return 0
        raise OSError(errno.EOPNOTSUPP, "attributes can only be read")
