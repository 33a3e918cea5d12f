"""Schedules of a simulated cluster: every part moves, a slow worker costs little, a dead one what it had in hand."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.dispatch import MOST, Dispatch

LOOK = 1.0
"""Seconds between two looks of the client after idle workers."""


class Simulated:
    """A cluster on a clock of its own. rates: parts a second of each worker; 0: dead from the start."""

    def __init__(self, parts: int, rates: list[float], *, helps: bool = True, overhead: float = 0.0) -> None:
        self.dispatch = Dispatch(range(1, parts + 1), helps=helps)
        self.rates = {f"w{n}": rate for n, rate in enumerate(rates)}
        self.overhead = overhead
        self.sent: list[int] = []
        self.new: list[int] = []

    def run(self, dies: dict[str, float] | None = None) -> float:
        """Seconds until all has moved. dies: worker -> when its loss is seen."""
        now, ends, dies = 0.0, list[tuple[float, str, list[int]]](), dict(dies or {})
        while not self.dispatch.over:
            for worker, at in list(dies.items()):
                if now >= at:
                    self.dispatch.lost(worker)
                    del self.rates[worker], dies[worker]
            for worker, rate in self.rates.items():
                if not self.dispatch.is_busy(worker) and (batch := self.dispatch.next_batch(worker, now)):
                    assert len(batch) <= MOST
                    self.sent += batch
                    heapq.heappush(ends, (now + self.overhead + len(batch) / rate, worker, batch))
            waits = [now + LOOK, *(at for at, *_ in ends[:1]), *dies.values()]
            now = min(at for at in waits if at > now or (ends and at == ends[0][0]))
            while ends and ends[0][0] <= now and not self.dispatch.over:
                _, worker, batch = heapq.heappop(ends)
                if worker in self.rates:
                    self.new += self.dispatch.done(worker, batch, now)
        return now


@pytest.mark.parametrize("workers", [1, 2, 4, 8, 100])
def test_equal_workers_send_nothing_twice(workers: int) -> None:
    simulated = Simulated(workers * 100, [1.0] * workers)
    assert simulated.run() <= 100 * 1.05
    assert sorted(simulated.sent) == sorted(simulated.new) == list(range(1, workers * 100 + 1))


@pytest.mark.parametrize("helps", [True, False])
@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0])
def test_a_slow_worker_costs_at_most_a_tenth(workers: int, rate: float, helps: bool) -> None:
    rates = [rate / 10] + [rate] * (workers - 1)
    parts = 200 * (workers - 1)
    simulated = Simulated(parts, rates, helps=helps)
    ideal = parts / sum(rates)
    assert simulated.run() <= 1.1 * ideal
    assert sorted(simulated.new) == list(range(1, parts + 1))
    assert len(simulated.sent) - parts <= MOST / 10


def test_a_dead_worker_costs_what_it_had_in_hand() -> None:
    simulated = Simulated(400, [1.0] * 4)
    simulated.run(dies={"w0": 30.0})
    assert sorted(simulated.new) == list(range(1, 401))
    assert len(simulated.sent) - 400 <= 5


def test_a_worker_that_has_shown_no_rate_is_helped() -> None:
    simulated = Simulated(30, [0.001, 1.0])
    assert simulated.run() < 45
    assert sorted(simulated.new) == list(range(1, 31))


def test_a_worker_whose_helper_died_is_helped_by_another() -> None:
    dispatch = Dispatch([1, 2, 3, 4, 5, 6], helps=True)
    slow = dispatch.next_batch("slow", 0.0)
    for worker in ("fast", "other"):
        dispatch.done(worker, dispatch.next_batch(worker, 0.0), 1.0)
    assert dispatch.next_batch("fast", 100.0) == slow[::-1]
    assert dispatch.next_batch("other", 100.0) == []
    dispatch.lost("fast")
    assert dispatch.next_batch("other", 101.0) == slow[::-1]


def test_without_help_no_part_is_given_twice() -> None:
    dispatch = Dispatch([1], helps=False)
    assert dispatch.next_batch("a", 0) == [1]
    assert dispatch.next_batch("b", 1000) == []
    dispatch.lost("a")
    assert dispatch.next_batch("b", 1001) == [1]
    assert dispatch.done("b", [1], 1002) == [1]
    assert dispatch.over
    assert dispatch.done("a", [1], 1003) == []
    assert dispatch.again == {1}


@given(
    st.integers(1, 200),
    st.lists(st.floats(0.05, 20), min_size=1, max_size=6),
    st.booleans(),
    st.data(),
)
def test_every_part_moves_once(parts: int, rates: list[float], helps: bool, draw: st.DataObject) -> None:
    simulated = Simulated(parts, rates, helps=helps)
    dying = draw.draw(st.sets(st.sampled_from([f"w{n}" for n in range(1, len(rates))] or ["none"])))
    simulated.run({worker: draw.draw(st.floats(0, 50)) for worker in dying - {"none"}})
    assert sorted(simulated.new) == list(range(1, parts + 1))
    if not helps and not dying:
        assert sorted(simulated.sent) == simulated.sent


def test_a_worker_that_is_lost_before_its_first_part_changes_no_other_batch() -> None:
    sizes = []
    for loses in (False, True):
        dispatch = Dispatch(list(range(1, 401)), helps=False)
        for worker in ("one", "two"):
            dispatch.done(worker, dispatch.next_batch(worker, 0.0), 0.25)
        if loses:
            dispatch.lost("unknown")
        sizes.append(len(dispatch.next_batch("one", 1.0)))
    assert sizes[0] == sizes[1]
