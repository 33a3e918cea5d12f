"""Operations on names: files, directories, links."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import suppress

from ..errors import NotFound
from ..transfers.options import ObjectOptions
from .attributes import is_symlink
from .errors import answered
from .open_directory import DirectoryNames
from .operations_shared import Shared


class NameOperations(Shared):
    @answered
    def unlink(self, path: str) -> int:
        if _is_hidden(path):
            return 0  # it is in no bucket, and goes with its last handle
        file = self._open_at(path)
        if file is not None and file.published is None:
            raise OSError(errno.EBUSY, "libfuse hides what is open before it unlinks it")
        self.files.forget_pages(path)
        self.tree.remove(path, self.tree.entry(path).key)
        return 0

    @answered
    def rename(self, old: str, new: str, no_replace: bool = False) -> int:
        if no_replace and self._exists(new):
            raise OSError(errno.EEXIST, "it exists")
        self.files.forget_pages(old, new)
        if _is_hidden(new):
            self._hide(old, new)
            return 0
        source, target = self.tree.key(old), self.tree.key(new)
        moved = self.files.below(source)
        for file in moved:
            if file.changed:
                self._publish(file)
        self.tree.move(old, new)
        for file in moved:
            self.files.rename(file.key, target + file.key[len(source) :], new + self.files.path_of(file)[len(old) :])
        return 0

    def _hide(self, old: str, new: str) -> None:
        """What is unlinked or replaced while it is open gets another name from libfuse first: only here, not in S3."""
        file = self._open_at(old)
        if file is not None:
            file.fetch_all()
        if file is None or file.published is not None:
            self.tree.remove(old, self.tree.entry(old).key)
        if file is not None:
            file.detach()
            self.files.rename(file.key, self.tree.key(new), new)
        self.tree.forget(old)

    def _exists(self, path: str) -> bool:
        with suppress(NotFound):
            return self._open_at(path) is not None or bool(self.tree.entry(path))
        return False

    @answered
    def mkdir(self, path: str, mode: int) -> int:
        metadata = {"mode": str(stat.S_IFDIR | stat.S_IMODE(mode)), **self.tree.modified_now(), **self._owner()}
        self.tree.make_directory(path, metadata)
        return 0

    @answered
    def rmdir(self, path: str) -> int:
        if self.files.unpublished_in(path):
            raise OSError(errno.ENOTEMPTY, "the directory is not empty")
        self.tree.remove_directory(path)
        return 0

    @answered
    def symlink(self, path: str, target: str) -> int:
        metadata = {"mode": str(stat.S_IFLNK | 0o777), **self.tree.modified_now(), **self._owner()}
        content = target.encode("utf-8", "surrogateescape")
        self.tree.client.put(self.tree.bucket, self.tree.key(path), content, ObjectOptions(metadata=metadata))
        self.tree.forget(path)
        return 0

    @answered
    def readlink(self, path: str) -> str:
        entry = self.tree.entry(path)
        if entry.info is None or not is_symlink(entry.info.metadata):
            raise OSError(errno.EINVAL, "not a symbolic link")
        return self.tree.client.get(self.tree.bucket, entry.key)[1].decode("utf-8", "surrogateescape")

    @answered
    def mknod(self, path: str, mode: int, device: int) -> int:
        if not stat.S_ISREG(mode):
            raise OSError(errno.EPERM, "only files, directories and symbolic links can be kept")
        metadata = {"mode": str(mode), **self.tree.modified_now(), **self._owner()}
        self.tree.client.put(self.tree.bucket, self.tree.key(path), b"", ObjectOptions(metadata=metadata))
        self.tree.forget(path)
        return 0

    @answered
    def link(self, path: str, target: str) -> int:
        raise OSError(errno.EPERM, "S3 has no hard links")

    @answered
    def opendir(self, path: str) -> int:
        number = next(self._numbers)
        self._directories[number] = DirectoryNames(lambda: self._names(path))
        return number

    @answered
    def readdir_with_offset(self, path: str | None, offset: int, number: int) -> Iterator[tuple[str, None, int]]:
        return self._directories[number].after(offset)

    @answered
    def releasedir(self, path: str | None, number: int) -> int:
        self._directories.pop(number, None)
        return 0

    def _names(self, path: str) -> Iterator[str]:
        yield from (".", "..")
        fresh = set(self.files.unpublished_in(path))
        for name in self.tree.names(path):
            fresh.discard(name)
            yield name
        yield from sorted(fresh)


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".fuse_hidden")
