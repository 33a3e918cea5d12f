"""File attributes in object metadata, named as s3fs-fuse and rclone name them: mtime, mode, uid, gid. Pure."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from ..transfers.options import ObjectInfo
from .options import MountOptions

Attributes = dict[str, int]
BLOCK_SIZE = 4 * 1024 * 1024
"""What programs like cp take for their buffers."""
DIRECTORY_BLOCK = 4096
"""opendir(3) takes it for its buffer: a large one would be filled before the first name is told."""
SECOND = 10**9
TIME_DIGITS = 12
"""Of whole seconds: until the year 33658."""


def time_text(nanoseconds: int) -> str:
    """Seconds since 1970 with a fraction, as in `mtime`."""
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    return f"{sign}{value // SECOND}.{value % SECOND:09d}"


def time_of(text: str | None, default: int) -> int:
    """Nanoseconds since 1970 from metadata; `default` where it says nothing that can be used."""
    try:
        seconds = Decimal(text) if text is not None else None
    except InvalidOperation:
        return default
    # Bounded before it is an integer: '1e400000' is short, and its digits take minutes.
    usable = seconds is not None and seconds.is_finite() and seconds.adjusted() < TIME_DIGITS
    return int(seconds * SECOND) if usable and seconds is not None else default


def number_of(text: str | None, default: int) -> int:
    """A mode, user or group from metadata; `default` where it is none: the kernel has 32 bits for each."""
    try:
        number = int(text) if text is not None else default
    except ValueError:
        return default
    return number if 0 <= number < 1 << 32 else default


def is_symlink(metadata: Mapping[str, str]) -> bool:
    return stat.S_ISLNK(number_of(metadata.get("mode"), 0))


def attributes(
    options: MountOptions, metadata: Mapping[str, str], *, size: int, changed: int, directory: bool = False
) -> Attributes:
    """What stat() tells. size: bytes. changed: nanoseconds since 1970, for what has no `mtime`."""
    plain = (stat.S_IFDIR | 0o777 if directory else stat.S_IFREG | 0o666) & ~options.umask
    mode = number_of(metadata.get("mode"), plain)
    kind = stat.S_IFDIR if directory else stat.S_IFLNK if stat.S_ISLNK(mode) else stat.S_IFREG
    mtime = time_of(metadata.get("mtime"), changed)
    return {
        "st_mode": kind | stat.S_IMODE(mode),
        "st_size": 0 if directory else size,
        "st_mtime": mtime,
        "st_ctime": mtime,
        "st_atime": mtime,
        "st_nlink": 1,
        "st_uid": number_of(metadata.get("uid"), options.uid),
        "st_gid": number_of(metadata.get("gid"), options.gid),
        "st_blocks": -(-size // 512),
        "st_blksize": DIRECTORY_BLOCK if directory else BLOCK_SIZE,
    }


def attributes_of(
    options: MountOptions, info: ObjectInfo, metadata: Mapping[str, str], *, directory: bool = False
) -> Attributes:
    """metadata: what it has or is about to have."""
    return attributes(options, metadata, size=info.size, changed=last_changed(info), directory=directory)


def last_changed(info: ObjectInfo | None) -> int:
    """Nanoseconds since 1970. Always the same for one object: at another time the kernel drops what it has of it."""
    return int(((info.last_modified if info is not None else None) or 0) * SECOND)
