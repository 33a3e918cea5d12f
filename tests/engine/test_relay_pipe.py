"""The bounded pipe of a relay: it keeps the order, and says when either end has to wait."""

from __future__ import annotations

import pytest

from s3amfs.engine.relay_pipe import PIPE_BYTES, Pipe


def test_a_pipe() -> None:
    pipe = Pipe(100)
    assert pipe.get(1) is None
    assert pipe.reader_waits
    assert pipe.put(b"abc")
    assert pipe.put(b"def")
    assert pipe.received == 6
    assert pipe.get(2) == b"ab"
    assert pipe.get(2) == b"cd"
    assert pipe.get(100) == b"ef"
    assert not pipe.is_filling
    assert pipe.put(bytes(2 * PIPE_BYTES)), "the first one always has room"
    assert pipe.is_filling
    assert not pipe.writer_waits
    assert not pipe.put(b"x")
    assert pipe.writer_waits
    assert pipe.get(2 * PIPE_BYTES) == bytes(2 * PIPE_BYTES)


@pytest.mark.parametrize(("size", "fills"), [(PIPE_BYTES // 2, False), (PIPE_BYTES // 2 + 1, True)])
def test_a_pipe_that_fills(size: int, fills: bool) -> None:
    pipe = Pipe(PIPE_BYTES)
    pipe.put(bytes(size))
    assert pipe.is_filling is fills
    assert pipe.put(bytes(PIPE_BYTES - size)), "all of its room can be used"
    assert not pipe.put(b"x")
