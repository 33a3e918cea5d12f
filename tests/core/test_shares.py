"""Simulated split jobs: all parts move, late and slow processes cost little, and hardly a part moves twice."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.shares import LEAST, MOST, PATIENCE, Schedule
from s3amfs.core.split_job import Share

LOOK = 1.0


class Simulated:
    """Processes that see each other's finished parts when they look. rates: parts per second; 0: never started."""

    def __init__(self, parts: int, rates: list[float]) -> None:
        self.parts, self.rates = parts, rates
        self.there: set[int] = set()
        self.sent = 0

    def run(self, dies: dict[int, float] | None = None) -> float:
        """Seconds until all is there. dies: process -> time of its death."""
        of, dies = len(self.rates), dies or {}
        schedules = [Schedule(Share(index, of), self.parts) for index in range(1, of + 1)]
        events: list[tuple[float, int, int, list[int]]] = []
        """(time, process, part that is there then, the rest of its batch)"""
        for who, rate in enumerate(self.rates):
            if rate:
                heapq.heappush(events, (0.0, who, 0, []))
        missing, now = set(range(1, self.parts + 1)), 0.0
        while missing:
            now, who, done, rest = heapq.heappop(events)
            if now >= dies.get(who, float("inf")):
                continue
            if done:
                self.there.add(done)
                missing.discard(done)
                self.sent += 1
            if not rest:
                rest = schedules[who].next_batch(missing.copy(), now)
                assert len(rest) <= MOST
            if rest:
                heapq.heappush(events, (now + 1 / self.rates[who], who, rest[0], rest[1:]))
            else:
                heapq.heappush(events, (now + LOOK, who, 0, []))
        return now


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0])
def test_equal_processes_send_nothing_twice(count: int, rate: float) -> None:
    simulated = Simulated(100 * count, [rate] * count)
    assert simulated.run() <= 1.05 * 100 / rate
    assert simulated.sent == 100 * count


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("rate", [1.0, 2.0, 10.0])
def test_a_slow_process_costs_at_most_a_tenth(count: int, rate: float) -> None:
    rates = [rate / 10] + [rate] * (count - 1)
    parts = int(120 * sum(rates))  # of two minutes
    simulated = Simulated(parts, rates)
    assert simulated.run() <= 1.1 * parts / sum(rates)
    assert simulated.sent - parts <= MOST


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_dead_process_is_replaced(count: int) -> None:
    parts = 200 * count
    simulated = Simulated(parts, [4.0] * count)
    assert simulated.run({0: 10.0}) <= 1.1 * (parts - 40) / (4.0 * (count - 1)) + PATIENCE
    assert simulated.sent - parts <= LEAST * count


def test_processes_that_never_start_are_replaced() -> None:
    simulated = Simulated(200, [5.0, 0.0, 5.0, 0.0])
    assert simulated.run() <= 1.1 * 20 + PATIENCE
    assert simulated.sent - 200 <= 2 * LEAST


def test_help_stays_away_from_what_an_owner_has_in_hand() -> None:
    schedule, missing = Schedule(Share(1, 2), 200), list(range(2, 201, 2))
    assert min(schedule.next_batch(missing, 0.0)) > missing[MOST - 1]
    assert schedule.next_batch(missing[:MOST], 1.0) == []
    assert min(schedule.next_batch(missing[1:MOST], 9.0)) > missing[LEAST]  # a slow one: it has less in hand


@given(st.integers(1, 120), st.lists(st.floats(0.05, 20), min_size=1, max_size=5), st.data())
def test_all_parts_move(parts: int, rates: list[float], draw: st.DataObject) -> None:
    simulated = Simulated(parts, rates)
    simulated.run({who: draw.draw(st.floats(0, 30)) for who in range(1, len(rates)) if draw.draw(st.booleans())})
    assert simulated.there == set(range(1, parts + 1))


def test_help_comes_for_an_owner_that_needs_four_times_as_long() -> None:
    """And a look longer: what this process would need is not known to a second."""
    for theirs, helps in ((6, True), (60, False)):
        schedule = Schedule(Share(1, 2), 2000)
        hers = list(range(2, 2001, 2))
        assert schedule.next_batch([1, 3, *hers], 0.0)[0] == 1
        assert schedule.next_batch([*hers], 1.0), "two in a second"
        moved = hers[theirs:]
        batch = schedule.next_batch(moved[:LEAST], 60.0)
        assert bool(batch) is helps, theirs


def test_who_moves_parts_of_its_own_helps_nobody() -> None:
    schedule, theirs = Schedule(Share(1, 2), 200), list(range(2, 201, 2))
    assert schedule.next_batch([1, 3, 5, 7, 9, *theirs], 0.0) == [1, 3, 5, 7]
    assert schedule.next_batch([5, 7, 9, *theirs], 1.0, moving=[5, 7]) == [9]
    assert schedule.next_batch([9, *theirs], 2.0, moving=[9]) == []
    helped = schedule.next_batch(theirs, 3.0)
    assert helped
    assert set(schedule.next_batch(theirs, 4.0, moving=helped)).isdisjoint(helped)


