"""`FileStream`: written mostly in order, and what comes late or ahead is where it belongs all the same."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.locations import S3Location
from s3amfs.core.parts import Part
from s3amfs.engine.connect import S3Client
from s3amfs.engine.sources import FileSource
from s3amfs.engine.spool import Spool
from s3amfs.objects.streamed_file import HOLE_BYTES, ROOM_BYTES, FileStream
from s3amfs.objects.writer import ObjectWriter
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import UploadOptions
from s3amfs.wire.s3.api import StoredInfo
from tests.support.clients import PART
from tests.support.files import content
from tests.support.proxy import FaultProxy

DATA = content(2 * PART + 100, 1)


@pytest.fixture
def stream(through: S3Client, bucket: str, tmp_path: Path, state: Path) -> Iterator[FileStream]:
    spool = Spool(str(tmp_path))
    options = UploadOptions(part_size=PART, exists="overwrite")
    writer = ObjectWriter(stream_job(through, S3Location(bucket, "k"), options))
    yield FileStream(writer, spool, keeps=None)
    spool.close()


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_a_header_that_is_written_last(stream: FileStream, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    stream.write(DATA, 0)
    stream.write(b"header", 0)
    stream.write(b"inside", 2 * PART + 50)
    assert stream.read(0, 10) == b"header" + DATA[6:10]
    stream.close()
    expected = b"header" + DATA[6 : 2 * PART + 50] + b"inside" + DATA[2 * PART + 56 :]
    assert stored(boto, bucket) == expected
    assert proxy.count("UploadPart", status=200) == 4, "the first part twice"


def test_what_comes_ahead_of_its_turn_waits_and_what_never_comes_is_zeros(
    stream: FileStream, boto: Any, bucket: str
) -> None:
    stream.write(b"later", 1000)
    stream.write(b"first", 0)
    assert (stream.size, stream.is_broken) == (1005, False)
    stream.write(bytes([1]) * 995, 5)
    stream.write(b"end", 2000)
    stream.close()
    assert stored(boto, bucket) == b"first" + bytes([1]) * 995 + b"later" + bytes(995) + b"end"


def test_cut_and_grown(stream: FileStream, boto: Any, bucket: str) -> None:
    stream.write(DATA, 0)
    assert stream.resize(2 * PART + 10)
    assert stream.resize(2 * PART + 20)
    assert stream.size == 2 * PART + 20
    stream.close()
    assert stored(boto, bucket) == DATA[: 2 * PART + 10] + bytes(10)


def test_what_was_sent_and_not_copied_is_refused_not_lost(stream: FileStream) -> None:
    stream.keeps = 0
    stream.write(DATA, 0)
    assert not stream.is_whole
    with pytest.raises(OSError) as failed:
        stream.write(b"header", 0)
    assert failed.value.errno == errno.EFBIG
    with pytest.raises(OSError) as failed:
        stream.read(0, 10)
    assert failed.value.errno == errno.EBUSY
    assert not stream.resize(PART)
    stream.abort(keep=False)


# -- where each byte goes, without a server: a writer whose parts of 8 bytes are kept here -----------------------------

SMALL = 8


class Kept:
    """A writer that sends parts as they are full: `sent` has them as they were then, `result` is the object."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.sent: list[bytes] = []
        self.filled = bytearray()
        self.again: list[int] = []
        self.result: bytes | None = None

    @property
    def position(self) -> int:
        return self.filling + len(self.filled)

    @property
    def filling(self) -> int:
        return len(self.sent) * SMALL

    def full_parts(self, start: int, end: int) -> list[Part]:
        return [
            Part(number + 1, number * SMALL, SMALL)
            for number in range(len(self.sent))
            if number * SMALL < end and start < (number + 1) * SMALL
        ]

    def write(self, data: bytes | memoryview) -> int:
        self.filled += data
        while len(self.filled) >= SMALL:
            self.sent.append(bytes(self.filled[:SMALL]))
            del self.filled[:SMALL]
        return len(data)

    def overwrite(self, data: bytes | memoryview, offset: int) -> None:
        assert self.filling <= offset and offset + len(data) <= self.position
        self.filled[offset - self.filling : offset - self.filling + len(data)] = data

    def cut(self, position: int) -> None:
        assert self.filling <= position <= self.position
        del self.filled[position - self.filling :]

    def close(self, again: Sequence[Part] = (), source: FileSource | None = None) -> StoredInfo:
        for part in again:
            assert source is not None
            self.again.append(part.number)
            self.sent[part.number - 1] = os.pread(source.fd, part.length, part.offset)
        self.result = b"".join(self.sent) + bytes(self.filled)
        return StoredInfo('"e"')


Kinds = Iterator[tuple[FileStream, Kept]]


@contextlib.contextmanager
def small_stream(keeps: int | None = None) -> Kinds:
    spool, writer = Spool(None), Kept()
    try:
        yield FileStream(cast(ObjectWriter, writer), spool, keeps=keeps), writer
    finally:
        spool.close()


def written(stream: FileStream, data: bytes, at: int) -> int:
    """errno, 0 where it was written."""
    try:
        stream.write(data, at)
    except OSError as error:
        return error.errno or -1
    return 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 40), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("next"), st.just(0), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("resize"), st.integers(0, 50), st.just(b"")),
    ),
    max_size=12,
)


