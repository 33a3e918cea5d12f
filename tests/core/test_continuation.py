"""The rest of a cut answer: which bytes are requested, and after which failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.continuation import (
    PROGRESS_BYTES,
    SEAM_BYTES,
    goes_on_at_once,
    is_progress,
    keeps_received,
    of_continuation,
    rest_of,
    seam_bytes,
    tail,
)
from s3amfs.core.failures import RETRYABLE, Failure, Kind
from s3amfs.core.parts import Part


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 30), st.data())
def test_the_rest_ends_where_the_part_does_and_begins_with_what_is_there(
    offset: int, length: int, data: st.DataObject
) -> None:
    moved = data.draw(st.integers(0, length - 1))
    seam = seam_bytes(data.draw(st.integers(0, moved)), length - moved)
    rest = rest_of(Part(7, offset, length), moved, seam)
    assert (rest.number, rest.end, rest.offset + seam) == (7, offset + length, offset + moved)
    assert 0 <= seam <= min(SEAM_BYTES, moved, (length - moved) // 8)


@given(st.integers(1 << 20, 1 << 30), st.floats(0.3, 0.99), st.integers(1, 16384))
def test_a_server_that_cuts_each_answer_costs_little(length: int, share: float, chunk: int) -> None:
    """share: of each answer, which comes. chunk: bytes that came last, of each."""
    moved = received = requests = 0
    while moved < length:
        seam = seam_bytes(min(chunk, moved), length - moved)
        asked = length - moved + seam
        came = min(asked, max(1, int(asked * share)))
        received, moved, requests = received + came, moved + came - seam, requests + 1
        assert came > seam, "each answer brings more than is known"
    assert moved == length
    assert received <= 1.05 * length
    assert requests <= 70


@given(st.lists(st.binary(max_size=3000), max_size=9))
def test_the_tail_is_the_end_of_all_that_came(chunks: list[bytes]) -> None:
    known = b""
    for chunk in chunks:
        known = tail(known, chunk)
    whole = b"".join(chunks)
    assert whole.endswith(known)
    assert min(len(whole), SEAM_BYTES) <= len(known) <= max(3000, 2 * SEAM_BYTES)


def test_what_is_kept() -> None:
    kept = {kind for kind in Kind if keeps_received(Failure(kind, "no"))}
    assert kept == RETRYABLE - {Kind.CORRUPT}
    assert not keeps_received(Failure(Kind.UNSUPPORTED, "no trailers", other_form=True))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_relay_goes_on_at_once_only_after_progress(kind: Kind) -> None:
    cut = kind in (Kind.NETWORK, Kind.TIMEOUT, Kind.SERVER)
    assert goes_on_at_once(Failure(kind, "cut"), PROGRESS_BYTES, 1 << 20) is cut
    assert not goes_on_at_once(Failure(kind, "cut"), PROGRESS_BYTES - 1, 1 << 20)


@pytest.mark.parametrize(
    ("moved", "missing", "progress"), [(0, 1, False), (1, 1, True), (499, 1000, False), (500, 1000, True)]
)
def test_of_a_short_rest_half_is_progress(moved: int, missing: int, progress: bool) -> None:
    assert is_progress(moved, missing) is progress


@pytest.mark.parametrize("kind", list(Kind))
def test_a_refused_rest_has_the_whole_requested(kind: Kind) -> None:
    failure = Failure(kind, "it ignores ranges", status=200)
    after = of_continuation(failure)
    if kind in (Kind.UNSUPPORTED, Kind.FATAL):
        assert (after.kind, after.status) == (Kind.CORRUPT, 200)
        assert "it ignores ranges" in after.message
    else:
        assert after == failure


def test_seams_and_tails_at_their_edges() -> None:
    assert (PROGRESS_BYTES, SEAM_BYTES) == (16384, 1024)
    assert [seam_bytes(known, rest) for known, rest in ((9999, 8192), (9999, 8191), (3, 8192))] == [1024, 1023, 3]
    assert tail(b"a" * 10, b"b" * 1024) == b"b" * 1024
    assert tail(b"a" * 2000, b"b" * 1023) == b"a" * 1024 + b"b" * 1023
