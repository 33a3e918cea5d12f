"""`ReadMemory`: what is held, what is evicted first, and that no limit is exceeded by more than what is in flight."""

from __future__ import annotations

from typing import cast

import pytest

from s3amfs.objects.piece_cache import ReadMemory
from s3amfs.objects.pieces import Piece


class FakePiece:
    """Bytes [0, size) of some object."""

    def __init__(self, size: int, *, under_way: bool = False) -> None:
        self.size, self.under_way, self.given_up = size, under_way, False


def piece(size: int = 10, *, under_way: bool = False) -> Piece:
    return cast(Piece, FakePiece(size, under_way=under_way))


def filled(memory: ReadMemory, *pieces: Piece) -> list[Piece]:
    """The list of one reader, with these added in order."""
    mine: list[Piece] = []
    for each in pieces:
        memory.add(each, mine)
    return mine


def test_the_limit_itself_fits() -> None:
    memory = ReadMemory(20)
    mine = filled(memory, piece(), piece())
    assert (len(mine), memory.held) == (2, 20)


def test_one_byte_more_evicts_the_piece_that_has_waited_longest() -> None:
    memory = ReadMemory(20)
    first, second, third = piece(), piece(), piece(1)
    mine = filled(memory, first, second, third)
    assert (mine, memory.held) == ([second, third], 11)
    assert (first.given_up, second.given_up, third.given_up) == (True, False, False)


def test_no_more_than_needed_is_evicted() -> None:
    memory = ReadMemory(30)
    pieces = [piece() for _ in range(3)]
    mine = filled(memory, *pieces, last := piece(20))
    assert (mine, memory.held) == ([pieces[2], last], 30)


def test_what_is_in_flight_is_never_evicted() -> None:
    memory = ReadMemory(10)
    moving, here, more = piece(under_way=True), piece(), piece(under_way=True)
    mine = filled(memory, moving, here, more)
    assert (mine, memory.held) == ([moving, more], 20)
    assert not moving.given_up and here.given_up


@pytest.mark.parametrize("keeps", [True, False])
def test_what_was_read_to_its_end_stays_only_where_it_may(keeps: bool) -> None:
    memory = ReadMemory(20, keeps=keeps)
    mine = filled(memory, one := piece())
    memory.used(one, read_up=True)
    assert (mine, memory.held, one.given_up) == (([one], 10, False) if keeps else ([], 0, True))


def test_what_was_read_goes_before_what_was_not() -> None:
    memory = ReadMemory(20, keeps=True)
    waiting, done = piece(), piece()
    mine = filled(memory, waiting, done)
    memory.used(done, read_up=True)
    memory.add(new := piece(), mine)
    assert (mine, memory.held) == ([waiting, new], 20)


def test_of_what_was_read_the_latest_use_stays() -> None:
    memory = ReadMemory(30, keeps=True)
    first, second = piece(), piece()
    mine = filled(memory, first, second)
    for each in (first, second, first):
        memory.used(each, read_up=True)
    memory.add(piece(20), mine)
    assert first in mine and second not in mine
    assert second.given_up and not first.given_up


def test_what_is_being_read_waits_again() -> None:
    memory = ReadMemory(20)
    first, second = piece(), piece()
    mine = filled(memory, first, second)
    memory.used(first, read_up=False)
    memory.add(third := piece(), mine)
    assert mine == [first, third]


def test_what_was_given_up_counts_once_and_is_not_used_again() -> None:
    memory = ReadMemory(20, keeps=True)
    mine = filled(memory, one := piece(), piece())
    memory.give_up(one)
    memory.give_up(one)
    memory.used(one, read_up=True)
    memory.used(one, read_up=False)
    assert (len(mine), memory.held) == (1, 10)


def test_readers_share_the_limit_and_each_loses_from_its_own_list() -> None:
    memory = ReadMemory(20)
    mine, theirs = filled(memory, piece(), piece()), filled(memory, new := piece())
    assert (len(mine), theirs, memory.held) == (1, [new], 20)
