"""Which blocks make which parts: S3 takes parts of 5 MiB to 5 GiB, only the last may be smaller. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from .define import define
from .parts import MAX_PART, MIN_PART

MAX_BLOCK = MAX_PART - MIN_PART
"""Bytes; a smaller block before it fits into the same part."""


@define(frozen=True, slots=True)
class Joined:
    """Neighbouring blocks that make one part."""

    first: int
    """Index of the first block."""
    end: int
    """Index after the last one."""
    size: int
    """Bytes."""


def join_blocks(sizes: Sequence[int], *, last: bool) -> tuple[list[Joined], int]:
    """Parts made of blocks of `sizes` bytes in order, and the index of the first block that waits for more.

    last: no block follows, so that what is left becomes a part whatever its size. Raises UsageError for a block that
    no part can hold (S3 user guide, "Amazon S3 multipart upload limits").
    """
    parts: list[Joined] = []
    first = size = 0
    for index, length in enumerate(sizes):
        if length > MAX_BLOCK:
            raise UsageError(f"a block of {length} bytes is more than a part may hold ({MAX_BLOCK}): give smaller ones")
        size += length
        if size >= MIN_PART:
            parts.append(Joined(first, index + 1, size))
            first, size = index + 1, 0
    if last and size:
        parts.append(Joined(first, len(sizes), size))
        first = len(sizes)
    return parts, first
