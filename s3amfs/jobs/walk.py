"""A local tree as entries in the order of keys: folders sort as if their names ended in '/', which is how S3 has them.

Names are those that the kernel gives, decoded with surrogateescape. Names that cannot be transferred (a FIFO, a
dangling link, a loop, a folder that may not be read) are entries too, with their problem: nothing is left out silently.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Literal

from ..core.define import define
from ..core.entries import RESERVED, Entry, Kind, not_local, order
from ..core.filters import NO_FILTERS, Filters
from ..errors import AccessDenied, InvalidSource, NotFound
from .spill import sorted_by

Links = Literal["follow", "skip", "keep"]
LARGE_FOLDER = 50_000
"""Names of one folder that are sorted in memory; more go through the disk."""


@define(frozen=True, slots=True)
class WalkOptions:
    """links: what to do about symbolic links; 'keep' makes each an entry of its own, also those to folders.

    target: the tree is a target: links are entries and never followed. after: only keys behind this one.
    """

    links: Links = "follow"
    filters: Filters = NO_FILTERS
    target: bool = False
    after: str = ""
    only_below: Callable[[str], bool] | None = None
    """Whether a folder (its key ends in '/') has to be read; None: all of them."""


def check_root(root: str) -> None:
    """Raises NotFound, InvalidSource (no folder), AccessDenied."""
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise InvalidSource(f"{root} is not a folder: give a folder or s3://BUCKET/PREFIX")
        os.scandir(root).close()
    except FileNotFoundError:
        raise NotFound(f"{root} does not exist: check the spelling") from None
    except NotADirectoryError:
        raise InvalidSource(f"{root} is not a folder: give a folder or s3://BUCKET/PREFIX") from None
    except PermissionError:
        raise AccessDenied(f"{root} may not be read: check its permissions") from None


def walk(root: str, options: WalkOptions | None = None) -> Iterator[Entry]:
    """Entries below `root` in the order of keys; a missing root has none. Raises nothing that is one entry's fault."""
    options = options or WalkOptions()
    try:
        there = os.stat(root)
    except FileNotFoundError:
        return
    yield from _Walk(root, options).folder("", ((there.st_dev, there.st_ino),))


def has_entry(root: str, key: str, links: Links) -> bool:
    """Whether a walk of `root` would come upon an entry `key` (of a file or a link) by now.

    A folder of that name is none, nor is a file whose path is spelled otherwise ('a//b'), or one that lies behind a
    link which is not followed. Raises OSError where nobody can say.
    """
    if not_local(key) and not key.startswith(RESERVED):
        return False
    try:
        if links != "follow":
            pieces = key.split("/")
            above = ("/".join(pieces[:count]) for count in range(1, len(pieces)))
            if any(os.path.islink(os.path.join(root, folder)) for folder in above):
                return False
        path = os.path.join(root, key)
        there = os.lstat(path)
        if stat.S_ISLNK(there.st_mode):
            return links == "keep" or (links == "follow" and not os.path.isdir(path))
        return not stat.S_ISDIR(there.st_mode) or key.endswith("/")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return False
        raise


