"""Pieces of an object: bytes at their places, one wait for many, and what becomes of a request that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from s3amfs.core.checksums import Crc
from s3amfs.core.locations import S3Location
from s3amfs.errors import TransferError
from s3amfs.objects import pieces
from s3amfs.objects.pieces import Block, Fragment
from s3amfs.objects.ranges import PIECE_BYTES, Pinned
from s3amfs.wire.curl.streams import Chunks

DATA = bytes(range(100))


class FakeTransfer:
    def __init__(self, error: BaseException | None) -> None:
        self.over, self.stopped, self.waits = False, False, 0
        self._error = error

    def wait(self) -> None:
        self.waits, self.over = self.waits + 1, True
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self.stopped = True


class FakePinned:
    """An object of the bytes DATA; requests end when the test says so."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.location = S3Location("b", "k")
        self.cuts = 0
        self.fetched: list[tuple[int, int]] = []
        self.transfer = FakeTransfer(error)

    def begin(self, offset: int, length: int, on_bytes: Callable[[Chunks | None], None]) -> Any:
        self.asked, self.on_bytes = (offset, length), on_bytes
        return self

    def cut(self) -> None:
        self.cuts += 1
        self.on_bytes(None)

    def answer(self, *chunks: bytes) -> None:
        came = Chunks(100)
        came.extend(chunks)
        self.on_bytes(came)

    def fetch(self, wanted: Sequence[tuple[int, memoryview]], proof: Any) -> FakeTransfer:
        self.fetched = [(at, len(view)) for at, view in wanted]
        for at, view in wanted:
            view[:] = DATA[at : at + len(view)]
            proof.add(at, len(view), crc_of(DATA[at : at + len(view)]))
        return self.transfer


def crc_of(data: bytes) -> int:
    crc = Crc("crc32c")
    crc.update(data)
    return crc.value


