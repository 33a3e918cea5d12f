"""Ranges of one version of an object: each request names it, each reply is compared with it."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import SourceChanged
from s3amfs.objects.ranges import NEAR_BYTES, PIECE_BYTES, Pinned, coalesce, make_room, read_ranges, read_whole, split
from s3amfs.wire.curl.streams import Chunks
from tests.support.faults import Headers, Rule, edit_response
from tests.support.files import content
from tests.support.proxy import FaultProxy

SIZE = 9 * 1024 * 1024
DATA = content(SIZE, 4)


@pytest.fixture
def pinned(through: S3Client, boto: Any, bucket: str) -> Pinned:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    location = S3Location(bucket, "k")
    return Pinned(through, location, through.head(bucket, "k"))


def begun(pinned: Pinned, offset: int, length: int) -> bytes | None:
    """The bytes of `Pinned.begin`; None after any trouble."""
    arrived, found = threading.Event(), list[Chunks | None]()

    def on_bytes(chunks: Chunks | None) -> None:
        found.append(chunks)
        arrived.set()

    pinned.begin(offset, length, on_bytes)
    assert arrived.wait(30)
    return b"".join(found[0]) if found[0] is not None else None


def another_etag(status: str, headers: Headers) -> tuple[str, Headers]:
    return status, [(name, '"another"' if name.lower() == "etag" else value) for name, value in headers]


def test_every_range_is_asked_for_of_this_version_only(pinned: Pinned, proxy: FaultProxy) -> None:
    assert read_whole(pinned, 0, SIZE) == DATA
    assert read_ranges(pinned, [(5, 10), (SIZE - 3, SIZE)]) == [DATA[5:10], DATA[-3:]]
    assert begun(pinned, 100, 50) == DATA[100:150]
    asked = proxy.of("GetRange")
    assert len(asked) == 3 + 2 + 1
    assert {request.headers.get("if-match", "").strip('"') for request in asked} == {pinned.info.etag.strip('"')}


def test_a_reply_with_another_etag_is_not_used(pinned: Pinned, proxy: FaultProxy) -> None:
    """Of a server, or a cache before it, that ignores If-Match."""
    proxy.rules.append(Rule("GetRange", edit_response(another_etag)))
    with pytest.raises(SourceChanged):
        read_whole(pinned, 0, SIZE)
    with pytest.raises(SourceChanged):
        read_ranges(pinned, [(0, 10)])
    assert begun(pinned, 0, 10) is None


def test_an_object_that_was_overwritten_is_not_read(pinned: Pinned, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"x" * SIZE)
    with pytest.raises(SourceChanged):
        read_whole(pinned, 0, SIZE)
    assert begun(pinned, 0, 10) is None
    with pytest.raises(SourceChanged):
        pinned.check("read")


def test_the_check_passes_for_the_same_version_and_fails_for_none(pinned: Pinned, boto: Any, bucket: str) -> None:
    pinned.check("read")
    boto.delete_object(Bucket=bucket, Key="k")
    with pytest.raises(SourceChanged, match="while it was appended to"):
        pinned.check("appended to")


RANGES = st.lists(st.tuples(st.integers(0, 3 * NEAR_BYTES), st.integers(1, NEAR_BYTES)), min_size=1, max_size=8)


@given(RANGES)
def test_near_ranges_share_a_request_and_none_is_lost(drawn: list[tuple[int, int]]) -> None:
    wanted = [(start, start + length) for start, length in drawn]
    merged = coalesce(wanted)
    for start, end in wanted:
        assert any(first <= start and end <= last for first, last in merged)
    for (_, end), (start, _) in itertools.pairwise(merged):
        assert start - end > NEAR_BYTES
    assert merged[0][0] == min(start for start, _ in wanted)
    assert merged[-1][1] == max(end for _, end in wanted)


@given(st.integers(0, 100), st.integers(0, 3 * PIECE_BYTES + 1))
def test_pieces_cover_a_range_in_order(offset: int, size: int) -> None:
    pieces = split(offset, memoryview(bytearray(size)))
    assert [at for at, _ in pieces] == [offset + number * PIECE_BYTES for number in range(len(pieces))]
    assert sum(len(view) for _, view in pieces) == size
    assert all(0 < len(view) <= PIECE_BYTES for _, view in pieces)


def test_room_that_is_collected_together_with_views_of_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the frames of an exception hold them. Python 3.13 closes the room first, which BytesIO refuses."""
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    cycle: list[object] = [make_room(10)]
    cycle += [cycle[0].getbuffer(), cycle]  # type: ignore[attr-defined]
    del cycle
    gc.collect()
    assert seen == []


def test_room_holds_what_its_views_were_given() -> None:
    room = make_room(5)
    with room.getbuffer() as view:
        view[:] = b"hello"
    assert room.getvalue() == b"hello"


def test_empty_ranges_ask_for_nothing() -> None:
    nobody: Any = None
    assert read_ranges(nobody, []) == []
    assert read_ranges(nobody, [(3, 3), (5, 4)]) == [b"", b""]
