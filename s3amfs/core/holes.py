"""Parts that are zeros and nothing else: their checksums, and whether it pays to have S3 copy them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from .checksums import combine, crc
from .define import define
from .parts import Part

LEAST_PARTS = 4
"""A temporary object costs two requests more: fewer parts are sent."""
LEAST_SAVED = 32 * 1024 * 1024
BLOCK = bytes(1024 * 1024)


@define(frozen=True, slots=True)
class Digests:
    """Checksums of a part that are known before S3 answers."""

    crc64nvme: int
    md5: str
    """In hex."""


def digests_of_zeros(length: int) -> Digests:
    """Those of `length` bytes of zeros."""
    blocks, rest = divmod(length, len(BLOCK))
    md5 = hashlib.md5(usedforsecurity=False)
    for _ in range(blocks):
        md5.update(BLOCK)
    md5.update(BLOCK[:rest])
    block, tail = crc("crc64nvme", BLOCK), crc("crc64nvme", BLOCK[:rest])
    whole = combine("crc64nvme", [*([(block, len(BLOCK))] * blocks), (tail, rest)])
    return Digests(whole, md5.hexdigest())


def in_holes(parts: Iterable[Part], data_after: Callable[[int], tuple[int, int]]) -> list[Part]:
    """Parts that no data is in. data_after: [start, end) of the next data at or after an offset."""
    data, found = (0, 0), []
    for part in parts:
        if data[1] <= part.offset:
            data = data_after(part.offset)
        if data[0] >= part.end:
            found.append(part)
    return found


def worth_copying(lengths: Sequence[int]) -> bool:
    """Whether it pays to send one of the parts of zeros with these lengths, and have S3 copy all of them from it."""
    return len(lengths) >= LEAST_PARTS and sum(lengths) - max(lengths) >= LEAST_SAVED
