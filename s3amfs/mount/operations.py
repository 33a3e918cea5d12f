"""What the kernel asks of the mount, by path or handle. Called by several threads of libfuse.

Errors are OSErrors with an errno; each that a program may not explain to its user is logged with its reason.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import mfusepy

from ..errors import ChecksumMismatch, NotFound
from ..transfers.options import ObjectOptions
from .attributes import Attributes, is_symlink, time_text
from .context import Service
from .errors import LookAgain, answered, found_before
from .handle_table import Files
from .namespace import Tree
from .open_directory import DirectoryNames
from .open_file import OpenFile
from .processes import is_open, process_of, was_killed
from .xattrs import PID_XATTR, SYNC_XATTR, XATTRS


class Operations(mfusepy.Operations):  # type: ignore[misc]
    """ready: called when the kernel has accepted the mount."""

    use_ns = True
    flag_nopath = flag_nullpath_ok = True  # an open file is known by its handle: no path has to be made for each read

    def __init__(self, tree: Tree, service: Service, mountpoint: str, ready: Callable[[], None]) -> None:
        self.tree = tree
        self.files = Files(service)
        tree.on_stored_again = self._stored_again
        self.options = service.options
        self._mountpoint = mountpoint.rstrip("/")
        self._ready = ready
        self._directories: dict[int, DirectoryNames] = {}
        self._numbers = itertools.count(1)
        self._processes: dict[int, int] = {}

    def init_with_config(self, connection: Any, config: Any) -> None:
        self._ready()

    # -- attributes -------------------------------------------------------------------------------------------------

    @answered
    def getattr(self, path: str | None, fi: Any = None) -> Attributes:
        file = self.files[fi.fh] if fi is not None else self._open_at(path)
        if file is not None and (file.changed or file.unlinked or fi is not None):
            return file.attributes
        assert path is not None
        return self.tree.attributes(path)

    @answered
    def utimens(self, path: str | None, mtime: int | None, fi: Any = None) -> int:
        """mtime: nanoseconds since 1970; None: as it is (access times are not kept)."""
        return self._change(path, fi, {"mtime": time_text(mtime)}) if mtime is not None else 0

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
        self.tree.change(path or self.files.path_of(self.files[fi.fh]), changes)
        return 0

    def _open_at(self, path: str | None) -> OpenFile | None:
        if path is None or not self.files:
            return None
        try:
            return self.files.at(self.tree.key(path))
        except NotFound:
            return None
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None

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
        entry = self.tree.entry(path)
        return [] if entry.info is None or entry.directory else list(XATTRS)

    @answered
    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        if path == "/" and name == PID_XATTR:
            return str(os.getpid()).encode()
        if name not in XATTRS:
            raise OSError(errno.ENODATA, "no such attribute")
        info = self.tree.entry(path).info
        if info is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return XATTRS[name](info).encode()

    @answered
    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        if path == "/" and name == SYNC_XATTR:
            self.tree.changes.store_all()
            return 0
        raise OSError(errno.EOPNOTSUPP, "attributes can only be read")

    # -- files ------------------------------------------------------------------------------------------------------

    @answered
    def create(self, path: str, mode: int, fi: Any) -> int:
        key = self.tree.key(path)
        metadata = {"mode": str(stat.S_IFREG | stat.S_IMODE(mode)), **self.tree.modified_now(), **self._owner()}
        fi.fh, file = self.files.hold(path, key, None, metadata, writes=True)
        self._opened(path, fi, file)
        self.tree.forget(path)
        return 0

    def _owner(self) -> dict[str, str]:
        uid, gid, _ = mfusepy.fuse_get_context()
        pairs = (("uid", uid, self.options.uid), ("gid", gid, self.options.gid))
        return {name: str(value) for name, value, usual in pairs if value != usual}

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
        thread = mfusepy.fuse_get_context()[2]
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
        thread = mfusepy.fuse_get_context()[2]
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

    def _publish(self, file: OpenFile) -> None:
        waiting = self.tree.changes.take(file.key)
        published = False
        try:
            published = file.publish()
        finally:
            if not published and waiting is not None:
                self.tree.changes.put(file.key, waiting)
        if published and file.published is not None:
            self.tree.remember(self.files.path_of(file), file.published)
            metadata = file.metadata_to_store
            if metadata is not None:
                self.tree.changes.put(file.key, metadata)

    def _stored_again(self, key: str, etag: str) -> None:
        """The tree has copied an object, so that its ETag may be another one: who has it open goes on with that."""
        file = self.files.at(key)
        if file is not None:
            file.stored_again(etag)

    # -- names ------------------------------------------------------------------------------------------------------

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

    def destroy(self, path: str) -> None:
        self.tree.close()


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".fuse_hidden")
