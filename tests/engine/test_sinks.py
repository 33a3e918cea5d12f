"""Bytes received go to their place in the file, whatever pieces they come in and whoever else writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3amfs.core.checksums import crc
from s3amfs.core.parts import Part
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.sinks import WRITE_BYTES, FileSink
from tests.support.files import content

HELD_BYTES = WRITE_BYTES + WRITE_BYTES // 2
"""As much is held at most."""


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("piece", [1, 1000, 16 * 1024, 300_000])
def test_pieces_of_any_size(fd: int, piece: int) -> None:
    size = 5000 if piece == 1 else 3 * WRITE_BYTES + 17
    data, offset = content(size, 1), 12345
    sink = FileSink(fd, Part(2, offset, size), lambda reply: None)
    for at in range(0, size, piece):
        sink.write(data[at : at + piece])
    result = sink.finish()
    assert os.pread(fd, size + 1, offset) == data
    assert (result.crc, sink.moved) == (crc("crc64nvme", data), size)


def test_receiving_goes_on_while_another_thread_writes(fd: int) -> None:
    data, turn = content(HELD_BYTES, 2), threading.Lock()
    sink = FileSink(fd, Part(1, 0, len(data)), lambda reply: None, turn=turn)
    with turn:
        sink.write(data[: HELD_BYTES - 1])
        assert os.fstat(fd).st_size == 0
    sink.write(data[HELD_BYTES - 1 :])
    assert os.pread(fd, len(data), 0) == data, "enough is held, so it is written without waiting for the end"
    assert sink.finish().crc == crc("crc64nvme", data)


def test_what_is_held_is_bounded(fd: int) -> None:
    data, turn = content(HELD_BYTES, 3), threading.Lock()
    sink = FileSink(fd, Part(1, 0, len(data)), lambda reply: None, turn=turn)
    writer = threading.Thread(target=sink.write, args=(data,))
    with turn:
        writer.start()
        writer.join(0.05)
        assert writer.is_alive(), "it waits for its turn instead of holding more"
    writer.join(10)
    assert not writer.is_alive()
    assert os.pread(fd, len(data), 0) == data


def test_nothing_is_held_while_the_rest_is_waited_for(fd: int) -> None:
    sink = FileSink(fd, Part(1, 0, 20), lambda reply: None)
    sink.write(b"0123456789")
    assert os.pread(fd, 20, 0) == b""
    sink.settle()
    assert os.pread(fd, 20, 0) == b"0123456789"
    sink.settle()
    sink.write(b"abcdefghij")
    assert sink.finish().crc == crc("crc64nvme", b"0123456789abcdefghij")
    assert os.pread(fd, 20, 0) == b"0123456789abcdefghij"


def test_more_than_was_asked_for_is_refused(fd: int) -> None:
    sink = FileSink(fd, Part(1, 0, 10), lambda reply: None)
    sink.write(b"0123456789")
    with pytest.raises(PartProblem):
        sink.write(b"x")