def test_parts_of_an_owner_that_end_in_any_order_are_seen() -> None:
    """Its second and third part are there, the first one is not: it moves, and nobody takes what it has in hand."""
    schedule, theirs = Schedule(Share(1, 2), 16), list(range(2, 17, 2))
    schedule.next_batch([1, *theirs], 0.0)
    assert schedule.next_batch([2, 8, 10, 12], 8.0) == []


def test_parts_that_ended_before_the_first_one_still_count_once_it_is_there() -> None:
    """Of each four parts the first one ends last: no look takes the owner for slower than it is."""
    schedule, theirs = Schedule(Share(1, 2), 400), list(range(2, 401, 2))
    ended = [theirs[row + place] for row in range(0, 40, 4) for place in (1, 2, 3, 0)]
    schedule.next_batch([1, *theirs], 0.0)
    for count in range(len(ended)):
        schedule.next_batch([1, *(n for n in theirs if n not in ended[:count])], count / 4, moving=[1])
    hers = [n for n in theirs if n not in ended]
    assert schedule.next_batch(hers[:20], 10.0) == [], "at four parts a second it has them all in hand"


def test_parts_that_are_missing_again_leave_their_owner_no_progress_below_zero() -> None:
    """`finish` has dropped the records of a download: its owner moves nothing, and is helped."""
    schedule, theirs = Schedule(Share(1, 2), 12), list(range(2, 13, 2))
    schedule.next_batch([1, *theirs[4:]], 0.0)
    schedule.next_batch([1, *theirs], 1.0, moving=[1])
    assert schedule.next_batch(theirs, 9.0)


@pytest.mark.parametrize(("of", "rows"), [(3, [399, 396]), (4, [400, 396, 392])])
def test_helpers_of_a_share_begin_at_its_end_each_in_a_row_of_its_own(of: int, rows: list[int]) -> None:
    theirs = list(range(of, 401, of))
    batches = []
    for index in range(1, of):
        schedule = Schedule(Share(index, of), 400)
        assert schedule.next_batch([index, *theirs], 0.0) == [index]
        batches.append(schedule.next_batch(theirs, 1.0))
    assert batches == [[row] for row in rows]


def test_a_batch_is_what_moves_in_four_seconds_at_the_mean_of_the_last_rates() -> None:
    schedule, mine, now = Schedule(Share(1, 2), 2000), list(range(1, 2001, 2)), 0.0
    taken = []
    for rate in (5.0, 10.0, 0.5, 0.5, 100.0, 100.0):
        batch = schedule.next_batch(mine, now)
        taken.append(len(batch))
        assert batch == mine[: len(batch)]
        mine, now = mine[len(batch) :], now + len(batch) / rate
    assert taken == [4, 20, 30, 16, 9, MOST]


def test_a_clock_that_stands_still_teaches_no_rate() -> None:
    schedule, mine = Schedule(Share(1, 1), 100), list(range(1, 101))
    assert [len(schedule.next_batch(mine, 5.0)) for _ in range(3)] == [LEAST] * 3


@pytest.mark.parametrize(("count", "rate", "each"), [(3, 0.5, 8), (4, 0.25, 8), (2, 0.5, 8)])
def test_what_helpers_move_does_not_make_a_dead_owner_look_alive(count: int, rate: float, each: int) -> None:
    """It had ten seconds more after each part of its front that another process had moved."""
    simulated = Simulated(each * count, [rate] * count)
    left = each * count / rate / (count - 1)
    assert simulated.run({count - 1: 0.0}) <= 1.15 * left
    assert simulated.sent - each * count <= LEAST * count


def test_an_owner_that_counted_as_dead_lives_once_it_moves_its_first_part() -> None:
    schedule, theirs = Schedule(Share(1, 2), 40), list(range(2, 41, 2))
    schedule.next_batch([1, *theirs], 0.0)
    assert schedule.next_batch(theirs[6:], 1.0) == []
    assert schedule.next_batch(theirs[6:12], 12.0) == [24], "nothing for eleven seconds"
    assert schedule.next_batch(theirs[6:11], 13.0) == [22], "24 says nothing of it"
    assert schedule.next_batch(theirs[7:11], 14.0) == [], "14 does"


def test_parts_of_a_slow_line_that_end_together_are_waited_for() -> None:
    """Four at a time, all there after 16 s: ten seconds without a new one do not make their owner dead."""
    schedule, mine, theirs = Schedule(Share(1, 2), 24), list(range(1, 25, 2)), list(range(2, 25, 2))
    now = 0.0
    for at in range(0, 12, 4):
        assert schedule.next_batch([*mine[at:], *theirs[at:]], now) == mine[at : at + 4]
        now += 16.0
    assert schedule.next_batch(theirs[8:], now - 4.0) == []


@pytest.mark.parametrize(("own", "moved", "helps"), [(3, 1, False), (4, 1, True), (1, 0, True), (4, 2, False)])
def test_an_owner_that_needs_three_times_as_long_and_a_look_more_is_helped(own: int, moved: int, helps: bool) -> None:
    """This process has moved `own` parts in eight seconds, the other one `moved` of its four."""
    schedule, mine, theirs = Schedule(Share(1, 2), 8), [1, 3, 5, 7][:own], [2, 4, 6, 8]
    assert schedule.next_batch([*mine, *theirs], 0.0) == mine
    assert bool(schedule.next_batch(theirs[moved:], 8.0)) is helps
