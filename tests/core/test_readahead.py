"""Read-ahead: forward readers are fed, random ones are left alone, memory stays bounded."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.readahead import FIRST_WINDOW, LARGE, LIMIT, ReadAhead
from s3amfs.core.sizes import GIB, KIB, MIB


def ahead(machine: ReadAhead, reads: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [fetched for offset, length in reads for fetched in machine.read(offset, length)]


def test_a_forward_reader_is_fed_without_gaps_or_repeats() -> None:
    machine, size, step = ReadAhead(GIB), GIB, 128 * KIB
    fetched = ahead(machine, [(at, step) for at in range(0, size, step)])
    assert fetched[0] == (step, step + FIRST_WINDOW)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(fetched))
    assert fetched[-1][1] == size
    assert max(end - start for start, end in fetched) >= LIMIT // 2
    assert len(fetched) < 100, "few large fetches, not many small ones"


def test_it_begins_in_the_middle_too() -> None:
    machine = ReadAhead(GIB)
    assert machine.read(500 * MIB, MIB) == ()
    assert machine.read(501 * MIB, MIB) == ((502 * MIB, 502 * MIB + FIRST_WINDOW),)


def test_reads_out_of_order_are_one_reader() -> None:
    machine, step, rng = ReadAhead(GIB), 128 * KIB, random.Random(3)
    order = [at for base in range(0, 256 * MIB, 8 * step) for at in rng.sample(range(base, base + 8 * step, step), 8)]
    fetched = ahead(machine, [(at, step) for at in order])
    assert sum(end - start for start, end in fetched) <= 256 * MIB + LIMIT
    assert fetched[-1][1] >= 256 * MIB, "it kept ahead"


@pytest.mark.parametrize("step", [LARGE, 20 * MIB, LIMIT])
def test_large_steps_are_fetched_ahead_as_they_will_be_asked_for(step: int) -> None:
    machine, size = ReadAhead(7 * step + 5), 7 * step + 5
    steps = [(at, min(size, at + step)) for at in range(4, size, step)]
    fetched = ahead(machine, [(start, end - start) for start, end in steps])
    assert fetched == steps[2:], "two reads show that it goes forward"


def test_several_readers_share_the_limit() -> None:
    machine, step = ReadAhead(8 * GIB), 256 * KIB
    starts = [0, 2 * GIB, 4 * GIB, 6 * GIB]
    reads = [(start + at, step) for at in range(0, 256 * MIB, step) for start in starts]
    fetched = ahead(machine, reads)
    for start in starts:
        own = [item for item in fetched if start <= item[0] < start + GIB]
        assert own[-1][1] >= start + 256 * MIB
        assert max(end - begin for begin, end in own[5:]) <= LIMIT // 4


def test_random_reads_fetch_nothing_ahead() -> None:
    machine, rng = ReadAhead(10 * GIB), random.Random(5)
    assert ahead(machine, [(rng.randrange(1, 10 * GIB), 4 * KIB) for _ in range(5000)]) == []


def test_random_reads_do_not_push_a_forward_reader_out() -> None:
    machine, rng = ReadAhead(10 * GIB), random.Random(6)
    for at in range(0, 64 * MIB, MIB):
        machine.read(at, MIB)
        ahead(machine, [(rng.randrange(GIB, 10 * GIB), 4 * KIB) for _ in range(20)])
    assert machine.read(64 * MIB, 32 * MIB) != ()


@pytest.mark.parametrize("width", [10 * MIB, -10 * MIB])
def test_equal_steps_are_foreseen(width: int) -> None:
    machine = ReadAhead(10 * GIB)
    reads = [(5 * GIB + width * step, 64 * KIB) for step in range(50)]
    fetched = ahead(machine, reads)
    assert set(reads[3:]) <= {(start, end - start) for start, end in fetched}
    assert len(fetched) == len(set(fetched))


@given(st.integers(1, 64 * MIB), st.lists(st.tuples(st.integers(0, 70 * MIB), st.integers(0, 20 * MIB)), max_size=60))
def test_whatever_is_read(size: int, reads: list[tuple[int, int]]) -> None:
    machine = ReadAhead(size, limit=8 * MIB)
    for offset, length in reads:
        fetched = machine.read(offset, length)
        assert all(0 <= start < end <= size for start, end in fetched)
        assert sum(end - start for start, end in fetched) <= max(8 * MIB, length)


def test_places_that_are_remembered_have_a_limit() -> None:
    """The 33rd candidate and the 17th reader push out the one that was used longest ago."""
    for count, known in ((32, True), (33, False)):
        machine = ReadAhead(2000 * GIB)
        for number in range(count):
            machine.read(GIB * (number * number + 3), MIB)
        assert bool(machine.read(3 * GIB + MIB, MIB)) is known
    for count, known in ((16, True), (17, False)):
        machine = ReadAhead(2000 * GIB)
        for number in range(count):
            for step in range(2):
                machine.read(GIB * (number * number + 3) + step * MIB, MIB)
        fetched = machine.read(3 * GIB + 2 * MIB, 2 * MIB)
        assert bool(fetched) is known


def test_how_near_a_second_read_must_be() -> None:
    """Twice its length for reads of more than 64 KiB; small ones follow exactly."""
    for length, gap, follows in (
        (64 * KIB, 0, True),
        (64 * KIB, 1, False),
        (64 * KIB + 1, 2 * (64 * KIB + 1), True),
        (64 * KIB + 1, 2 * (64 * KIB + 1) + 1, False),
        (4 * KIB, 0, True),
    ):
        machine = ReadAhead(GIB)
        machine.read(10 * MIB, length)
        assert bool(machine.read(10 * MIB + length + gap, length)) is follows, (length, gap)


@pytest.mark.parametrize("width", [10 * MIB, -10 * MIB])
def test_the_third_equal_step_shows_the_direction(width: int) -> None:
    machine, start, length = ReadAhead(10 * GIB), 5 * GIB, 512
    steps = [start + width * step for step in range(3)]
    for at in steps[:2]:
        assert machine.read(at, length) == ()
    fetched = machine.read(steps[2], length)
    assert fetched == tuple((steps[2] + width * n, steps[2] + width * n + length) for n in range(1, 9))


def test_equal_steps_are_foreseen_down_to_the_first_byte() -> None:
    machine = ReadAhead(GIB)
    assert ahead(machine, [(step * 10 * MIB, 512) for step in (4, 3, 2)]) == [(10 * MIB, 10 * MIB + 512), (0, 512)]


def test_of_steps_with_reads_longer_than_the_limit_the_next_one_is_foreseen() -> None:
    machine = ReadAhead(10 * GIB, limit=MIB)
    steps = [(GIB + step * 100 * MIB, 2 * MIB) for step in range(4)]
    fetched = ahead(machine, steps[:3])
    assert fetched == [(steps[3][0], steps[3][0] + 2 * MIB)]


def test_sizes_from_which_on_steps_are_large_and_what_is_ahead_at_most() -> None:
    machine = ReadAhead(10 * GIB)
    assert (machine.limit, LIMIT, LARGE, FIRST_WINDOW) == (32 * MIB, 32 * MIB, 8 * MIB, MIB)
    for length, window in ((LARGE - 1, MIB), (LARGE, LARGE)):
        machine = ReadAhead(10 * GIB)
        assert machine.read(GIB, length) == ()
        assert machine.read(GIB + length, length) == ((GIB + 2 * length, GIB + 2 * length + window),)


def test_the_windows_of_a_forward_reader() -> None:
    """They double as long as less than half of one is ahead, up to the limit; small rests are left for later."""
    machine, size = ReadAhead(20 * MIB, limit=4 * MIB), 20 * MIB
    fetched = [(at // MIB, machine.read(at, MIB)) for at in range(0, size, MIB)]
    found = [f"{at}: {start / MIB:g}-{end / MIB:g}" for at, ranges in fetched for start, end in ranges]
    assert found == [
        "0: 1-2",
        "1: 2-4",
        "2: 4-7",
        "4: 7-9",
        "6: 9-11",
        "8: 11-13",
        "10: 13-15",
        "12: 15-17",
        "14: 17-19",
        "15: 19-20",
    ]
    machine.limit_to(MIB)
    assert machine.limit == MIB
