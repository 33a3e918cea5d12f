"""The plan of a patch: a changed file becomes a new object without moving what did not change.

Given: a base object, a local spool file with the ranges that were written (dirty), and a new size. The plan is
either "send it whole" (small), or the parts of one multipart upload, each of them a range that S3 copies from the
base by itself (UploadPartCopy) or a range that is uploaded from the spool; and the clean ranges of the base that have
to be in the spool first, because a part is at least 5 MiB. Everything that is neither dirty nor in the base is zeros,
a hole of the spool. Pure; nothing here reads or sends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from ..errors import UsageError
from .define import define
from .parts import DEFAULT_PART, MAX_PART, MAX_PARTS, MIN_PART, copy_part_size, smallest_part_size


class Ranges:
    """Disjoint half-open ranges of bytes, kept sorted and merged. Not safe for several threads."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        """Adds the bytes from `start` to before `end`; ranges that touch become one."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def copy(self) -> Ranges:
        return Ranges(self)

    def cut(self, size: int) -> None:
        """Forgets everything at or after byte `size`."""
        keep = bisect_left(self._starts, size)
        del self._starts[keep:], self._ends[keep:]
        if keep and self._ends[-1] > size:
            self._ends[-1] = size

    def within(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges, clipped to [start, end), in order."""
        index = bisect_right(self._ends, start)
        while index < len(self._starts) and self._starts[index] < end:
            yield max(start, self._starts[index]), min(end, self._ends[index])
            index += 1

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Gaps: stretches of [start, end) that are in no range, in order."""
        at = start
        for begin, stop in self.within(start, end):
            if at < begin:
                yield at, begin
            at = stop
        if at < end:
            yield at, end

    def covers(self, start: int, end: int) -> bool:
        if start >= end:
            return True
        index = bisect_right(self._ends, start)  # ranges that touch are one, so a single one has to have all of it
        return index < len(self._ends) and self._starts[index] <= start and end <= self._ends[index]

    @property
    def total(self) -> int:
        """Bytes in all ranges."""
        return sum(self._ends) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    def __len__(self) -> int:
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"


@define(frozen=True, slots=True)
class PatchPart:
    """A part of the new object."""

    number: int
    """1 to 10,000."""
    offset: int
    """The same in the base and in the new object: a patch moves nothing."""
    length: int
    kind: Literal["copy", "upload", "zeros"]
    """Copied from the base by S3, sent from the spool, or neither dirty nor in the base."""

    @property
    def end(self) -> int:
        return self.offset + self.length


@define(frozen=True, slots=True)
class PatchPlan:
    """How a changed object is stored."""

    size: int
    """Bytes of the new object."""
    whole: bool
    """One PutObject from the spool instead of a multipart upload; `parts` is empty then."""
    parts: tuple[PatchPart, ...]
    fills: tuple[tuple[int, int], ...]
    """Ranges [start, end) to fetch from the base into the spool before anything is sent."""


def plan_patch(
    dirty: Ranges, *, base_size: int, base_valid: int, size: int, part_size: int = DEFAULT_PART
) -> PatchPlan:
    """The cheapest way to the new object.

    dirty: ranges that are in the spool. base_size: bytes of the base object, 0 if there is none. base_valid: how much
    of its beginning still counts (less than base_size once the file was truncated). size: bytes of the new object.
    part_size: bytes that uploaded parts should have, at least 5 MiB.
    Raises `UsageError` for an object that no multipart upload can hold.
    """
    clean = min(base_valid, base_size, size)
    if size <= max(part_size, MIN_PART):
        return PatchPlan(size, True, (), tuple(dirty.gaps(0, clean)))
    # S3 API, UploadPartCopy: "You can copy a range only if the source object is greater than 5 MB."
    copyable = clean if base_size > MIN_PART else 0
    least, target, copied = MIN_PART, max(part_size, MIN_PART, smallest_part_size(size)), copy_part_size(size)
    while True:
        segments = list(_segments(dirty, copyable, size, least))
        if sum(_pieces(end - start, target if up else copied) for start, end, up in segments) <= MAX_PARTS:
            break
        if least > size and target >= MAX_PART:
            raise UsageError(f"an object of {size:,} bytes with these changes does not fit in {MAX_PARTS:,} parts")
        least, target, copied = least * 2, min(MAX_PART, target * 2), min(MAX_PART, copied * 2)
    parts = tuple(_with_zeros(_number(segments, target, copied), dirty, clean))
    fills = tuple(gap for start, end, up in segments if up for gap in dirty.gaps(start, min(end, clean)))
    return PatchPlan(size, False, parts, fills)


def _segments(dirty: Ranges, clean: int, size: int, least: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, upload?) in order: each at least 5 MiB but the last; copies at least `least` bytes but the last."""
    runs = list(_runs(dirty, clean, size))
    index = 0
    while index < len(runs):
        start, end, fresh = runs[index]
        index += 1
        if not fresh and (end - start >= least or (end == size and start == 0)):
            yield start, end, False
            continue
        end, index, taken = _extend(runs, index, start, end, size, least)
        yield start, end, True
        if taken is not None:
            yield taken, runs[index - 1][1], False


def _extend(
    runs: list[tuple[int, int, bool]], index: int, start: int, end: int, size: int, least: int
) -> tuple[int, int, int | None]:
    """Lengthens an upload that begins at `start` until it and what follows are long enough.

    Returns its end, the index of the next run, and where the rest of a clean run begins that is copied right after it.
    """
    while index < len(runs):
        run_start, run_end, fresh = runs[index]
        if fresh:
            end, index = run_end, index + 1
            continue
        missing = max(0, MIN_PART - (end - start))
        last = run_end == size
        if run_end - run_start - missing >= (1 if last else least):
            return end + missing, index + 1, run_start + missing
        end, index = run_end, index + 1
    return end, index, None


def _runs(dirty: Ranges, clean: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, fresh?) over all of the object: fresh is dirty or, past the valid base, zeros."""
    at = 0
    for start, end in dirty.within(0, clean):
        if at < start:
            yield at, start, False
        yield start, end, True
        at = end
    if at < clean:
        yield at, clean, False
    if clean < size:
        yield clean, size, True


def _pieces(length: int, target: int) -> int:
    """In how many parts `length` bytes go: none smaller than `target` (unless all is), none above 5 GiB."""
    return max(1, length // target, -(-length // MAX_PART))


def _with_zeros(parts: Iterable[PatchPart], dirty: Ranges, clean: int) -> Iterator[PatchPart]:
    for part in parts:
        empty = part.offset >= clean and next(dirty.within(part.offset, part.end), None) is None
        yield replace(part, kind="zeros") if empty else part


def _number(segments: list[tuple[int, int, bool]], target: int, copied: int) -> Iterator[PatchPart]:
    number = 0
    for start, end, up in segments:
        count = _pieces(end - start, target if up else copied)
        each, rest = divmod(end - start, count)
        at = start
        for piece in range(count):
            number += 1
            length = each + (1 if piece < rest else 0)
            yield PatchPart(number, at, length, "upload" if up else "copy")
            at += length