@given(STEPS, st.sampled_from([None, None, 0, SMALL, 2 * SMALL]))
def test_it_is_what_was_written_or_says_that_it_can_not_be(
    steps: list[tuple[str, int, bytes]], keeps: int | None
) -> None:
    """Against plain bytes. What is refused changes nothing; only what was sent and not copied is refused."""
    expected = bytearray()
    with small_stream(keeps) as (stream, writer):
        for kind, at, data in steps:
            at = len(expected) if kind == "next" else at
            if kind == "resize":
                if stream.resize(at):
                    expected = expected[:at] + bytes(max(0, at - len(expected)))
                else:
                    assert at < writer.filling
                continue
            refused = written(stream, data, at)
            if refused:
                assert (refused, keeps is not None, at < writer.filling) == (errno.EFBIG, True, True)
                continue
            expected += bytes(max(0, at + len(data) - len(expected)))
            expected[at : at + len(data)] = data
            assert stream.size == len(expected)
            if keeps is None:
                assert stream.is_whole
                assert stream.read(0, len(expected) + 9) == bytes(expected)
                assert stream.read(at, 3) == bytes(expected[at : at + 3])
        stream.close()
        assert writer.result == bytes(expected)
        assert writer.again == sorted(set(writer.again))


def test_only_parts_that_were_written_again_are_sent_again() -> None:
    with small_stream() as (stream, writer):
        stream.write(bytes(range(30)), 0)
        stream.write(b"x", 7)
        stream.write(b"yy", 23)
        stream.close()
    assert writer.again == [1, 3], "of the fourth nothing was sent"
    assert writer.result == bytes(range(7)) + b"x" + bytes(range(8, 23)) + b"yy" + bytes(range(25, 30))
    with small_stream() as (stream, writer):
        stream.write(bytes(16), 0)
        stream.write(b"x", 3)
        assert not stream.resize(3), "the first part was sent"
        stream.close()
    assert writer.again == [1]


def test_parts_that_begin_late_enough_are_not_copied() -> None:
    with small_stream(keeps=SMALL) as (stream, writer):
        for at in range(0, 24, 4):
            stream.write(b"abcd", at)
        assert list(stream.spool.present) == [(0, 8)]
        assert stream.read(0, 8) == b"abcdabcd"
        for read in (lambda: stream.read(8, 1), lambda: stream.read(7, 2), lambda: stream.read(23, 5)):
            with pytest.raises(OSError, match="--spool-keep") as failed:
                read()
            assert failed.value.errno == errno.EBUSY
        assert stream.read(24, 5) == b"", "beyond the end"
        with pytest.raises(OSError, match="--spool-keep"):
            stream.write(b"x", 8)
        stream.write(b"x", 7)
        assert not stream.is_whole
        stream.close()
    assert writer.again == [1]


@pytest.mark.parametrize(("keeps", "kept"), [(None, 0), (100, 12)])
def test_a_disk_without_room_ends_the_copies_only(keeps: int | None, kept: int) -> None:
    """A look every few MiB; for a stream that is copied in part as much has to stay free as was copied."""
    asked: list[tuple[int, int]] = []

    def has_room(size: int, kept: int = 0) -> bool:
        asked.append((size - ROOM_BYTES, kept))
        return len(asked) < 2

    with small_stream(keeps) as (stream, writer):
        stream.spool.has_room = has_room  # type: ignore[method-assign]
        stream.spool.stays_small = lambda size: False  # type: ignore[method-assign]
        stream.write(bytes(12), 0)
        stream.write(b"beyond", 12)
        assert asked == [(12, 0)], "no look until the next 8 MiB"
        assert stream.is_whole
        writer.sent = [bytes(SMALL)] * (ROOM_BYTES // SMALL)
        writer.filled.clear()
        stream.keeps = None if keeps is None else 2 * ROOM_BYTES
        stream.write(b"abc", ROOM_BYTES)
        assert asked[1] == (3, 0 if keeps is None else ROOM_BYTES)
        stream.write(b"def", ROOM_BYTES + 3)
        assert len(asked) == 2, "not asked again"
        assert not stream.spool.present.covers(ROOM_BYTES, ROOM_BYTES + 1)
        assert writer.position == ROOM_BYTES + 6


def test_a_copy_in_memory_needs_no_room_on_disk() -> None:
    asked: list[int] = []
    with small_stream() as (stream, _):
        stream.spool.has_room = lambda size, kept=0: asked.append(size) or True  # type: ignore[method-assign,func-returns-value]
        stream.write(bytes(9), 0)
        assert asked == []
        stream.spool.stays_small = lambda size: False  # type: ignore[method-assign]
        stream.write(bytes(3), 9)
        stream.write(bytes(3), 12)
        assert asked == [3 + ROOM_BYTES], "when it goes to disk, once"


@pytest.mark.parametrize(("number", "goes_on"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_copy_that_fails(number: int, goes_on: bool) -> None:
    with small_stream() as (stream, writer):
        stream.spool.write(b"old", 2)

        def full(*_: object, **__: object) -> None:
            raise OSError(number, "no")

        stream.spool.write = full  # type: ignore[method-assign]
        with contextlib.nullcontext() if goes_on else pytest.raises(OSError):
            stream.spool.present.cut(0)
            stream.write(b"abcd", 0)
        assert writer.position == (4 if goes_on else 0)


def test_it_is_better_spooled_where_nothing_more_can_be_sent_or_the_server_can_copy_holes() -> None:
    with small_stream() as (stream, writer):
        assert (stream.size, stream.read(0, 9)) == (0, b"")
        stream.write(b"abc", 0)
        assert not stream.is_better_spooled
        stream.write(b"d", HOLE_BYTES + 2)
        assert not stream.is_better_spooled, "a byte less than a hole that is worth it"
        stream.resize(HOLE_BYTES + 4)
        assert stream.is_better_spooled
        stream.resize(3)
        assert not stream.is_better_spooled
        writer.error = OSError()
        assert stream.is_broken and stream.is_better_spooled
        stream.keeps = 0
        stream.write(bytes(9), 3)
        assert not stream.is_whole and not stream.is_better_spooled
