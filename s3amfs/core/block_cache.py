"""Layout of the read cache on disk: which blocks of an object lie where, in files that prove themselves. Pure.

An object is cut into blocks of `BLOCK` bytes; `SEGMENT` bytes of it share a file. A file begins with its identity and a
table of slots, one for each block: length and CRC-64/NVME of what lies at the block's place. A block counts only if it
has that CRC, so no order of writes, no kill and no second writer can make a wrong block right: at worst it is missing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator

from .define import define
from .sizes import KIB

BLOCK = 128 * KIB
"""Bytes of a block: that much more is read costs less than another request."""
BLOCKS = 64
"""Blocks in one file."""
SEGMENT = BLOCK * BLOCKS
TABLE_BYTES = 4096
"""Where the blocks begin in a file."""
IDENTITY_BYTES = 40
_MAGIC = b"s3amblk1"
_SLOT = struct.Struct("<IIQ")
"""Mark, length, CRC."""
_MARK = 0x6B6C6273
HEAD_BYTES = IDENTITY_BYTES + _SLOT.size * BLOCKS
"""Bytes of the identity and the slots."""
SCAN_SHARE = 16
"""A process looks again after it has written this share of the limit: others write, too."""


@define(frozen=True, slots=True)
class Slot:
    """A block in the file of the cache."""

    length: int
    crc: int
    """CRC-64/NVME of the block."""


@define(frozen=True, slots=True)
class Place:
    """A block of an object."""

    segment: int
    index: int
    """In its segment."""
    start: int
    """Offset in the object."""
    end: int

    @property
    def file_offset(self) -> int:
        return TABLE_BYTES + self.index * BLOCK

    @property
    def slot_offset(self) -> int:
        return IDENTITY_BYTES + self.index * _SLOT.size


@define(frozen=True, slots=True)
class Held:
    """A file of the cache."""

    path: str
    size: int
    """Bytes on disk."""
    used: float
    """When it was last used, in seconds since 1970."""


def version_name(endpoint: str, bucket: str, key: str, etag: str, version_id: str | None, size: int) -> str:
    """Returns the name under which blocks of this version of an object are kept: nobody learns the key from it."""
    identity = json.dumps([endpoint, bucket, key, etag, version_id, size], separators=(",", ":"))
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()


def aligned(start: int, end: int, size: int) -> tuple[int, int]:
    """Returns [start, end) of an object of `size` bytes, widened to whole blocks."""
    return start // BLOCK * BLOCK, min(size, -(-end // BLOCK) * BLOCK)


def places(start: int, end: int, size: int) -> Iterator[Place]:
    """Yields the whole blocks in [start, end) of an object of `size` bytes, in order."""
    number = -(-start // BLOCK)
    while (first := number * BLOCK) < end:
        last = min(size, first + BLOCK)
        if last > end:
            return
        yield Place(number // BLOCKS, number % BLOCKS, first, last)
        number += 1


def encode_identity(name: str, segment: int) -> bytes:
    """Returns the beginning of the file that holds a segment of the version `name`."""
    return _MAGIC + hashlib.sha256(f"{name}.{segment}".encode()).digest()


def encode_slot(slot: Slot) -> bytes:
    return _SLOT.pack(_MARK, slot.length, slot.crc)


def decode_slots(head: bytes, name: str, segment: int, wanted: Iterable[int] = range(BLOCKS)) -> dict[int, Slot]:
    """Returns the `wanted` slots in the first `HEAD_BYTES` of a file by index; none of another version or damaged."""
    if not head.startswith(encode_identity(name, segment)):
        return {}
    found: dict[int, Slot] = {}
    for index in wanted:
        at = IDENTITY_BYTES + index * _SLOT.size
        if at + _SLOT.size > len(head):
            continue
        mark, length, crc = _SLOT.unpack_from(head, at)
        if mark == _MARK and 0 < length <= BLOCK:
            found[index] = Slot(length, crc)
    return found


def to_evict(files: Iterable[Held], limit: int) -> list[Held]:
    """Returns the files to remove, least recently used first, so that the cache stays below `limit` bytes.

    None as long as there is room for what two processes write until they look again; else down to a little less, so
    that not every look evicts.
    """
    known = sorted(files, key=lambda file: (file.used, file.path))
    share = limit // SCAN_SHARE
    total = sum(file.size for file in known)
    if total <= limit - 2 * share:
        return []
    gone: list[Held] = []
    for file in known:
        if total <= limit - 3 * share:
            break
        total -= file.size
        gone.append(file)
    return gone
