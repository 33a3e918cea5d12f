"""A file's mode, times and owner in an object's metadata, in the names of s3fs-fuse and rclone. Pure.

`mode` is read as s3fs-fuse (decimal) and as rclone (octal) write it; it is written in decimal.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping

from .define import define

SECOND = 10**9
NAMES = frozenset(("mode", "mtime", "uid", "gid"))
"""Of metadata that holds them."""
_TIME = re.compile(r"\s*(-?)(\d{1,12})(?:\.(\d{1,20}))?\s*\Z", re.ASCII)
_NUMBER = re.compile(r"\s*\d{1,10}\s*\Z", re.ASCII)


@define(frozen=True, slots=True)
class Kept:
    """Attributes of a file that are kept in metadata; None: absent or unusable."""

    mode: int | None = None
    """With its type."""
    mtime: int | None = None
    """Nanoseconds since 1970."""
    uid: int | None = None
    gid: int | None = None

    @property
    def is_link(self) -> bool:
        return self.mode is not None and stat.S_ISLNK(self.mode)

    def fits(self, mode: int, uid: int | None, gid: int | None) -> bool:
        """Whether a file has the permissions and the owner that are kept; those that are not, or None here, fit."""
        owners = ((self.uid, uid), (self.gid, gid))
        return (self.mode is None or (self.mode ^ mode) & 0o7777 == 0) and all(
            kept is None or owner is None or kept == owner for kept, owner in owners
        )


def metadata_of(mode: int, mtime: int, uid: int, gid: int) -> dict[str, str]:
    """Returns the metadata that holds these attributes. mtime: nanoseconds since 1970."""
    sign, value = ("-", -mtime) if mtime < 0 else ("", mtime)
    text = f"{sign}{value // SECOND}.{value % SECOND:09d}"
    return {"mode": str(mode), "mtime": text, "uid": str(uid), "gid": str(gid)}


def kept_in(metadata: Mapping[str, str]) -> Kept:
    """Returns the attributes of a file that `metadata` holds."""
    return Kept(
        _mode(metadata.get("mode", "")),
        _time(metadata.get("mtime", "")),
        _number(metadata.get("uid", "")),
        _number(metadata.get("gid", "")),
    )


def _number(text: str) -> int | None:
    found = int(text) if _NUMBER.match(text) else None
    return found if found is not None and found < 2**32 else None


def _time(text: str) -> int | None:
    match = _TIME.match(text)
    if match is None:
        return None
    value = int(match[2]) * SECOND + int((match[3] or "")[:9].ljust(9, "0"))
    return -value if match[1] else value


def _mode(text: str) -> int | None:
    decimal = _number(text)
    if decimal is None:
        return None
    types = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
    if decimal < 0o200000 and stat.S_IFMT(decimal) in types:
        return decimal
    octal = int(text, 8) if set(text.strip()) <= set("01234567") else -1
    if 0 <= octal < 0o200000 and stat.S_IFMT(octal) in types:
        return octal
    return decimal if decimal < 0o10000 else None