def fake(error: BaseException | None = None) -> Any:
    return FakePinned(error)


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What had to be read another time."""
    asked: list[tuple[int, int]] = []

    def read_whole(_pinned: Pinned, start: int, end: int) -> bytes:
        asked.append((start, end))
        return DATA[start:end]

    monkeypatch.setattr(pieces, "read_whole", read_whole)
    return asked


def bytes_of(piece: Fragment | Block, start: int, end: int) -> bytes:
    return b"".join(map(bytes, piece.bytes_of(start, end)))


def test_a_fragment_is_cut_to_what_is_asked_for() -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 10, 40)
    assert (pinned.asked, fragment.size, fragment.under_way, fragment.is_here) == ((10, 30), 30, True, False)
    pinned.answer(DATA[10:20], DATA[20:25], DATA[25:40])
    assert (fragment.under_way, fragment.is_here) == (False, True)
    fragment.wait()
    for start in range(5, 45):
        for end in range(start, 45):
            assert bytes_of(fragment, start, end) == DATA[max(start, 10) : min(end, 40)]


def test_whole_chunks_are_not_copied() -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 0, 30)
    chunk = DATA[10:20]
    pinned.answer(DATA[:10], chunk, DATA[20:30])
    first, middle, last = fragment.bytes_of(5, 25)
    assert middle is chunk
    assert isinstance(first, memoryview) and isinstance(last, memoryview)


def test_a_fragment_that_failed_is_read_once_more_for_all_who_wait(read_again: list[tuple[int, int]]) -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 10, 40, "crc32c")
    pinned.on_bytes(None)
    assert (fragment.under_way, fragment.is_here) == (False, False)
    fragment.wait()
    fragment.wait()
    assert read_again == [(10, 40)]
    assert bytes_of(fragment, 0, 100) == DATA[10:40]
    assert fragment.crcs == [(10, 30, crc_of(DATA[10:40]))]


def test_a_stopped_fragment_is_not_read_again(read_again: list[tuple[int, int]]) -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 10, 40)
    fragment.stop()
    with pytest.raises(TransferError, match="was stopped"):
        fragment.wait()
    assert (pinned.cuts, read_again) == (1, [])


def test_one_that_was_stopped_after_its_bytes_came_still_has_them() -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 0, 3)
    pinned.answer(DATA[:3])
    pinned.on_bytes = lambda chunks: None
    fragment.stop()
    fragment.wait()
    assert bytes_of(fragment, 0, 3) == DATA[:3]


def test_crcs_are_taken_only_where_they_are_wanted() -> None:
    pinned = fake()
    plain = Fragment(cast(Pinned, pinned), 0, 3)
    pinned.answer(DATA[:3])
    proven = Fragment(cast(Pinned, pinned), 0, 3, "crc32c")
    pinned.answer(DATA[:1], DATA[1:3])
    assert (plain.crcs, proven.crcs) == ([], [(0, 3, crc_of(DATA[:3]))])


def test_who_waits_long_for_a_fragment_says_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = fake()
    fragment = Fragment(cast(Pinned, pinned), 0, 3)
    said: list[str] = []
    monkeypatch.setattr(pieces.waiting, "WAIT_SECONDS", 0.0)

    def report(what: str) -> None:
        said.append(what)
        pinned.answer(DATA[:3])

    monkeypatch.setattr(pieces.waiting, "report", report)
    fragment.wait()
    assert said == ["bytes of s3://b/k"]


def test_a_block_of_one_is_fetched_whole() -> None:
    pinned = fake()
    block = Block(cast(Pinned, pinned), 20, 60, "crc32c")
    assert (block.under_way, block.is_here, pinned.fetched) == (True, False, [(20, 40)])
    block.wait()
    block.wait()
    assert (block.is_here, block.under_way, pinned.transfer.waits) == (True, False, 1)
    assert block.crcs == [(20, 40, crc_of(DATA[20:60]))]
    assert bytes_of(block, 0, 100) == DATA[20:60]
    assert bytes_of(block, 30, 31) == DATA[30:31]
    assert bytes_of(block, 21, 60) == DATA[21:60]


def test_who_reads_all_of_a_block_gets_no_copy() -> None:
    block = Block(cast(Pinned, fake()), 20, 60)
    block.wait()
    (whole,) = block.bytes_of(20, 60)
    (again,) = block.bytes_of(0, 100)
    assert whole is again and isinstance(whole, bytes)
    (part,) = block.bytes_of(20, 59)
    assert isinstance(part, memoryview) and part.obj is whole


def test_only_what_is_missing_of_a_block_is_fetched() -> None:
    pinned = fake()
    block = Block(cast(Pinned, pinned), 20, 60, missing=[(30, 40), (55, 60)])
    block.put(20, b"a" * 10)
    block.put(40, memoryview(b"b" * 15))
    block.wait()
    assert pinned.fetched == [(30, 10), (55, 5)]
    assert bytes_of(block, 20, 60) == b"a" * 10 + DATA[30:40] + b"b" * 15 + DATA[55:60]


def test_large_blocks_come_by_many_requests() -> None:
    class Large(FakePinned):
        def fetch(self, wanted: Sequence[tuple[int, memoryview]], proof: Any) -> FakeTransfer:
            self.fetched = [(at, len(view)) for at, view in wanted]
            return self.transfer

    pinned = Large()
    block = Block(cast(Pinned, pinned), 0, 2 * PIECE_BYTES + 1)
    assert len(pinned.fetched) >= 3 and max(length for _, length in pinned.fetched) <= PIECE_BYTES
    assert sum(length for _, length in pinned.fetched) == block.size
    block.wait()


def test_a_failure_that_somebody_waited_for_is_theirs(read_again: list[tuple[int, int]]) -> None:
    block = Block(cast(Pinned, fake(TransferError("no"))), 20, 60)
    with pytest.raises(TransferError, match="no"):
        block.wait()
    assert read_again == []


def test_a_failure_that_nobody_saw_is_tried_again(read_again: list[tuple[int, int]]) -> None:
    pinned = fake(TransferError("no"))
    block = Block(cast(Pinned, pinned), 20, 60, "crc32c")
    pinned.transfer.over = True
    block.wait()
    assert read_again == [(20, 60)]
    assert bytes_of(block, 20, 60) == DATA[20:60]
    assert block.crcs == [(20, 40, crc_of(DATA[20:60]))]


@pytest.mark.parametrize("error", [TransferError("stopped"), KeyboardInterrupt()])
def test_neither_a_stopped_block_nor_a_bug_is_tried_again(
    error: BaseException, read_again: list[tuple[int, int]]
) -> None:
    pinned = fake(error)
    block = Block(cast(Pinned, pinned), 20, 60)
    if isinstance(error, TransferError):
        block.stop()
        assert pinned.transfer.stopped
    pinned.transfer.over = True
    with pytest.raises(type(error)):
        block.wait()
    assert read_again == []


def test_many_threads_wait_for_one_block() -> None:
    pinned = fake()
    block = Block(cast(Pinned, pinned), 0, 50)
    threads = [threading.Thread(target=block.wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (pinned.transfer.waits, block.is_here) == (1, True)
