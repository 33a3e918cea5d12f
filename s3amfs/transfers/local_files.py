"""The local side of a download: names and owners of partial files, free space, and who may read the result.

A folder may be of another user, or for all (/tmp): what lies there under the name of a partial file need not be ours.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

from ..core.sizes import format_size
from ..errors import AccessDenied, TransferError

NAME_BYTES = 255
"""Of a file name, where the file system does not say another limit."""
KEPT_BYTES = 100
"""Of a long name, in the name of its partial file: for people; the digest after it makes the name unique."""


def partial_names(name: str, *, limit: int = NAME_BYTES, owner: int | None = None) -> tuple[str, str]:
    """Names of the partial file and of its manifest, for a file `name` whose file system takes `limit` bytes.

    owner: user id, for names beside those of another user; None: the usual names.
    """
    ours = "" if owner is None else f".{owner}"
    longest = f".{name}{ours}.progress"
    if len(os.fsencode(longest)) > limit:
        raw = os.fsencode(name)
        digest = hashlib.sha256(raw).hexdigest()[:32]
        name = raw[: max(0, min(KEPT_BYTES, limit - 60))].decode("utf-8", "ignore") + "~" + digest
    return f".{name}{ours}.partial", f".{name}{ours}.progress"


def own_names(folder: str, name: str) -> tuple[str, str]:
    """Paths of the partial file and its manifest: the usual ones, or others where those belong to another user."""
    limit = NAME_BYTES
    with contextlib.suppress(OSError, ValueError):
        limit = os.pathconf(folder, "PC_NAME_MAX")
    usual = [os.path.join(folder, n) for n in partial_names(name, limit=limit)]
    if any(_is_foreign(path, folder) for path in usual):
        usual = [os.path.join(folder, n) for n in partial_names(name, limit=limit, owner=os.geteuid())]
    return usual[0], usual[1]


def _is_foreign(path: str, folder: str) -> bool:
    try:
        return _is_of_another(os.lstat(path), folder)
    except OSError:
        return False


def _is_of_another(there: os.stat_result, folder: str) -> bool:
    """The owner of the folder may do as he likes there anyway; some mounts give everything to one user."""
    return not stat.S_ISREG(there.st_mode) or there.st_uid not in (os.geteuid(), os.stat(folder).st_uid)


def open_own(partial: str, target: str) -> int:
    """A descriptor of `partial`, made if it is not there, no more visible to others than an existing `target`.

    Raises AccessDenied if it is another user's, OSError.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(partial, flags | os.O_CREAT | os.O_EXCL, 0o600 if os.path.isfile(target) else 0o666)
    except FileExistsError:
        fd = os.open(partial, flags)
        if _is_of_another(os.fstat(fd), os.path.dirname(partial)):
            os.close(fd)
            raise AccessDenied(f"{partial} is another user's: remove it, or give another folder") from None
    except PermissionError:
        raise AccessDenied(f"{os.path.dirname(partial)} may not be written to: check its permissions") from None
    keep_access(fd, target, also=0o600)
    return fd


def keep_access(fd: int, target: str, *, also: int = 0) -> None:
    """Gives `fd` mode, owner and group of the file at `target`, if there is one, as far as this user may.

    Where the group can't be kept it gets no more than everybody has; without the owner no set-user-id bit is kept.
    also: further bits of the mode.
    """
    try:
        there = os.lstat(target)
    except OSError:
        return
    mine = os.fstat(fd)
    if not stat.S_ISREG(there.st_mode) or os.path.samestat(there, mine):
        return
    mode = stat.S_IMODE(there.st_mode)
    if (mine.st_uid, mine.st_gid) != (there.st_uid, there.st_gid):
        for uid, gid in ((there.st_uid, there.st_gid), (-1, there.st_gid)):
            with contextlib.suppress(OSError):
                os.fchown(fd, uid, gid)
                break
        mine = os.fstat(fd)
    if mine.st_uid != there.st_uid:
        mode &= 0o777
    if mine.st_gid != there.st_gid:
        mode &= 0o707 | (mode & 0o007) << 3
    with contextlib.suppress(OSError):  # file systems without modes
        os.fchmod(fd, mode | also)


def require_room(fd: int, size: int, folder: str) -> None:
    """Raises TransferError unless the file system of `fd` has room for the file to reach `size` bytes."""
    there = os.fstatvfs(fd)
    needed = size - os.fstat(fd).st_blocks * 512
    free = there.f_bavail * there.f_frsize
    if there.f_blocks and needed > free:
        raise TransferError(
            f"{folder}: the disk has room for {format_size(free)}, {format_size(needed)} are needed: make room, then "
            "go on with --download-exists resume",
            errno=errno.ENOSPC,
        )
