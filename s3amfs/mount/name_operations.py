"""Operations on names: files, directories, links.

A file that is open and loses its name, since it is unlinked or another one takes its name, is renamed by libfuse first
(`.fuse_hidden…`), so that it can still be asked for by a path. That is a name in this mount alone. libfuse does not say
which of the two it is. Where the caller can't be seen to be in unlink(2), the object is removed an instant later,
unless the rename that replaces it follows, so that its name leads to one of the two at every moment.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator

from ..core.posix_metadata import is_symlink
from ..errors import ObjectExists, TargetChanged
from .caller import caller
from .errors import answered
from .metadata_cache import Entry
from .namespace import key_of_new, modified_now
from .open_directory import DirectoryNames, Show
from .open_file import OpenFile
from .operations_shared import Shared
from .processes import is_unlinking


class NameOperations(Shared):
    @answered
    def unlink(self, path: str) -> int:
        if self.files.unhide(path):
            return 0  # it is in no bucket, and goes with its last handle
        file = self._open_at(path)
        if file is not None and self._remove_delayed(path, file):
            return 0
        file = self._open_at(path)
        if file is not None and file.published is None:
            raise OSError(errno.EBUSY, "libfuse hides what is open before it unlinks it")
        self.files.forget_pages(path)
        entry = self.tree.entry(path)
        self.write_back.forget(entry.key)
        self.tree.remove(path, entry)
        return 0

    def _remove_delayed(self, path: str, file: OpenFile) -> bool:
        """Whether it was closed and waited to be published: then it is not, and what stands in S3 there goes, too."""
        number = self.write_back.cancel(file)
        if number is None:
            return False
        try:
            file.unlink()
            self.files.take_away(file.key)
            self.files.forget_pages(path)
            self.tree.forget(path)
            there = self.tree.find(path)
            if there is not None and not there.directory:
                self.tree.remove(path, there)
            else:
                self.tree.keep_parent(path)
        finally:
            self._release(number)
        return True

    @answered
    def rename(self, old: str, new: str, no_replace: bool = False) -> int:
        if no_replace and self._exists(new):
            raise OSError(errno.EEXIST, "it exists")
        source, target = self.tree.key(old), key_of_new(self.tree, new)
        self.files.forget_pages(old, new)
        if self.files.is_hiding(old, new, source):
            self._hide(old, source, new)
            return 0
        self._settle_below(target)
        self._settle_below(source)
        if no_replace:
            self.tree.changes.settle(target)
        else:
            self.tree.changes.keep(target)

        def moved(old_key: str, new_key: str) -> None:
            file = self.files.at(old_key)
            if file is not None:
                self.files.rename(old_key, new_key, new + self.files.path_of(file)[len(old) :])

        with self.moves.moving(source, target):
            closing = self.files.closing_at(old)  # its release would publish it under the old name
            if closing is not None and closing.changed and not closing.failed:
                self._publish_now(closing)
            for file in self.files.below(source):
                if file.changed:
                    self._publish_now(file)
            try:
                self.tree.move(old, new, moved, no_replace)
            except ObjectExists as error:
                if no_replace:
                    raise
                raise TargetChanged(error.message) from None  # ESTALE: the kernel asks once more
        for directory in list(self._directories.values()):
            directory.renamed(old, new)
        self.files.moved(old, new)
        return 0

    def _hide(self, old: str, key: str, new: str) -> None:
        """libfuse takes an open file's name away: it has one only here, not in S3."""
        closing = self.files.closing_at(old)
        if closing is not None:
            closing.unlink()  # its last publication may be in flight: what is removed is what that stored
        file = self.files.at(key)
        seen = file.settled() if file is not None else None
        there = self.tree.find(old)
        if there is not None and there.info is not None and not there.directory:
            self.tree.changes.take(key)
            if is_unlinking(caller()[2]):
                self.tree.remove(old, there)
            else:
                self.tree.changes.remove_later(key, there.info)
        hidden = self.files.hide(key, new)
        if hidden is not None:
            hidden.unlink()
            if hidden.published is not None and hidden is file and hidden.published is not seen:
                self.tree.remove(old, Entry(key, False, hidden.published, 0.0))  # it was published meanwhile
        self.tree.forget(old)
        self.tree.times.removed(old)
        self.tree.times.name_changed(old)

    def _exists(self, path: str) -> bool:
        return self._open_at(path) is not None or self.tree.find(path) is not None

    @answered
    def mkdir(self, path: str, mode: int) -> int:
        metadata = {"mode": str(stat.S_IFDIR | stat.S_IMODE(mode)), **modified_now(), **self._owner()}
        with self.tree.changing(self.tree.prefix(path)):
            self.tree.make_directory(path, metadata)
        self.tree.times.name_changed(path)
        return 0

    @answered
    def rmdir(self, path: str) -> int:
        if self.files.unpublished_in(path):
            raise OSError(errno.ENOTEMPTY, "the directory is not empty")
        self.tree.remove_directory(path)
        return 0

    @answered
    def symlink(self, path: str, target: str) -> int:
        self._put_new(path, stat.S_IFLNK | 0o777, target.encode("utf-8", "surrogateescape"))
        return 0

    @answered
    def readlink(self, path: str) -> str:
        entry = self.tree.entry(path)
        if entry.info is None or not is_symlink(self.tree.metadata(entry)):
            raise OSError(errno.EINVAL, "not a symbolic link")
        return self.tree.client.get(self.tree.bucket, entry.key)[1].decode("utf-8", "surrogateescape")

    @answered
    def mknod(self, path: str, mode: int, device: int) -> int:
        if not stat.S_ISREG(mode):
            raise OSError(errno.EPERM, "only files, directories and symbolic links can be kept")
        self._put_new(path, mode, b"")
        return 0

    def _put_new(self, path: str, mode: int, content: bytes) -> None:
        key = key_of_new(self.tree, path)
        self.tree.changes.settle(key)
        self.tree.changes.take(key)
        with self.tree.changing(key):
            self.tree.store.put_new(key, content, {"mode": str(mode), **modified_now(), **self._owner()})
        self.tree.forget(path)
        self.tree.times.name_changed(path)

    @answered
    def link(self, path: str, target: str) -> int:
        raise OSError(errno.EPERM, "S3 has no hard links")

    @answered
    def opendir(self, path: str) -> int:
        number = next(self._numbers)
        self._directories[number] = DirectoryNames(path, self._names)
        return number

    @answered
    def readdir_with_offset(self, path: str | None, offset: int, number: int, plus: bool, show: Show) -> int:
        """plus: the kernel asks for attributes, too. With the first names it always does, since it knows no better:
        so these get none, as a HEAD for each would be in vain for a program that reads names alone."""
        left_out = self._directories[number].show(offset, show, self._attributes if plus and offset else None)
        if left_out is not None:
            self.tree.answered.note(left_out, "")  # the kernel may have any other version
        return 0

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
