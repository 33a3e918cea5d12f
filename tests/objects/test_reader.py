"""`ObjectReader`: which ranges are asked for and when, what stays in memory, what counts for the proof.

The ranges are kept in the process; test_read_objects.py has a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.checksums import crc, encode
from s3amfs.core.locations import S3Location
from s3amfs.errors import ChecksumMismatch, TransferError
from s3amfs.objects.piece_cache import ReadMemory
from s3amfs.objects.ranges import Pinned
from s3amfs.objects.reader import ObjectReader
from s3amfs.transfers.proof import ReadProof
from s3amfs.wire.curl.streams import Chunks
from s3amfs.wire.s3.api import ObjectInfo
from tests.support.files import content

MIB = 1024 * 1024
SIZE = 24 * MIB
DATA = content(SIZE, 3)


class Fetch:
    """A transfer of many ranges, which arrive when they are waited for."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.over = error, False

    def stop(self) -> None:
        self.over = True

    def wait(self) -> None:
        self.over = True
        if self.error is not None:
            raise self.error


class Kept:
    """An object with the bytes DATA. `singles` are the ranges that were asked for one by one, `blocks` those of each
    fetch of many. slow: from now on single ranges do not arrive; they fail when they are cut."""

    def __init__(self, size: int = SIZE, crc_name: str | None = None, crc: int = 0) -> None:
        sums = {crc_name: encode(crc_name, crc)} if crc_name is not None else {}
        self.location = S3Location("b", "k")
        self.info = ObjectInfo(size, "e", checksums=sums, checksum_type="FULL_OBJECT")
        self.proof = ReadProof(self.info, "s3://b/k")
        self.singles: list[tuple[int, int]] = []
        self.blocks: list[list[tuple[int, int]]] = []
        self.slow = False
        self.error: Exception | None = None

    def begin(self, offset: int, length: int, on_bytes: Callable[[Chunks | None], None]) -> Any:
        self.singles.append((offset, offset + length))
        came = Chunks(length)
        came.append(DATA[offset : offset + length])
        if not self.slow:
            on_bytes(came)
        return SimpleNamespace(cut=lambda: on_bytes(None))

    def fetch(self, wanted: Sequence[tuple[int, memoryview]], proof: Any) -> Fetch:
        self.blocks.append(_joined([(at, at + len(view)) for at, view in wanted]))
        for at, view in wanted:
            view[:] = DATA[at : at + len(view)]
        return Fetch(self.error)


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjacent ones are one."""
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found


def kept(**more: Any) -> tuple[Kept, ObjectReader, ReadMemory]:
    pinned, memory = Kept(**more), ReadMemory(64 * MIB)
    return pinned, ObjectReader(cast(Pinned, pinned), memory=memory), memory


@pytest.mark.parametrize(
    ("offset", "size", "found"),
    [
        (5, 10, (5, 15)),
        (SIZE - 3, 10, (SIZE - 3, SIZE)),
        (SIZE - 1, 1, (SIZE - 1, SIZE)),
        (SIZE, 1, None),
        (SIZE + 5, 9 * MIB, None),
        (7, 0, None),
        (7, -1, None),
    ],
)
def test_a_read_ends_where_the_object_does(offset: int, size: int, found: tuple[int, int] | None) -> None:
    pinned, reader, _ = kept()
    assert reader.pread(offset, size) == (DATA[slice(*found)] if found is not None else b"")
    assert pinned.singles == ([found] if found is not None else [])


def test_what_is_at_hand_is_not_fetched_again() -> None:
    pinned, reader, memory = kept()
    assert (reader.holds_any, reader.held()) == (False, [])
    assert reader.pread(0, 10) == DATA[:10]
    assert pinned.singles == [(0, 10), (10, 10 + MIB)], "from the beginning on more is expected to be read"
    assert (reader.holds_any, memory.held) == (True, MIB), "what was read to its end goes"
    assert [(at, b"".join(found)) for at, found in reader.held()] == [(10, DATA[10 : 10 + MIB])]
    assert reader.pread(100, 50) == DATA[100:150]
    assert len(pinned.singles) == 2
    assert reader.pread(MIB, 20) == DATA[MIB : MIB + 20]
    assert _joined(pinned.singles) == [(0, pinned.singles[-1][1])], "each byte once"
    reader.close()
    assert (reader.holds_any, memory.held) == (False, 0)


def test_nothing_is_fetched_ahead_where_there_is_no_room_for_it() -> None:
    pinned, reader, _ = kept()
    reader.limit_to(1000)
    reader.pread(0, 10)
    assert pinned.singles == [(0, 10), (10, 1010)]
    reader.rest()
    pinned.singles.clear()
    reader.pread(0, 10)
    assert pinned.singles == [(0, 10)], "the limit stays, and what has arrived"
    bare = Kept()
    alone = ObjectReader(cast(Pinned, bare), limit=1000)
    alone.pread(0, 10)
    assert bare.singles == [(0, 10), (10, 1010)]
    assert alone._memory.limit == 2000


def test_a_rest_cuts_what_is_under_way_and_keeps_what_is_here() -> None:
    pinned, reader, memory = kept()
    reader.pread(0, 10)
    pinned.slow = True
    reader.pread(MIB - 10, 10)
    under_way = [piece for piece in reader._pieces if piece.under_way]
    assert len(under_way) == 1
    reader.rest()
    assert [piece.start for piece in reader._pieces] == [10]
    assert under_way[0].stopped and under_way[0].given_up
    assert memory.held == MIB
    reader.close()
    assert memory.held == 0


@pytest.mark.parametrize(("size", "many"), [(8 * MIB - 1, False), (8 * MIB, True)])
def test_a_large_read_comes_by_many_requests_at_a_time(size: int, many: bool) -> None:
    pinned, reader, _ = kept()
    assert reader.pread(MIB, size) == DATA[MIB : MIB + size]
    ends = [MIB, 5 * MIB, MIB + size]
    assert pinned.blocks == ([[(MIB, MIB + size)]] if many else [])
    assert pinned.singles == ([] if many else list(pairwise(ends)))


def test_a_large_read_fetches_what_is_missing_and_no_more() -> None:
    pinned, reader, _ = kept()
    reader.limit_to(0)
    reader._cover(3 * MIB, 4 * MIB)
    pinned.singles.clear()
    assert reader.pread(MIB, 10 * MIB) == DATA[MIB : 11 * MIB]
    assert (pinned.singles, pinned.blocks) == ([], [[(MIB, 3 * MIB), (4 * MIB, 11 * MIB)]])
    reader._cover(12 * MIB, 20 * MIB)
    pinned.singles.clear()
    assert reader.pread(12 * MIB, 9 * MIB) == DATA[12 * MIB : 21 * MIB]
    assert (pinned.singles, len(pinned.blocks)) == ([(20 * MIB, 21 * MIB)], 1), "so little comes by itself"


def test_a_reader_that_is_closed_frees_who_waits() -> None:
    pinned, reader, memory = kept()
    pinned.slow = True
    (piece,) = reader._cover(5, 15)
    reader.close()
    with pytest.raises(TransferError, match="stopped"):
        piece.wait()
    assert memory.held == 0


def test_a_read_that_fails_leaves_nothing_that_others_could_use() -> None:
    pinned, reader, memory = kept()
    reader.limit_to(0)
    pinned.error = TransferError("lost")
    with pytest.raises(TransferError):
        reader.pread(0, 9 * MIB)
    assert (reader.holds_any, memory.held, reader._reading, reader.wrong) == (False, 0, [], None)
    pinned.error = None
    assert reader.pread(0, 9 * MIB) == DATA[: 9 * MIB]


@pytest.mark.parametrize("name", ["crc64nvme", "crc32c"])
def test_what_was_read_elsewhere_counts_for_the_proof(name: str) -> None:
    data = DATA[:1000]
    first, second = crc("crc64nvme", data[:600]), crc("crc64nvme", data[600:])
    right = kept(size=1000, crc_name=name, crc=crc(name, data))[1]
    right.count_as_read(0, data[:600], first)
    right.count_as_read(600, data[600:], second)
    assert right.wrong is None
    wrong = kept(size=1000, crc_name=name, crc=crc(name, data) ^ 1)[1]
    wrong.count_as_read(0, data[:600], first)
    assert wrong.pread(5, 5) == data[5:10]
    with pytest.raises(ChecksumMismatch):
        wrong.count_as_read(600, data[600:], second)
    for call in (lambda: wrong.pread(0, 5), lambda: wrong.count_as_read(0, data, 0)):
        with pytest.raises(ChecksumMismatch):
            call()
    large = kept(crc_name="crc32c", crc=1)[1]
    large.wrong = ChecksumMismatch("found earlier")
    with pytest.raises(ChecksumMismatch, match="found earlier"):
        large.pread(0, 9 * MIB)


def test_without_a_stored_checksum_nothing_is_compared() -> None:
    _, reader, _ = kept(size=1000)
    reader.count_as_read(0, DATA[:1000], 1)
    assert reader.pread(0, 1000) == DATA[:1000]


def test_a_whole_that_is_not_what_is_stored_is_refused_from_then_on() -> None:
    pinned, reader, memory = kept(size=1000, crc_name="crc32c", crc=crc("crc32c", DATA[:1000]) ^ 1)
    with pytest.raises(ChecksumMismatch):
        reader.pread(0, 1000)
    assert memory.held == 0
    with pytest.raises(ChecksumMismatch):
        reader.pread(0, 5)
    assert len(pinned.singles) == 1


def test_the_step_after_large_steps_is_fetched_as_one_block() -> None:
    pinned, reader, memory = kept()
    step = 8 * MIB
    assert reader.pread(0, step) + reader.pread(step, step) == DATA[: 2 * step]
    assert pinned.blocks[-1] == [(2 * step, SIZE)]
    assert [piece.size for piece in reader._pieces] == [step]
    asked = len(pinned.blocks), len(pinned.singles)
    assert reader.buffers(2 * step, step) == [DATA[2 * step :]]
    assert (len(pinned.blocks), len(pinned.singles)) == asked
    assert memory.held == 0


def test_what_a_large_step_leaves_that_is_small_comes_by_itself() -> None:
    pinned, reader, _ = kept()
    reader.limit_to(0)
    step = 9 * MIB
    reader._cover(step, step + MIB, in_blocks=True)
    reader._cover(0, step - 1, in_blocks=True)
    assert pinned.singles == [(step, step + MIB)]
    assert pinned.blocks == [[(0, step - 1)]]
