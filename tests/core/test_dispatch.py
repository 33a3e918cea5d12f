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


def ready(parts: int, rates: dict[str, float], now: float = 100.0, *, helps: bool = True) -> Dispatch:
    """Each worker has shown its rate with a batch of two that ended at `now`; `parts` are left."""
    dispatch = Dispatch(range(1, parts + 2 * len(rates) + 1), helps=helps)
    for worker, rate in rates.items():
        began = now - 2 / rate
        dispatch.done(worker, dispatch.next_batch(worker, began), now)
    return dispatch


@pytest.mark.parametrize(
    ("left", "rates", "count"),
    [
        (1000, {"a": 8.0}, 40),
        (1000, {"a": 8.0, "b": 8.0}, 40),
        (1000, {"a": 16.0}, MOST),
        (40, {"a": 4.0, "b": 4.0}, 10),
        (41, {"a": 4.0, "b": 4.0}, 10),
        (44, {"a": 4.0, "b": 4.0}, 11),
        (40, {"a": 2.0, "b": 8.0}, 4),
        (3, {"a": 4.0, "b": 4.0}, 1),
        (1, {"a": 0.25}, 1),
        (6, {"a": 0.5, "b": 4.0}, 0),
        (7, {"a": 0.5, "b": 4.0}, 1),
        (8, {"a": 0.5, "b": 4.0, "c": 0.5}, 1),
        (1, {"a": 0.5, "b": 0.5}, 1),
        (6, {"a": 0.5, "b": 2.0, "c": 2.0}, 0),
        (7, {"a": 0.5, "b": 2.0, "c": 2.0}, 1),
    ],
)
def test_the_size_of_a_batch(left: int, rates: dict[str, float], count: int) -> None:
    """Five seconds, half of the time that is left, at most 64, at least one; none where others are done before that."""
    dispatch = ready(left, rates)
    first = 2 * len(rates) + 1
    assert dispatch.next_batch("a", 100.0) == list(range(first, first + count))
    assert dispatch.is_busy("a") is (count > 0)
    assert dispatch.missing == left


def test_a_batch_is_never_larger_than_asked_for() -> None:
    dispatch = Dispatch(range(1, 100), helps=True, most=1)
    assert dispatch.next_batch("a", 0.0) == [1]
    dispatch.done("a", [1], 0.1)
    assert dispatch.next_batch("a", 0.1) == [2]


def test_a_rate_is_the_mean_of_the_one_before_and_that_of_the_last_batch() -> None:
    """Of parts that the worker has sent itself; a batch that took no time, or was there already, says nothing."""
    dispatch, now, sizes = Dispatch(range(1, 1000), helps=True), 0.0, []
    for sent, seconds in ((1, 1.0), (1, 0.5), (4, 0.0), (0, 3.0), (9, 1.0)):
        batch = dispatch.next_batch("a", now)
        now += seconds
        assert dispatch.done("a", batch[:sent], now) == batch
        sizes.append(len(batch))
    assert sizes == [2, 5, 7, 7, 7]
    assert len(dispatch.next_batch("a", now)) == 21
    assert dispatch.missing == 999 - 28


def test_the_rate_of_a_worker_that_is_lost_counts_no_more() -> None:
    for lost, count in (("none", 5), ("b", 10)):
        dispatch = ready(20, {"a": 4.0, "b": 4.0})
        dispatch.lost(lost)
        assert len(dispatch.next_batch("a", 100.0)) == count


def drain(dispatch: Dispatch, worker: str, now: float) -> None:
    """`worker` moves at once all that nobody has in hand."""
    while dispatch._todo:
        dispatch.done(worker, dispatch.next_batch(worker, now), now)


@pytest.mark.parametrize(
    ("shown", "batch", "waits"),
    [
        (None, 2, {0.0: False, 2.0: False, 2.1: True}),
        (0.25, 1, {0.0: True, 2.9: True, 3.0: False, 3.9: False, 4.0: True}),
        (0.5, 2, {0.0: True, 1.9: True, 2.0: False, 3.9: False, 4.0: True}),
        (1.0, 3, {0.0: False, 2.9: False, 3.0: False, 3.1: True}),
    ],
)
def test_who_needs_more_than_twice_as_long_is_helped(shown: float | None, batch: int, waits: dict[float, bool]) -> None:
    """The helper moves two parts a second. Whoever is late is expected to need as long again as it has taken."""
    for seconds, helped in waits.items():
        dispatch = ready(22, {"fast": 2.0} | ({"slow": shown} if shown is not None else {}))
        slow = dispatch.next_batch("slow", 100.0)
        assert len(slow) == batch
        drain(dispatch, "fast", 100.0)
        assert dispatch.next_batch("fast", 100.0 + seconds) == (slow[::-1] if helped else []), seconds
        assert dispatch.helped == (set(slow) if helped else set()), seconds
        assert dispatch.next_batch("unknown", 1000.0) == [], "it has shown no rate"


def late(*hands: str) -> Dispatch:
    """Workers that have two parts each in hand since 100 s, and nothing else is left; two quick ones are idle."""
    dispatch = ready(2 * len(hands), {"fast": 2.0, "quick": 2.0})
    for worker in hands:
        assert len(dispatch.next_batch(worker, 100.0)) == 2
    return dispatch


def test_the_first_of_those_that_are_equally_late_is_helped_and_each_once() -> None:
    dispatch = late("x", "y")
    assert dispatch.next_batch("fast", 110.0) == [6, 5]
    assert dispatch.next_batch("quick", 110.0) == [8, 7], "the last batch of all, too"
    assert dispatch.done("fast", [6, 5], 111.0) == [6, 5]
    assert dispatch.next_batch("fast", 200.0) == [], "both are helped, and nobody helps a helper"
    assert dispatch.done("x", [5, 6], 201.0) == []
    assert dispatch.done("y", [7], 201.0) == [7, 8]
    assert dispatch.over
    assert dispatch.missing == 0


def test_a_loss_ends_help_for_its_own_parts_alone() -> None:
    dispatch = late("x", "y")
    assert dispatch.next_batch("fast", 110.0) == [6, 5]
    dispatch.lost("y")
    assert dispatch.again == {7, 8}
    assert dispatch.next_batch("quick", 111.0) == [7]
    dispatch.done("quick", [7], 111.1)
    assert dispatch.next_batch("quick", 111.1) == [8]
    dispatch.done("quick", [8], 111.2)
    assert dispatch.next_batch("quick", 150.0) == [], "5 and 6 are helped still"
    dispatch.lost("x")
    assert dispatch.next_batch("quick", 150.0) == [], "the helper has them in hand"
    dispatch.lost("fast")
    assert dispatch.next_batch("quick", 150.0) == [5]
    dispatch.lost("quick")
    assert dispatch.again == {5, 6, 7, 8}
    assert dispatch.next_batch("new", 160.0) == [5, 6]


def test_parts_that_were_helped_and_lost_are_helped_again() -> None:
    dispatch = late("x")
    assert dispatch.next_batch("fast", 110.0) == [4 + 2, 4 + 1]
    dispatch.lost("fast")
    dispatch.lost("x")
    assert dispatch.next_batch("y", 120.0) == [5, 6]
    assert dispatch.next_batch("quick", 200.0) == [], "a batch of parts that were helped before counts as help"
