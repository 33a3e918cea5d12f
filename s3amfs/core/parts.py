"""Sizes into parts: S3's limits, the plan of a transfer, and what an interrupted one has left.

A `Plan` is two numbers; parts are computed when asked for, so 10,000 of them cost nothing. Part numbers begin at 1.
Not here: which part goes next (`machine.py`), how fast (`pacing.py`). Pure; everything but `Recovered` is immutable,
and `Recovered` is read-only once made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..errors import IncompatiblePartSize, UsageError
from .define import define
from .lines import LineState
from .sizes import GIB, KIB, MIB, exact_size, format_size

# S3 User Guide, "Amazon S3 multipart upload limits": parts of 5 MiB to 5 GiB (no minimum for the last), numbered
# 1 to 10,000; 48.8 TiB is the product of the two, and S3's largest object.
MIN_PART = 5 * MIB
MAX_PART = 5 * GIB
MAX_PARTS = 10_000
MAX_OBJECT = MAX_PARTS * MAX_PART
# S3 API, PutObject and CopyObject: one request stores at most 5 GiB.
MAX_SINGLE = 5 * GIB

DEFAULT_PART = 8 * MIB
"""Small: an interrupted transfer of 160 MiB has something to resume from, and a wrong part costs little."""
_AUTO_PARTS = 1000
_AUTO_CEILING = 128 * MIB
# A part that S3 copies passes through no client: no memory, and each request waits ~0.1 s for nothing but its
# answer; so fewer and larger ones, but still enough of them to run in parallel.
_COPY_DEFAULT = 64 * MIB
_COPY_PARTS = 200
_COPY_CEILING = 512 * MIB


# Beyond so many slots the line is a long one.
_FEW_SLOTS = 16
_ROUNDS = 3
"""Parts for each slot, if they can be that small; at the end of a transfer all that are left begin together."""
_MOST_PARTS = 700
"""Of an object for which a line has few slots, for the same reason: 50 requests per second are then no limit of 10 Gb/s
for 16 GiB."""
_PART_SECONDS = 8.0
"""A part that fails costs no more than that."""
_WORTH_A_REQUEST = 10
"""Times the latency that a part should take at least, so that waiting for a request is a tenth of it."""
_LEAST_RANGE = MIB
_STEP = 64 * KIB
"""Parts for many slots are multiples of it: whole MiB would be too few parts for all of them."""
_AT_LEAST_BY_REQUESTS, _BY_REQUESTS = 1.5, 3
"""Times the bytes that moved for each request where the server limits requests: so that they are no limit any more. The
larger one is the most; parts below the usual size are for lines where the smaller one is less than such a part."""


@define(frozen=True, slots=True)
class Part:
    """A stretch of an object that moves by itself."""

    number: int
    """1 to 10,000."""
    offset: int
    """Bytes before this part."""
    length: int
    """Bytes; 0 only for the one part of an empty object."""

    @property
    def end(self) -> int:
        """Offset of the byte after this part."""
        return self.offset + self.length


@define(frozen=True, slots=True)
class Plan:
    """`size` bytes in parts of `part_size` bytes, the last one smaller. An empty object is one part of length 0."""

    size: int
    part_size: int

    def __post_init__(self) -> None:
        if self.size < 0 or self.part_size < 1:
            raise ValueError(f"no plan for {self.size} bytes in parts of {self.part_size}")

    def __len__(self) -> int:
        return max(1, -(-self.size // self.part_size))

    def part(self, number: int) -> Part:
        """Part `number`, from 1 to len(self). Raises `IndexError`."""
        if not 1 <= number <= len(self):
            raise IndexError(f"part {number} of {len(self)}")
        offset = (number - 1) * self.part_size
        return Part(number, offset, min(self.part_size, self.size - offset))

    def __iter__(self) -> Iterator[Part]:
        return (self.part(number) for number in range(1, len(self) + 1))


def smallest_part_size(size: int) -> int:
    """Smallest part size in bytes, rounded up to a MiB, with which `size` bytes fit in 10,000 parts."""
    return max(MIN_PART, _round_up(-(-size // MAX_PARTS)))


def choose_part_size(
    size: int, explicit: int | None = None, *, taken_up: int | None = None, line: LineState | None = None
) -> int:
    """Part size in bytes for uploading `size` bytes.

    `explicit` is what the user asked for, `taken_up` the size of the parts of the unfinished upload that is continued
    (contract: the old size is taken up; another explicit one is refused), `line` what they move over.
    Raises `UsageError` for an explicit size that S3 never takes or an object larger than S3's largest,
    `IncompatiblePartSize` for one that does not suit this object or the parts already there.
    """
    chosen = _choose(size, explicit, taken_up, DEFAULT_PART, _AUTO_PARTS, _AUTO_CEILING)
    if explicit is not None or taken_up is not None or line is None or size <= DEFAULT_PART:
        return chosen
    return max(smallest_part_size(size), _suited(size, chosen, line, MIN_PART))


def copy_part_size(size: int, explicit: int | None = None, *, taken_up: int | None = None) -> int:
    """Like `choose_part_size`, for parts that S3 copies itself (UploadPartCopy)."""
    return _choose(size, explicit, taken_up, _COPY_DEFAULT, _COPY_PARTS, _COPY_CEILING)


def download_part_size(size: int, explicit: int | None = None, *, line: LineState | None = None) -> int:
    """Part size in bytes for a download over `line`: an `explicit` one is moved to the nearest within S3's limits.

    A range is no part of S3. Scripts of S3AM 2 give any size from 1 byte, and more than 10,000 ranges of large objects.
    """
    if explicit is not None:
        explicit = min(MAX_PART, max(MIN_PART, explicit, smallest_part_size(size)))
    chosen = choose_part_size(size, explicit)
    return chosen if explicit is not None or line is None else _suited(size, chosen, line, _LEAST_RANGE)


def _suited(size: int, usual: int, line: LineState, least: int) -> int:
    """Part size for `line`: enough parts for all its slots, a few seconds each, and larger than a request costs.

    usual: bytes, for a line that is as good as none.
    """
    floor = least
    if line.requests > 0:
        just = line.rate / line.requests
        each = size / line.slots
        part = min(_BY_REQUESTS * just, max(each, math.sqrt(each * just)))
        if part > usual:
            return max(least, _round_up(int(min(part, size // (4 * _FEW_SLOTS), _AUTO_CEILING))))
        floor = max(least, int(part), usual if _AT_LEAST_BY_REQUESTS * just > least else 0)
    one = line.rate / line.slots
    usual = max(usual, min(_AUTO_CEILING, _round_up(size // _MOST_PARTS)))
    if line.slots <= _FEW_SLOTS:
        return usual
    rounds = max(1, min(_ROUNDS, size // (line.slots * least)))  # whole ones, where the smallest parts make few
    largest = size // (line.slots * rounds)
    part = min(usual, largest)
    if one > 0:
        part = max(part, min(int(one * line.latency * _WORTH_A_REQUEST), largest, _AUTO_CEILING))
        part = min(part, int(one * _PART_SECONDS))
        return -(-max(floor, part) // _STEP) * _STEP
    return _round_up(max(floor, part))


def check_part_size(explicit: int) -> int:
    """Returns `explicit` (bytes). Raises UsageError if S3 takes no parts of that size."""
    if not MIN_PART <= explicit <= MAX_PART:
        raise UsageError(f"a part size of {_both(explicit)} is not possible: S3 takes parts of 5MiB to 5GiB")
    return explicit


def _choose(size: int, explicit: int | None, taken_up: int | None, least: int, parts: int, ceiling: int) -> int:
    if size > MAX_OBJECT:
        raise UsageError(f"{_both(size)} is more than S3's largest object of {format_size(MAX_OBJECT)}: split it")
    if explicit is not None:
        check_part_size(explicit)
    if taken_up is not None:
        return _continue_with(size, explicit, taken_up)
    needed = smallest_part_size(size)
    if explicit is None:
        return min(MAX_PART, max(least, min(ceiling, _round_up(size // parts)), needed))
    if -(-size // explicit) > MAX_PARTS:
        raise IncompatiblePartSize(
            f"parts of {exact_size(explicit)} are too small: {format_size(size)} would need more than {MAX_PARTS:,} "
            f"of them; use --part-size {exact_size(needed)} or more, or leave it out"
        )
    return explicit


def _continue_with(size: int, explicit: int | None, taken_up: int) -> int:
    if explicit is not None and explicit != taken_up:
        raise IncompatiblePartSize(
            f"the unfinished upload has parts of {exact_size(taken_up)}, not {exact_size(explicit)}: "
            f"leave --part-size out to continue it, or start from scratch with --force"
        )
    count = -(-size // taken_up) if taken_up > 0 else MAX_PARTS + 1
    if count > MAX_PARTS or taken_up > MAX_PART or (count > 1 and taken_up < MIN_PART):
        raise IncompatiblePartSize(
            f"the unfinished upload has parts of {exact_size(taken_up)}, which do not suit an object of "
            f"{format_size(size)}: start from scratch with --force"
        )
    return taken_up


def infer_part_size(size: int, parts: Iterable[tuple[int, int]]) -> int | None:
    """Part size in bytes of an upload of `size` bytes of which (number, size) `parts` are there; None if unknown.

    For resuming from ListParts alone. The last part alone shows it too: the parts before it share the rest evenly.
    Where two sizes explain what is there, either continues it without loss.
    """
    there = dict(parts)
    if not there or size <= 0:
        return None
    highest = max(there)
    candidates = [max(there.values())]
    if len(there) == 1 and highest > 1 and (size - there[highest]) % (highest - 1) == 0:
        candidates.append((size - there[highest]) // (highest - 1))
    return next((part_size for part_size in candidates if _suits(size, part_size, there)), None)


def _suits(size: int, part_size: int, there: dict[int, int]) -> bool:
    if part_size < (MIN_PART if part_size < size else 1) or -(-size // part_size) > MAX_PARTS:
        return False
    return not Recovered(Plan(size, part_size), there.items()).incompatible


# Sources of unknown length: parts stay at `base` for the first 500 (4 GiB at 8 MiB), then grow by 1/500 a part, so a
# part is never more than about 1/500 of what has gone before: a stream of 100 GiB is at parts of 0.2 GiB. With the
# automatic base that reaches 33 TiB before part 10,000; only parts of 5 GiB from the very first would reach 48.8 TiB.
_STEADY = 500
_OCTAVE = 347  # 500 * ln 2: parts in which the length doubles


def growing_length(number: int, base: int = DEFAULT_PART) -> int:
    """Returns the length in bytes of part `number` (1 to 10,000) of a source of unknown length; `base` bytes at first.

    Never shrinks, never above 5 GiB; whole multiples of 4 KiB where `base` is one. Integers only: the same on
    every machine, so a resumed stream falls into the same parts. Raises IndexError for another number, ValueError for a
    `base` that S3 does not take.
    """
    if not 1 <= number <= MAX_PARTS:
        raise IndexError(f"part {number} of {MAX_PARTS}")
    if not MIN_PART <= base <= MAX_PART:
        raise ValueError(f"parts of {base} bytes")
    octaves, rest = divmod(max(0, number - _STEADY), _OCTAVE)
    length = (base << octaves) + (base << octaves) * rest // _OCTAVE
    return min(MAX_PART, length // (4 * KIB) * (4 * KIB) if length > base else base)


class Recovered:
    """Parts that an unfinished upload already holds, measured against the plan that continues it.

    `parts` are (number, size in bytes) as ListParts or a manifest has them; of a number named twice the last counts,
    as in S3. Nothing here proves content: that is up to ETags, checksums and the manifest.
    """

    __slots__ = ("bytes", "complete", "incompatible", "plan")

    plan: Plan
    complete: frozenset[int]
    """Numbers of the parts that are there with the length the plan gives them."""
    incompatible: tuple[tuple[int, int], ...]
    """(number, size) of parts that the plan does not have, or has with another length; in order."""
    bytes: int
    """Bytes in the complete parts."""

    def __init__(self, plan: Plan, parts: Iterable[tuple[int, int]]) -> None:
        count = len(plan)
        complete: list[int] = []
        incompatible: list[tuple[int, int]] = []
        total = 0
        for number, length in dict(parts).items():
            if 1 <= number <= count and plan.part(number).length == length:
                complete.append(number)
                total += length
            else:
                incompatible.append((number, length))
        self.plan = plan
        self.complete = frozenset(complete)
        self.incompatible = tuple(sorted(incompatible))
        self.bytes = total

    @property
    def done(self) -> bool:
        return len(self.complete) == len(self.plan)

    def __repr__(self) -> str:
        return f"Recovered({len(self.complete)} of {len(self.plan)} parts, {len(self.incompatible)} incompatible)"


def _round_up(size: int) -> int:
    return -(-size // MIB) * MIB


def _both(size: int) -> str:
    return f"{size:,} bytes" if size < KIB or size % KIB else exact_size(size)