class _Walk:
    def __init__(self, root: str, options: WalkOptions) -> None:
        self._root = root
        self._options = options
        self._after = order(options.after)

    def folder(self, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
        """Entries below the folder `prefix`. above: (device, inode) of it and of all folders above it."""
        try:
            names = self._names(prefix)
        except OSError as error:
            yield Entry(prefix, kind=Kind.GAP, problem=f"the folder cannot be read ({error.strerror})")
            return
        for key in names:
            if self._is_behind(key):
                continue
            if key.endswith("/"):
                yield from self._subfolder(key, above)
            else:
                entry = self._file(key)
                if entry is not None:
                    yield entry

    def _is_behind(self, key: str) -> bool:
        """Whether a run that is taken up has done this key, and all below it, already."""
        if not self._after:
            return False
        mine = order(key)
        return mine <= self._after and not (key.endswith("/") and self._after.startswith(mine))

    def _names(self, prefix: str) -> Iterator[str]:
        """Keys in the folder, in order; those of folders to descend into end in '/'. Raises OSError."""
        found: list[str] = []
        scan = os.scandir(os.path.join(self._root, prefix))
        with scan:
            for item in scan:
                key = prefix + item.name
                found.append(key + "/" if self._is_folder(item) else key)
                if len(found) > LARGE_FOLDER:
                    break
            else:
                found.sort(key=order)
                return iter(found)
            rest = (key + "/" if self._is_folder(item) else key for item in scan for key in (prefix + item.name,))
            runs = _runs(found, rest)
            first = next(runs)  # everything is read by then
            return chain((first,), runs)

    def _is_folder(self, item: os.DirEntry[str]) -> bool:
        try:
            follow = self._options.links == "follow" and not self._options.target
            return item.is_dir(follow_symlinks=follow)
        except OSError:
            return False

    def _subfolder(self, key: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
        options = self._options
        if key == RESERVED or (options.filters and not options.filters.may_include_below(key)):
            return
        if options.only_below is not None and not options.only_below(key):
            return
        try:
            there = os.stat(os.path.join(self._root, key))
        except OSError as error:
            yield Entry(key, kind=Kind.GAP, problem=f"the folder cannot be read ({error.strerror})")
            return
        identity = (there.st_dev, there.st_ino)
        if identity in above:
            yield Entry(key, kind=Kind.GAP, problem="a link that leads to a folder above it: a loop")
            return
        inside = self.folder(key, (*above, identity))
        first = next(inside, None)
        if first is None or first.key != key:  # not a gap
            mine = Entry(key, 0, there.st_mtime_ns, Kind.FOLDER, empty=first is None and self._is_empty(key))
            if not self._is_behind_exactly(key) and (not options.filters or options.filters.includes(key)):
                yield mine
        if first is not None:
            yield first
        yield from inside

    def _is_behind_exactly(self, key: str) -> bool:
        return bool(self._after) and order(key) <= self._after

    def _is_empty(self, key: str) -> bool:
        try:
            with os.scandir(os.path.join(self._root, key)) as scan:
                return next(scan, None) is None
        except OSError:
            return False

    def _file(self, key: str) -> Entry | None:
        options = self._options
        if options.filters and not options.filters.includes(key):
            return None
        path = os.path.join(self._root, key)
        try:
            there = os.lstat(path)
            if stat.S_ISLNK(there.st_mode):
                if options.links == "skip" and not options.target:
                    return None
                if options.links == "follow" and not options.target:
                    there = os.stat(path)
        except FileNotFoundError:
            return self._gone(key, path)
        except OSError as error:
            return Entry(key, problem=f"cannot be looked at ({error.strerror})", inode=1)
        return _entry_of(key, there)

    def _gone(self, key: str, path: str) -> Entry | None:
        """Returns an entry for a dangling link; None for a name that has vanished since its folder was read."""
        if os.path.islink(path):
            return Entry(key, kind=Kind.LINK, problem="a link to nothing", inode=1)
        return None


def _runs(first: list[str], rest: Iterator[str]) -> Iterator[str]:
    def every() -> Iterator[str]:
        yield from first
        first.clear()
        yield from rest

    return sorted_by(every(), order, LARGE_FOLDER)


def _entry_of(key: str, there: os.stat_result) -> Entry:
    kind, problem = Kind.FILE, ""
    if stat.S_ISLNK(there.st_mode):
        kind = Kind.LINK
    elif not stat.S_ISREG(there.st_mode):
        problem = f"{_what(there.st_mode)}: only files, folders and links can be moved"
    return Entry(
        key,
        there.st_size,
        there.st_mtime_ns,
        kind,
        changed=there.st_ctime_ns,
        inode=there.st_ino,
        problem=problem,
    )


def _what(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a FIFO"
    if stat.S_ISSOCK(mode):
        return "a socket"
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
        return "a device"
    return "no file"


__all__ = ["Links", "WalkOptions", "check_root", "has_entry", "walk"]
