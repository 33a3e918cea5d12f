"""A local folder that a tree is written into: files appear whole, under conditions, and never through a link.

Every change is made relative to an open folder that was reached without following a link. Partial files lie in
`.s3am/` in the root. A file is replaced or deleted only if it is unchanged since the listing; a file changed
meanwhile is kept, and `TargetChanged` is raised.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable

from ..core.entries import RESERVED, Entry, Kind
from ..engine.file_io import write_all
from ..engine.file_state import state_of
from ..errors import S3AMError
from .partials import NAME as PARTIALS
from .partials import close_partials, open_partials

FOLDERS_OPEN = 64
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_numbers = itertools.count()


class TargetChanged(S3AMError):
    """The file under this name is no longer the one that was listed; it is kept."""


class InTheWay(S3AMError):
    """A link, a file or a folder stands where something of another kind is to go."""


class LocalTarget:
    """root: the folder; made with its first entry. Any thread."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self._folders: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._root_fd = -1
        self._partial_fd = -1

    # -- folders ----------------------------------------------------------------------------------------------------

    def partial_path(self, key: str) -> str:
        """Where an unfinished large file of `key` lies: the same name in each run."""
        with self._lock:
            self._partials()
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return os.path.join(self.root, RESERVED, digest)

    def partials_folder(self, *, create: bool) -> str | None:
        """The folder of partial files; None where it does not exist and is not to be made."""
        path = os.path.join(self.root, RESERVED)
        if create:
            with self._lock:
                self._partials()
        return path if os.path.isdir(path) else None

    def _open_root(self) -> int:
        if self._root_fd < 0:
            os.makedirs(self.root, exist_ok=True)
            self._root_fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._root_fd

    def _partials(self) -> int:
        if self._partial_fd < 0:
            root = self._open_root()
            self._partial_fd = open_partials(root, lambda: _subfolder(root, PARTIALS, RESERVED, mode=0o700))
        return self._partial_fd

    def clean(self) -> None:
        """Removes what runs that were killed have left and no run continues."""
        self.partials_folder(create=os.path.isdir(os.path.join(self.root, RESERVED)))

    def _with_folder(self, key: str, act: Callable[[int, str], None], *, create: bool = True) -> None:
        """Calls `act` with the descriptor of the folder of `key` and the name in it, under the lock."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            act(self._folder(folder, create), name)

    def _folder(self, folder: str, create: bool) -> int:
        if not folder:
            return self._open_root()
        fd = self._folders.get(folder)
        if fd is not None:
            self._folders.move_to_end(folder)
            return fd
        above, _, name = folder.rpartition("/")
        parent = self._folder(above, create)
        fd = _subfolder(parent, name, folder) if create else _open_folder(parent, name, folder)
        self._folders[folder] = fd
        if len(self._folders) > FOLDERS_OPEN:
            os.close(self._folders.popitem(last=False)[1])
        return fd

    def _forget(self, folder: str) -> None:
        for name in [name for name in self._folders if name == folder or name.startswith(folder + "/")]:
            os.close(self._folders.pop(name))

    # -- files ------------------------------------------------------------------------------------------------------

    def store(self, key: str, data: bytes, expected: Entry | None, finish: Callable[[int], None]) -> os.stat_result:
        """A small file. finish: gives the open file its times and mode before it appears. Returns its stat."""
        partials = self._partial_fd
        if partials < 0:
            with self._lock:
                partials = self._partials()
        name, fd = _new_partial(partials)
        try:
            write_all(fd, data)
            finish(fd)
            self._publish(key, partials, name, expected)
            return os.fstat(fd)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=partials)
            raise
        finally:
            os.close(fd)

    def take(self, key: str, path: str, expected: Entry | None, finish: Callable[[int], None]) -> os.stat_result:
        """A whole file that lies at `path`, of `partial_path`."""
        with self._lock:
            partials = self._partials()
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            finish(fd)
            self._publish(key, partials, os.path.basename(path), expected)
            return os.fstat(fd)
        finally:
            os.close(fd)

    def link(self, key: str, text: bytes, expected: Entry | None, mtime: int) -> os.stat_result:
        """A symbolic link to `text`. mtime: nanoseconds."""
        with self._lock:
            partials = self._partials()
        name = _free_name(partials)
        os.symlink(text, name, dir_fd=partials)
        try:
            os.utime(name, ns=(mtime, mtime), dir_fd=partials, follow_symlinks=False)
            self._publish(key, partials, name, expected)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=partials)
            raise
        return os.lstat(os.path.join(self.root, key))

    def _publish(self, key: str, partials: int, name: str, expected: Entry | None) -> None:
        above, _, target = key.rpartition("/")
        with self._lock:
            folder = self._folder(above, create=True)
            if expected is not None:
                self._check(folder, target, key, expected)
                os.replace(name, target, src_dir_fd=partials, dst_dir_fd=folder)
                return
            try:
                os.link(name, target, src_dir_fd=partials, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                self._check(folder, target, key, None)
                raise TargetChanged(f"{key} appeared meanwhile: kept") from None
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                self._check(folder, target, key, None)
                os.replace(name, target, src_dir_fd=partials, dst_dir_fd=folder)
                return
            os.unlink(name, dir_fd=partials)

    def _check(self, folder: int, name: str, key: str, expected: Entry | None) -> None:
        """Raises TargetChanged unless `name` still is what was listed."""
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            if expected is not None:
                raise TargetChanged(f"{key} has gone since it was listed") from None
            return
        if stat.S_ISDIR(there.st_mode):
            raise InTheWay(f"{key} is a folder at the target")
        if expected is None or not is_as_listed(there, expected):
            raise TargetChanged(f"{key} changed since it was listed: kept")

    def set_times(self, key: str, expected: Entry, mtime: int) -> os.stat_result:
        """Gives a file, whose content is proven, the time `mtime` (nanoseconds). Returns its stat."""
        found: list[os.stat_result] = []

        def touch(folder: int, name: str) -> None:
            self._check(folder, name, key, expected)
            os.utime(name, ns=(mtime, mtime), dir_fd=folder, follow_symlinks=False)
            found.append(os.stat(name, dir_fd=folder, follow_symlinks=False))

        self._with_folder(key, touch)
        return found[0]

    # -- folders as entries, and what goes --------------------------------------------------------------------------

    def make_folder(self, key: str) -> None:
        """A folder; `key` ends in '/'."""
        with self._lock:
            self._folder(key.rstrip("/"), create=True)

    def delete(self, entry: Entry) -> None:
        """Removes what was listed as `entry`, if it still is that."""

        def remove(folder: int, name: str) -> None:
            try:
                self._check(folder, name, entry.key, entry)
            except TargetChanged:
                if not _exists(folder, name):
                    return
                raise
            os.unlink(name, dir_fd=folder)

        if entry.kind is Kind.FOLDER:
            self.remove_folder(entry.key.rstrip("/"))
        else:
            self._with_folder(entry.key, remove, create=False)

    def move_away(self, entry: Entry, to: LocalTarget) -> None:
        """Moves what was listed as `entry` to the same key of another folder, over what is there."""

        def move(folder: int, name: str) -> None:
            self._check(folder, name, entry.key, entry)

            def into(other: int, same: str) -> None:
                os.replace(name, same, src_dir_fd=folder, dst_dir_fd=other)

            to._with_folder(entry.key, into)

        self._with_folder(entry.key, move, create=False)

    def rename(self, old: Entry, key: str) -> os.stat_result:
        """Gives what was listed as `old` the name `key`, which is free. Returns its stat."""
        source_folder, _, source_name = old.key.rpartition("/")
        target_folder, _, target_name = key.rpartition("/")
        with self._lock:
            target = os.dup(self._folder(target_folder, create=True))
            try:
                source = self._folder(source_folder, create=False)
                self._check(source, source_name, old.key, old)
                self._check(target, target_name, key, None)
                os.rename(source_name, target_name, src_dir_fd=source, dst_dir_fd=target)
                return os.stat(target_name, dir_fd=target, follow_symlinks=False)
            finally:
                os.close(target)

    def remove_folder(self, folder: str) -> bool:
        """Removes a folder that is empty; whether it is gone."""
        above, _, name = folder.rpartition("/")
        with self._lock:
            self._forget(folder)
            try:
                os.rmdir(name, dir_fd=self._folder(above, create=False))
            except OSError as error:
                return error.errno == errno.ENOENT
            return True

    def close(self, none_left: Callable[[], bool] = lambda: False) -> None:
        """Lets go of the folders; `.s3am/` goes if nothing unfinished is in it. none_left: see `close_partials`."""
        with self._lock:
            for fd in self._folders.values():
                os.close(fd)
            self._folders.clear()
            if self._partial_fd >= 0:
                close_partials(self._root_fd, self._partial_fd, none_left)
                self._partial_fd = -1
            if self._root_fd >= 0:
                os.close(self._root_fd)
                self._root_fd = -1


def is_as_listed(there: os.stat_result, entry: Entry) -> bool:
    """Whether a file is the one that was listed: its inode, size and times."""
    return state_of(there) == (entry.size, entry.modified, entry.inode, entry.changed)


def _next_name() -> str:
    """For a partial file; a killed process of the same number, as in containers, may have left one."""
    return f"{os.getpid()}-{next(_numbers)}.partial"


def _free_name(partials: int) -> str:
    while _exists(partials, name := _next_name()):
        continue
    return name


def _new_partial(partials: int) -> tuple[str, int]:
    """A new empty file, open for writing: its name and descriptor."""
    while True:
        name = _next_name()
        try:
            return name, os.open(name, NEW, 0o666, dir_fd=partials)
        except FileExistsError:
            continue


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open_folder(parent: int, name: str, path: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise InTheWay(f"{path} is a link or a file at the target: it is not followed") from None
        raise


def _subfolder(parent: int, name: str, path: str, mode: int = 0o777) -> int:
    try:
        return _open_folder(parent, name, path)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=parent)
        return _open_folder(parent, name, path)
