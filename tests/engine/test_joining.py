"""The rest of a cut answer joins what came before, or nothing is joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.checksums import crc
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.joining import Continuation, can_be_joined, continued, mark_of
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.sinks import MemorySink
from s3amfs.engine.sources import range_judge
from s3amfs.wire.curl.streams import PAUSE
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.files import content

PART = Part(2, 1000, 60_000)
DATA = content(PART.length, 1)
ETAG = '"one"'


class Source:
    """An object of 100,000 bytes."""

    identity = SourceIdentity("http://s3.test/k", size=100_000, etag=ETAG)

    def request(self, part: Part) -> HttpRequest:
        return HttpRequest("GET", self.identity.url, (("Range", f"bytes={part.offset}-{part.end - 1}"),))

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self.identity)


def answer(part: Part, etag: str | None = ETAG) -> Reply:
    headers = {"content-range": f"bytes {part.offset}-{part.end - 1}/100000"}
    return Reply(206, {**headers, "etag": etag} if etag is not None else headers)


def begun(moved: int, chunk: int = 16_384, **reply: Any) -> tuple[MemorySink, bytearray]:
    """A sink whose answer was cut after `moved` bytes."""
    room = bytearray(PART.length)
    sink = MemorySink(memoryview(room), PART, Source().accept(PART), "crc64nvme")
    sink.begin(answer(PART, **reply))
    for at in range(0, moved, chunk):
        sink.write(DATA[at : min(at + chunk, moved)])
    return sink, room


def rest(moved: int, seam: int) -> Part:
    return Part(2, PART.offset + moved - seam, PART.length - moved + seam)


@given(st.integers(1, PART.length - 1), st.integers(1, 16_384), st.integers(1, 16_384), st.booleans())
def test_what_is_joined_is_the_part(moved: int, chunk: int, piece: int, pauses: bool) -> None:
    """piece: bytes at a time of the second answer. pauses: the sink takes every piece only the second time."""
    sink, room = begun(moved, chunk)
    end = PausingSink(sink) if pauses else sink
    request, join = continued(end, PART, Source())
    at = int(request.headers[0][1].removeprefix("bytes=").partition("-")[0])
    assert request.headers[0][1].endswith(f"-{PART.end - 1}")
    join.begin(answer(Part(2, at, PART.end - at)))
    for start in range(at - PART.offset, PART.length, piece):
        while join.write(DATA[start : start + piece]) is PAUSE:
            assert pauses
    assert room == DATA
    assert sink.finish().crc == crc("crc64nvme", DATA)


class PausingSink:
    """Takes everything only when it comes a second time."""

    def __init__(self, inner: MemorySink) -> None:
        self.inner, self.paused = inner, False
        self.moved, self.mark, self.last = inner.moved, inner.mark, inner.last

    def begin(self, reply: Reply) -> None:
        """Begun already."""

    def write(self, data: bytes) -> object | None:
        self.paused = not self.paused
        return PAUSE if self.paused else self.inner.write(data)


def problem(of: Callable[[], object]) -> Failure:
    with pytest.raises(PartProblem) as caught:
        of()
    return caught.value.failure


def joining(moved: int = 30_000, **first: Any) -> tuple[Continuation, Part]:
    sink, _ = begun(moved, **first)
    return continued(sink, PART, Source())[1], rest(moved, 1024)


def test_an_object_that_was_replaced_is_never_joined() -> None:
    join, part = joining()
    assert problem(lambda: join.begin(answer(part, '"two"'))).kind is Kind.CHANGED


def test_an_answer_that_does_not_say_what_it_is_of_is_not_joined() -> None:
    join, part = joining()
    assert problem(lambda: join.begin(answer(part, None))).kind is Kind.CORRUPT
    sink, _ = begun(30_000, etag=None)
    assert not can_be_joined(sink, PART)


def test_another_range_is_refused() -> None:
    join, part = joining()
    assert problem(lambda: join.begin(answer(Part(2, part.offset + 1, part.length - 1)))).kind is Kind.CORRUPT
    assert problem(lambda: join.begin(Reply(200, {"etag": ETAG}))).kind is Kind.UNSUPPORTED


@pytest.mark.parametrize("text", [b"<Error><Code>InternalError</Code></Error>", bytes(100)])
def test_an_error_text_at_the_end_of_a_cut_answer_is_no_content(text: bytes) -> None:
    sink, _ = begun(30_000)
    sink.write(text)
    _, join = continued(sink, PART, Source())
    missing = rest(30_000 + len(text), 1024)
    join.begin(answer(missing))
    start = missing.offset - PART.offset
    assert problem(lambda: join.write(DATA[start : start + 5000])).kind is Kind.CORRUPT


def test_a_byte_that_came_alone_and_is_right_does_not_prove_the_text_before_it() -> None:
    sink, _ = begun(30_000)
    text = b"<Error><Code>InternalError</Code></Error>"
    sink.write(text)
    end = 30_000 + len(text)
    sink.write(DATA[end : end + 1])
    request, join = continued(sink, PART, Source())
    start = int(request.headers[0][1].removeprefix("bytes=").partition("-")[0])
    join.begin(answer(Part(2, start, PART.end - start)))
    at = start - PART.offset
    assert problem(lambda: join.write(DATA[at : at + 5000])).kind is Kind.CORRUPT


@pytest.mark.parametrize(("moved", "can"), [(0, False), (1, True), (PART.length - 1, True), (PART.length, False)])
def test_only_what_has_begun_and_not_ended_is_joined(moved: int, can: bool) -> None:
    assert can_be_joined(begun(moved)[0], PART) is can


def test_marks() -> None:
    assert mark_of(Reply(206, {"etag": ETAG, "last-modified": "Mon"})) == 'etag "one"'
    assert mark_of(Reply(206, {"last-modified": "Mon"})) == "time Mon"
    assert mark_of(Reply(206)) == ""
    assert mark_of(Reply(226, is_http=False, filetime=17)) == "time 17"
    assert mark_of(Reply(226, {"etag": ETAG}, is_http=False)) == ""
