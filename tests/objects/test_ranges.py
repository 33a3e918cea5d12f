"""Ranges of one version of an object: each request names it, each reply is compared with it."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.checksums import crc
from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, SourceChanged
from s3amfs.objects import ranges
from s3amfs.objects.ranges import (
    NEAR_BYTES,
    PIECE_BYTES,
    SHORT_BYTES,
    SHORT_SLOTS,
    TRIES,
    Pinned,
    coalesce,
    make_room,
    read_ranges,
    read_to_keep,
    read_whole,
    split,
)
from s3amfs.wire.curl.streams import Chunks
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import ObjectInfo
from tests.support.faults import Headers, Rule, edit_response
from tests.support.files import content
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, refusal, reply, scripted

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


# -- without a server ------------------------------------------------------------------------------------------------

INFO = ObjectInfo(10 * PIECE_BYTES, "e")


def pinned_to(*answers: Reply, info: ObjectInfo = INFO, **choices: Any) -> tuple[Pinned, list[Asked]]:
    """An object of a service that gives these answers."""
    left = list(answers)
    client, engine = scripted(lambda asked: left.pop(0))
    return Pinned(client, S3Location("box", "k", choices.pop("version_id", None)), info, **choices), engine.asked


def part_reply(first: int, body: str, etag: str = '"e"', status: int = 206, size: int = INFO.size) -> Reply:
    return reply(status, body, etag=etag, content_range=f"bytes {first}-{first + len(body) - 1}/{size}")


def taken(pinned: Pinned, offset: int, length: int) -> bytes | None:
    found = list[Chunks | None]()
    pinned.begin(offset, length, found.append)
    (chunks,) = found
    return b"".join(chunks) if chunks is not None else None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (part_reply(7, "hello"), b"hello"),
        (part_reply(7, "hell"), None),
        (part_reply(8, "hello"), None),
        (part_reply(7, "hello", etag='"f"'), None),
        (part_reply(7, "hello", status=200), None),
        (refusal(503, "SlowDown"), None),
        (refusal(412, "PreconditionFailed"), None),
    ],
    ids=["right", "short", "elsewhere", "another etag", "the whole", "throttled", "replaced"],
)
def test_a_piece_is_the_bytes_asked_for_or_nothing(answer: Reply, found: bytes | None) -> None:
    pinned, asked = pinned_to(answer, version_id="v")
    assert taken(pinned, 7, 5) == found
    (request,) = asked
    assert (request.method, request.query.get("versionId")) == ("GET", "v")
    assert (request.headers["range"], request.headers["if-match"]) == ("bytes=7-11", '"e"')


@pytest.mark.parametrize(("choices", "loop"), [({}, 0), ({"spread": True}, 3)])
def test_pieces_go_to_all_loops_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, choices: dict[str, bool], loop: int
) -> None:
    pinned, _ = pinned_to(**choices)
    loops: list[int] = []
    monkeypatch.setattr(type(pinned.client), "begin", lambda *_, loop, gate: loops.append(loop))
    pinned.begin(3 * PIECE_BYTES + 5, 10, lambda _: None)
    assert (loops, pinned.uses_tls) == ([loop], False)


def test_a_copy_is_of_this_very_content() -> None:
    pinned, _ = pinned_to()
    source = pinned.copy_source
    assert (source.bucket, source.key, source.if_match, source.customer_key) == ("box", "k", "e", None)


@pytest.mark.parametrize(
    ("answers", "same"),
    [
        ([reply(etag='"e"', content_length="1")], True),
        ([reply(etag='"f"', content_length="1")], False),
        ([refusal(404), reply()], False),
    ],
)
def test_the_check_compares_etags(answers: list[Reply], same: bool) -> None:
    pinned, _ = pinned_to(*answers)
    with (
        contextlib.nullcontext()
        if same
        else pytest.raises(SourceChanged, match="changed by somebody else while it was read")
    ):
        pinned.check("read")


def reads(monkeypatch: pytest.MonkeyPatch, *found: bytes | Exception) -> list[list[tuple[int, int]]]:
    """What each read of the network brings, from the byte asked for on; what was asked for: (offset, length)."""
    left, asked = list(found), list[list[tuple[int, int]]]()

    class Done:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def wait(self) -> None:
            if self.error is not None:
                raise self.error

    def fetch(self: Pinned, pieces: Any, *_: object) -> Done:
        asked.append([(at, len(view)) for at, view in pieces])
        now = left.pop(0)
        for at, view in pieces:
            if isinstance(now, bytes):
                view[:] = now[at : at + len(view)]
            view.release()
        return Done(now if isinstance(now, Exception) else None)

    monkeypatch.setattr(Pinned, "fetch", fetch)
    return asked


def test_a_read_that_arrives_damaged_is_tried_four_times(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ChecksumMismatch("damaged")
    asked = reads(monkeypatch, wrong, wrong, wrong, b"hello")
    assert read_whole(pinned_to()[0], 0, 5) == b"hello"
    assert asked == [[(0, 5)]] * TRIES
    asked = reads(monkeypatch, *[wrong] * TRIES, b"hello")
    with pytest.raises(ChecksumMismatch):
        read_whole(pinned_to()[0], 0, 5)
    assert len(asked) == TRIES == 4
    assert read_whole(pinned_to()[0], 5, 5) == read_whole(pinned_to()[0], 5, 4) == b""
    assert len(asked) == TRIES, "no byte needs no request"


CRC = {"crc64nvme": "AAAAAAAAAAA="}


@pytest.mark.parametrize(
    ("found", "info", "result", "times"),
    [
        ([b"aa", b"aa"], INFO, b"aa", 2),
        ([b"ab", b"aa", b"aa"], INFO, b"aa", 3),
        ([b"ab", b"aa", b"ab", b"aa", b"aa"], INFO, b"aa", 5),
        ([b"ab", b"aa", b"ab", b"aa", b"ab"], INFO, None, 5),
        ([b"ab"], ObjectInfo(2, "e", checksums=CRC, checksum_type="FULL_OBJECT"), b"ab", 1),
        ([b"aa", b"aa"], ObjectInfo(3, "e", checksums=CRC, checksum_type="FULL_OBJECT"), b"aa", 2),
        ([b"aa", b"aa"], ObjectInfo(2, "e"), b"aa", 2),
    ],
)
def test_what_will_be_stored_again_is_read_until_it_comes_twice_alike(
    monkeypatch: pytest.MonkeyPatch, found: list[bytes], info: ObjectInfo, result: bytes | None, times: int
) -> None:
    """Unless S3 has a checksum of just that: no wire without TLS detects all damage."""
    asked = reads(monkeypatch, *found)
    pinned, _ = pinned_to(info=info)
    with contextlib.nullcontext() if result is not None else pytest.raises(ChecksumMismatch, match="other bytes"):
        assert read_to_keep(pinned, 0, 2) == result
    assert len(asked) == times


def test_tls_needs_no_second_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reads(monkeypatch, b"ab")
    monkeypatch.setattr(Pinned, "uses_tls", True)
    assert read_to_keep(pinned_to()[0], 0, 2) == b"ab"
    assert len(asked) == 1


@functools.cache
def _nowhere() -> Pinned:
    return pinned_to()[0]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(-2, 60)), max_size=6))
def test_each_range_gets_its_own_bytes(drawn: list[tuple[int, int]]) -> None:
    data = content(500, 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranges, "NEAR_BYTES", 20)
        patched.setattr(ranges, "PIECE_BYTES", 33)
        asked = reads(patched, data)
        wanted = [(start, start + length) for start, length in drawn]
        assert read_ranges(_nowhere(), wanted) == [data[start : max(start, end)] for start, end in wanted]
    assert len(asked) == any(end > start for start, end in wanted)
    assert all(length <= 33 for pieces in asked for _, length in pieces)


def test_a_gap_as_large_as_a_request_costs_is_read_over() -> None:
    assert coalesce([(0, 10), (10 + NEAR_BYTES, 20 + NEAR_BYTES)]) == [(0, 20 + NEAR_BYTES)]
    assert coalesce([(0, 10), (11 + NEAR_BYTES, 20 + NEAR_BYTES)]) == [(0, 10), (11 + NEAR_BYTES, 20 + NEAR_BYTES)]
    assert coalesce([(0, 100), (10, 20), (5, 5), (7, 6)]) == [(0, 100)]


@pytest.mark.parametrize(
    ("lengths", "chosen", "slots"),
    [([100] * 40, None, SHORT_SLOTS), ([SHORT_BYTES], None, None), ([SHORT_BYTES - 1], None, SHORT_SLOTS), ([5], 3, 3)],
)
def test_short_ranges_are_many_at_a_time(
    monkeypatch: pytest.MonkeyPatch, lengths: list[int], chosen: int | None, slots: int | None
) -> None:
    seen: list[tuple[Any, Any]] = []

    class Transfer:
        def on_over(self, release: Any) -> None:
            self.release = release

        def add(self, parts: list[Part], *, last: bool) -> None:
            seen.append((parts, last))
            self.release()

    def make(client: Any, move: Any, url: str, speed: Any, report: Any, **words: Any) -> Transfer:
        seen.append((speed, words))
        return Transfer()

    monkeypatch.setattr(ranges, "make_transfer", make)
    views, at = [], 0
    for length in lengths:
        views.append((at, memoryview(bytearray(length))))
        at += 10 * length
    pinned_to(slots=chosen)[0].fetch(views)
    (speed, words), (parts, last) = seen
    assert (speed.slots, speed.direction, speed.bucket) == (slots, "down", "box")
    assert (words["total"], words["receives"], last) == (sum(lengths), len(lengths) > 1, True)
    assert [(part.offset, part.length) for part in parts] == [(10 * sum(lengths[:n]), x) for n, x in enumerate(lengths)]
    assert [part.number for part in parts] == list(range(1, len(lengths) + 1))
    with pytest.raises(ValueError, match="released"):
        len(views[0][1])


class Crcs:
    """Of the ranges that arrived, as a ReadProof takes them."""

    crc_name = "crc32c"

    def __init__(self) -> None:
        self.found: list[tuple[int, int, int]] = []

    def add(self, start: int, length: int, crc: int) -> None:
        self.found.append((start, length, crc))


@pytest.mark.parametrize("proves", [True, False])
def test_each_range_lands_in_its_buffer_and_its_crc_in_the_proof(monkeypatch: pytest.MonkeyPatch, proves: bool) -> None:
    made: list[tuple[Any, Any]] = []

    def make(client: Any, move: Any, *_: Any, on_part: Any, **__: Any) -> Any:
        made.append((move, on_part))
        return SimpleNamespace(on_over=lambda _: None, add=lambda *_, **__: None)

    monkeypatch.setattr(ranges, "make_transfer", make)
    crcs, buffers = Crcs(), [bytearray(3), bytearray(2)]
    pinned, _ = pinned_to(customer_key=CustomerKey(bytes(32)))
    views = [(10, memoryview(buffers[0])), (50, memoryview(buffers[1]))]
    pinned.fetch(views, proof=crcs if proves else None)
    ((move, on_part),) = made
    work = move(Part(2, 50, 2), 1)
    asked = {name.lower(): value for name, value in work.request.headers}
    assert (asked["range"], asked["if-match"]) == ("bytes=50-51", '"e"')
    assert any(name.endswith("customer-key") for name in asked)
    work.sink.write(b"hi")
    result = work.sink.finish()
    assert (buffers, result.crc) == ([bytearray(3), bytearray(b"hi")], crc("crc32c", b"hi") if proves else None)
    on_part(result)
    on_part(PartResult(1, 3))
    assert crcs.found == ([(50, 2, crc("crc32c", b"hi"))] if proves else [])
