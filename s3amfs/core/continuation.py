"""Whether and how the answer to a range that was cut is continued where it stopped. Pure.

The rest is requested with the same condition as the whole, a few bytes earlier: these have to be the same again. So an
error text that a gateway has put behind the bytes of a cut answer is never taken for content. Whatever is odd has the
whole part requested again, without further joins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .failures import Failure, Kind
from .parts import Part

PROGRESS_BYTES: Final = 16 * 1024
"""Or half of what was missing. An attempt that brings less is no progress: a server that sends a few bytes at a time is
given up."""
SEAM_BYTES: Final = 1024
_CUTS: Final = frozenset({Kind.NETWORK, Kind.TIMEOUT, Kind.SERVER})
_REFUSALS: Final = frozenset({Kind.UNSUPPORTED, Kind.FATAL})


def tail(before: bytes, data: bytes) -> bytes:
    """Returns the bytes that came last, `SEAM_BYTES` or more where there were as many: `data`, which follows `before`.

    One byte that came alone would prove nothing.
    """
    return data if len(data) >= SEAM_BYTES else before[-SEAM_BYTES:] + data


def seam_bytes(known: int, rest: int) -> int:
    """How many bytes are requested twice.

    known: of those received last, how many are kept. rest: bytes that are missing; an eighth of them at most, so that
    short ends get shorter with each attempt, too.
    """
    return min(known, SEAM_BYTES, rest // 8)


def rest_of(part: Part, moved: int, seam: int) -> Part:
    """The range to request after `moved` bytes, the last `seam` of them once more."""
    return Part(part.number, part.offset + moved - seam, part.length - moved + seam)


def keeps_received(failure: Failure) -> bool:
    """Whether the bytes that came before `failure` are of use: neither damage, nor a change of the source."""
    return failure.retryable and not failure.other_form and failure.kind is not Kind.CORRUPT


def is_progress(moved: int, missing: int) -> bool:
    """Whether an attempt was worth it. moved: bytes that it brought, of the `missing` ones."""
    return moved >= min(PROGRESS_BYTES, max(1, missing // 2))


def goes_on_at_once(failure: Failure, moved: int, missing: int) -> bool:
    """Whether a relay, whose target waits, requests the rest without a pause. moved, missing: as of `is_progress`."""
    return failure.kind in _CUTS and is_progress(moved, missing)


def of_continuation(failure: Failure) -> Failure:
    """Returns the meaning of the failure of a request for a rest: where the whole may be had, it is tried."""
    if failure.kind not in _REFUSALS:
        return failure
    said = f"the source does not continue a part where it stopped: {failure.message}"
    return replace(failure, kind=Kind.CORRUPT, message=said)
