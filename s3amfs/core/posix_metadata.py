"""Times, mode and owner in an object's metadata, as this project and others write them. Pure.

Names and forms: `mtime`, `mode`, `uid`, `gid` (s3fs-fuse: decimal; rclone: an octal mode, seconds with a fraction);
`file-mtime` (nanoseconds and 'ns'), `file-permissions` (octal), `file-owner`, `file-group` (AWS DataSync, AWS Storage
Gateway and Amazon FSx for Lustre, "POSIX metadata support for data repositories"). The first that makes sense counts.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

SECOND = 10**9
TIME_DIGITS = 12
"""Of whole seconds: until the year 33658."""
_SECONDS = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?(e[+-]?\d{1,2})?", re.ASCII)
_WITH_UNIT = re.compile(r"([+-]?\d{1,20})(ns|us|ms|s)", re.ASCII)
_MODE = re.compile(r"\d{1,8}", re.ASCII)
_ID = re.compile(r"\d{1,10}", re.ASCII)
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": SECOND}
_KINDS = {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK, stat.S_IFCHR}
_LINK = stat.S_IFLNK | 0o777
LARGEST_ID = 2**32 - 1


def time_text(nanoseconds: int) -> str:
    """Seconds since 1970 with a fraction, as in `mtime`."""
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    return f"{sign}{value // SECOND}.{value % SECOND:09d}"


def time_of(text: str | None, default: int) -> int:
    """Nanoseconds since 1970; `default` where `text` says nothing that can be used."""
    if not text:
        return default
    text = text.strip()
    united = _WITH_UNIT.fullmatch(text)
    if united is not None:
        found = int(united[1]) * _UNITS[united[2]]
    elif _SECONDS.fullmatch(text):
        found = int(Decimal(text) * SECOND)  # bounded before: '1e400000' is short, and its digits take minutes
    else:
        return default
    return found if abs(found) < 10**TIME_DIGITS * SECOND else default


@lru_cache(maxsize=256)
def mode_of(text: str | None, default: int) -> int:
    """st_mode, with or without its file type; `default` where `text` says nothing that can be used.

    A decimal number whose bits name a file type is what s3fs-fuse writes; every other that can be read as octal is.
    (41000 is a directory's in octal, a link's in decimal: of links, only the decimal form that is written counts.)
    """
    if not text:
        return default
    text = text.strip()
    if not _MODE.fullmatch(text):
        return default
    decimal = int(text)
    kind = stat.S_IFMT(decimal) if decimal <= 0o177777 and not text.startswith("0") else 0
    if kind in _KINDS and (kind != stat.S_IFLNK or decimal == _LINK):
        return decimal
    if not set(text) <= set("01234567"):
        return decimal if decimal <= 0o7777 else default
    octal = int(text, 8)
    if octal <= 0o7777 or (octal <= 0o177777 and stat.S_IFMT(octal) in _KINDS):
        return octal
    return default


@lru_cache(maxsize=256)
def id_of(text: str | None, default: int) -> int:
    """A user or group; `default` where `text` says nothing that can be used."""
    if not text:
        return default
    text = text.strip()
    if not _ID.fullmatch(text):
        return default
    return int(text) if int(text) <= LARGEST_ID else default


def mtime(metadata: Mapping[str, str], default: int) -> int:
    """Nanoseconds since 1970."""
    return time_of(metadata.get("mtime"), time_of(metadata.get("file-mtime"), default))


def mode(metadata: Mapping[str, str], default: int) -> int:
    """Returns the mode that `metadata` holds, else `default`."""
    return mode_of(metadata.get("mode"), mode_of(metadata.get("file-permissions"), default))


def uid(metadata: Mapping[str, str], default: int) -> int:
    """Returns the owner's ID that `metadata` holds, else `default`."""
    return id_of(metadata.get("uid"), id_of(metadata.get("file-owner"), default))


def gid(metadata: Mapping[str, str], default: int) -> int:
    """Returns the group's ID that `metadata` holds, else `default`."""
    return id_of(metadata.get("gid"), id_of(metadata.get("file-group"), default))


def is_symlink(metadata: Mapping[str, str]) -> bool:
    """Whether the mode in `metadata` is that of a symbolic link."""
    return stat.S_ISLNK(mode(metadata, 0))
