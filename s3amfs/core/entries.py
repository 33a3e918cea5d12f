"""Entries of a tree, local or in S3, and the order in which both are listed: that of their keys' bytes. Pure.

A key is relative to the root of its tree, its names joined by '/'. A folder's key ends in '/'. Local names are bytes,
decoded with surrogateescape.
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Sequence
from itertools import islice

from .define import define
from .names import MOST_BYTES, MOST_KEY_BYTES

RESERVED = ".s3am/"
"""Folder in a local target that holds partial files; never part of a tree."""
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects cannot be read until they are restored (S3 User Guide, "Restoring an archived object").
"""


class Kind(enum.Enum):
    FILE = "file"
    FOLDER = "folder"
    """Of a local tree; in S3 an empty object whose key ends in '/'."""
    LINK = "link"
    GAP = "gap"
    """A folder that could not be read whole: what is below its key is unknown."""
    END = "end"
    """A listing that ended early: what comes after its key is unknown."""


@define(frozen=True, slots=True)
class Entry:
    """One entry of a listing."""

    key: str
    size: int = 0
    modified: int = 0
    """Nanoseconds since 1970: mtime, or LastModified of an object."""
    kind: Kind = Kind.FILE
    etag: str = ""
    storage_class: str | None = None
    changed: int = 0
    """ctime in nanoseconds; 0 of objects."""
    inode: int = 0
    empty: bool = False
    """Of a folder: nothing is in it."""
    problem: str = ""
    """Why it cannot be moved or looked at; '' if it can."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the content may have changed."""
        if self.inode:
            return fingerprint_of(self.size, self.modified, self.changed, self.inode)
        return f"{self.size}:{self.etag or self.modified}"


def fingerprint_of(size: int, modified: int, changed: int, inode: int) -> str:
    """The fingerprint of a local file, see `Entry.fingerprint`. modified, changed: nanoseconds. inode: 0: unknown."""
    return f"{size}:{modified}:{changed}:{inode}" if inode else f"{size}:{modified}"


def order(key: str) -> bytes:
    """Sort key: S3 lists keys in the order of their UTF-8 bytes (S3 User Guide, "Listing object keys")."""
    return key.encode("utf-8", "surrogateescape")


def is_ascending(after: str, keys: Sequence[str]) -> bool:
    """Whether each of the keys comes behind the one before, the first behind `after`. Keys are UTF-8, as S3's are.

    Text without surrogates compares as its UTF-8 bytes do. Raises UnicodeEncodeError for a key with a lone one.
    """
    if not keys:
        return True
    "".join(keys).encode()
    return order(after) < order(keys[0]) and all(map(operator.lt, keys, islice(keys, 1, None)))


def not_local(key: str, size: int = 0) -> str:
    """Why no local file, or folder where it ends in '/', can have the name `key`; '' if one can. size: in bytes."""
    if key.startswith("/"):
        return "a key that begins with '/' is no local name"
    if key.startswith(RESERVED):
        return f"{RESERVED} is kept for partial files"
    if key.endswith("/") and size:
        return "a key that ends in '/' and has content is no local name"
    if "\0" in key:
        return "a NUL cannot be in a local name"
    for piece in key.removesuffix("/").split("/"):
        if not piece:
            return "an empty name ('//') is no local name"
        if piece in (".", ".."):
            return f"{piece!r} is no local name"
        if len(piece.encode("utf-8", "surrogateescape")) > MOST_BYTES:
            return f"a name of more than {MOST_BYTES} bytes"
    return ""


def not_a_key(key: str) -> str:
    """Why no object can have the key `key` (the whole of it, with its prefix); '' if one can."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8, and keys are"
    if length > MOST_KEY_BYTES:
        return f"its key would have {length:,} bytes, and S3 takes {MOST_KEY_BYTES:,}"
    return ""


def printable(text: str) -> str:
    """`text` with control characters, and bytes that are no UTF-8, escaped: one line on any terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    simple = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if simple is not None:
        return simple
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
