"""The answer to stat(2): from its object, from its metadata, and from what this mount knows. Pure."""

from __future__ import annotations

import stat
from collections.abc import Mapping

from ..core import posix_metadata as posix
from ..core.posix_metadata import SECOND
from ..transfers.options import ObjectInfo
from .options import MountOptions

Attributes = dict[str, int]
BLOCK_SIZE = 1024 * 1024
"""As much as one request of FUSE can be. Programs like cp take it for their buffers; the kernel reads as much ahead,
but not for larger reads."""
DIRECTORY_BLOCK = 4096
"""opendir(3) takes it for its buffer: a large one would be filled before the first name is there."""


def attributes(
    options: MountOptions,
    metadata: Mapping[str, str],
    *,
    size: int,
    modified: int,
    changed: int,
    directory: bool = False,
) -> Attributes:
    """size: bytes. modified: the mtime of what has none in its metadata. changed: ctime. Both in ns since 1970."""
    plain = (stat.S_IFDIR | 0o777 if directory else stat.S_IFREG | 0o666) & ~options.umask
    mode = posix.mode(metadata, plain)
    kind = stat.S_IFDIR if directory else stat.S_IFLNK if stat.S_ISLNK(mode) else stat.S_IFREG
    mtime = posix.mtime(metadata, modified)
    return {
        "st_mode": kind | stat.S_IMODE(mode),
        "st_size": 0 if directory else size,
        "st_mtime": mtime,
        "st_ctime": changed,
        "st_atime": mtime,
        "st_nlink": 1,
        "st_uid": posix.uid(metadata, options.uid),
        "st_gid": posix.gid(metadata, options.gid),
        "st_blocks": -(-size // 512),
        "st_blksize": DIRECTORY_BLOCK if directory else BLOCK_SIZE,
    }


def last_changed(info: ObjectInfo | None) -> int:
    """Nanoseconds since 1970. Always the same for one object: at another time the kernel drops what it has of it."""
    return int(((info.last_modified if info is not None else None) or 0) * SECOND)
