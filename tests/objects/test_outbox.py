"""Bytes wait in memory until the server has them, and are given back once."""

from __future__ import annotations

import pytest

from s3amfs.core.parts import Part
from s3amfs.engine.limits import ByteBudget
from s3amfs.engine.part_buffer import PartBuffer
from s3amfs.engine.url_source import STREAM_BYTES
from s3amfs.objects.outbox import Outbox
from s3amfs.objects.writer import BUDGET_BYTES

MIB = 1024 * 1024


def filled(outbox: Outbox, *contents: bytes) -> list[Part]:
    parts = []
    for number, content in enumerate(contents, 1):
        data = PartBuffer(content)
        assert outbox.wait_for_room(data, lambda: True)
        parts.append(Part(number, 0, len(content)))
        outbox.put(parts[-1], data)
    return parts


def test_parts_stay_until_the_server_has_them() -> None:
    outbox = Outbox(ByteBudget(10))
    first, second = filled(outbox, b"abc", b"defg")
    assert outbox.unsent() == [first, second]
    assert outbox.source.reader(second).read(10) == b"defg"
    outbox.done(1)
    assert outbox.unsent() == [second]
    with pytest.raises(KeyError):
        outbox.source.reader(first)


def test_no_room_until_something_is_done() -> None:
    outbox = Outbox(ByteBudget(4))
    filled(outbox, b"abc")
    more = PartBuffer(b"de")
    assert not outbox.wait_for_room(more, lambda: True), "given up"
    outbox.done(1)
    assert outbox.wait_for_room(more, lambda: True)


def test_room_is_given_back_once() -> None:
    budget = ByteBudget(4)
    outbox = Outbox(budget)
    filled(outbox, b"abc")
    outbox.done(1)
    outbox.done(1)
    outbox.done(7)  # copied by S3, and never in here
    assert budget._used == 0


def test_clearing_drops_all_that_is_left() -> None:
    budget = ByteBudget(10)
    outbox = Outbox(budget)
    filled(outbox, b"abc", b"de")
    outbox.done(1)
    outbox.clear()
    assert (budget._used, outbox.unsent()) == (0, [])
    outbox.clear()
    outbox.done(2)
    assert budget._used == 0


@pytest.mark.parametrize("part_size", [5, 8, 10, 11, 16, 40])
def test_a_stream_holds_at_most_48_mib_whatever_its_parts(part_size: int) -> None:
    """A part is being filled, as many as there is room for are in flight, and a reply is read ahead."""
    outbox, in_memory, piece = Outbox(ByteBudget(BUDGET_BYTES)), 0, bytes(MIB)
    for number in range(1, 20):
        data, most = PartBuffer(), 0
        for _ in range(part_size):
            data.append(piece)
            most = max(most, _in_memory(data))
        assert in_memory + most + STREAM_BYTES <= 48 * MIB
        if not outbox.wait_for_room(data, lambda: True):
            assert number > 2, "one is sent while the next is filled"
            return
        outbox.put(Part(number, 0, len(data)), data)
        in_memory += _in_memory(data)
    pytest.fail("no part ever had to wait")


def _in_memory(data: PartBuffer) -> int:
    return len(data._memory)
