"""The part machine: every transfer ends, one bad part does not restart the others, limits hold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.core import machine as m
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.retry import RetryPolicy
from tests.support.examples import examples


@dataclass
class Fixed:
    """A pace that never changes."""

    slots: int
    failures: int = 0

    def failed(self, failure: Failure, now: float) -> None:
        self.failures += 1


TEMPORARY = [Kind.NETWORK, Kind.TIMEOUT, Kind.THROTTLE, Kind.SERVER, Kind.EXPIRED, Kind.REDIRECT, Kind.CORRUPT]


class Run:
    """Plays loop and network for a machine; time is a number."""

    def __init__(self, machine: m.Machine, seed: int, fail: float, kinds: list[Kind]) -> None:
        self.machine = machine
        self.random = random.Random(seed)
        self.fail, self.kinds = fail, kinds
        self.now = 0.0
        self.running: set[int] = set()
        self.started: list[int] = []
        self.done: list[int] = []
        self.wakes: list[float] = []
        self.end: m.Instruction | None = None
        self.most = 0

    def handle(self, event: m.Event) -> None:
        for instruction in self.machine.handle(event, self.now):
            assert self.end is None, "nothing may come after the end"
            if isinstance(instruction, m.Start):
                assert instruction.number not in self.running
                assert instruction.number not in self.done
                self.running.add(instruction.number)
                self.started.append(instruction.number)
            elif isinstance(instruction, m.CancelPart):
                self.running.remove(instruction.number)
            elif isinstance(instruction, m.Wake):
                self.wakes.append(self.now + instruction.delay)
            elif isinstance(instruction, m.Finished | m.Failed):
                self.end = instruction
        self.most = max(self.most, len(self.running))

    def play(self, parts: int) -> None:
        self.handle(m.PartsAdded(range(1, parts + 1), True))
        for _ in range(100_000):
            if self.end is not None:
                return
            if self.running and (not self.wakes or self.random.random() < 0.7):
                self.now += self.random.random()
                number = self.random.choice(sorted(self.running))
                self.running.remove(number)
                if self.random.random() < self.fail:
                    self.handle(m.PartFailed(number, Failure(self.random.choice(self.kinds), "no")))
                else:
                    self.done.append(number)
                    self.handle(m.PartSucceeded(number, 1))
            else:
                assert self.wakes, "stuck: nothing runs and nothing will wake it"
                self.wakes.sort()
                self.now = max(self.now, self.wakes.pop(0))
                self.handle(m.Woken())
        raise AssertionError("it does not end")


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40), st.floats(0, 0.6), st.integers(1, 8))
def test_every_transfer_ends(seed: int, parts: int, fail: float, slots: int) -> None:
    run = Run(m.Machine(RetryPolicy(), Fixed(slots), random.Random(seed).random), seed, fail, TEMPORARY)
    run.play(parts)
    assert run.most <= slots
    assert not run.running
    if isinstance(run.end, m.Finished):
        assert sorted(run.done) == list(range(1, parts + 1))


def test_a_bad_part_does_not_restart_the_others() -> None:
    run = Run(m.Machine(RetryPolicy(), Fixed(4), random.Random(1).random), 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded(range(1, 5), True))
    run.running.remove(2)
    run.handle(m.PartFailed(2, Failure(Kind.SERVER, "500")))
    assert run.running == {1, 3, 4}
    run.play(0)
    assert isinstance(run.end, m.Finished)
    assert sorted(run.started) == [1, 2, 2, 3, 4]


def test_what_cannot_be_retried_ends_it_at_once() -> None:
    run = Run(m.Machine(RetryPolicy(), Fixed(4), random.Random(1).random), 1, 1.0, [Kind.CHANGED])
    run.play(10)
    assert isinstance(run.end, m.Failed)
    assert run.end.failure.kind is Kind.CHANGED
    assert not run.running


def test_a_network_that_is_away_ends_with_the_budget() -> None:
    run = Run(m.Machine(RetryPolicy(budget=100), Fixed(2), random.Random(1).random), 1, 1.0, [Kind.NETWORK])
    run.play(5)
    assert isinstance(run.end, m.Failed)
    assert 90 < run.now < 200


def test_stop_cancels_what_runs() -> None:
    run = Run(m.Machine(RetryPolicy(), Fixed(3), random.Random(1).random), 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded(range(1, 10), True))
    run.handle(m.Stop(Failure(Kind.FATAL, "stopped")))
    assert isinstance(run.end, m.Failed)
    assert not run.running


def test_parts_may_come_later() -> None:
    run = Run(m.Machine(RetryPolicy(), Fixed(3), random.Random(1).random), 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded([1], False))
    run.running.remove(1)
    run.handle(m.PartSucceeded(1, 1))
    assert run.end is None
    run.handle(m.PartsAdded([], True))
    assert isinstance(run.end, m.Finished)


@given(st.integers(0, 2**32), st.floats(1, 240), st.integers(1, 12))
@examples(60)
def test_a_network_that_is_away_for_minutes_is_survived(seed: int, outage: float, parts: int) -> None:
    """With the default policy; every request fails at once until the network is back."""
    machine = m.Machine(RetryPolicy(), Fixed(4), random.Random(seed).random)
    run = Run(machine, seed, 0.0, TEMPORARY)
    run.handle(m.PartsAdded(range(1, parts + 1), True))
    while run.end is None:
        if run.running:
            number = min(run.running)
            run.running.remove(number)
            if run.now < outage:
                run.handle(m.PartFailed(number, Failure(Kind.NETWORK, "connection refused")))
            else:
                run.done.append(number)
                run.handle(m.PartSucceeded(number, 1))
        else:
            run.now = max(run.now, run.wakes.pop(run.wakes.index(min(run.wakes))))
            run.handle(m.Woken())
    assert isinstance(run.end, m.Finished)
    assert sorted(run.done) == list(range(1, parts + 1))
    assert run.now < outage + 21, "and noticed soon after: the longest wait is 20 s"


def test_progress_of_others_keeps_a_part_alive() -> None:
    """A part that fails for longer than the budget is no dead network while others move; one that fails alone is."""
    machine = m.Machine(RetryPolicy(budget=30), Fixed(2), random.Random(1).random)
    run = Run(machine, 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded(range(1, 200), True))
    while run.end is None and run.now < 120:
        run.now += 1.0
        for number in sorted(run.running):
            run.running.remove(number)
            if number == 1:
                run.handle(m.PartFailed(1, Failure(Kind.NETWORK, "reset")))
            else:
                run.done.append(number)
                run.handle(m.PartSucceeded(number, 1))
        while run.wakes and min(run.wakes) <= run.now:
            run.wakes.remove(min(run.wakes))
            run.handle(m.Woken())
    assert run.end is None


@pytest.mark.parametrize("progress", [False, True])
def test_progress_inside_a_part_keeps_it_alive(progress: bool) -> None:
    """A line that cuts each answer moves for as long as it takes; a few bytes each time are no progress."""
    machine = m.Machine(RetryPolicy(budget=30), Fixed(1), random.Random(1).random)
    run = Run(machine, 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded([1], True))
    delays: list[float] = []
    while run.end is None and run.now < 300:
        run.now += 5.0
        run.running.remove(1)
        delays += [
            i.delay
            for i in machine.handle(m.PartFailed(1, Failure(Kind.TIMEOUT, "cut"), progress), run.now)
            if isinstance(i, m.Retrying)
        ]
        if machine.over:
            break
        run.now += delays[-1]
        run.handle(m.Woken())
    assert machine.over is not progress
    if not machine.over:
        assert max(delays) <= RetryPolicy().base


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 16), st.floats(1, 600), st.floats(1, 120))
@examples(25)
def test_parts_that_only_drip_end_with_the_budget(
    seed: int, parts: int, slots: int, budget: float, timeout: float
) -> None:
    """Each attempt is cut after its stall time-out: the bytes that came meanwhile are no progress, only a part is."""
    machine = m.Machine(RetryPolicy(budget=budget), Fixed(slots), random.Random(seed).random)
    run = Run(machine, seed, 1.0, [Kind.TIMEOUT])
    run.handle(m.PartsAdded(range(1, parts + 1), True))
    while run.end is None:
        if run.running:
            run.now += timeout
            for number in sorted(run.running):
                if number in run.running:
                    run.running.remove(number)
                    run.handle(m.PartFailed(number, Failure(Kind.TIMEOUT, "drip")))
        else:
            run.now = max(run.now, run.wakes.pop(run.wakes.index(min(run.wakes))))
            run.handle(m.Woken())
    assert isinstance(run.end, m.Failed)
    rounds = 1 + parts // slots  # until the turn of a part comes again
    assert run.now <= budget + (2 * timeout + 21) * (rounds + 1)


def test_an_illegal_transition_is_our_bug_and_says_which() -> None:
    machine = m.Machine(RetryPolicy(), Fixed(2), random.Random(1).random)
    machine.handle(m.PartsAdded(range(1, 4), True), 0.0)
    with pytest.raises(m.IllegalTransition, match="part 3 is pending and can't succeed"):
        machine.handle(m.PartSucceeded(3, 1), 0.0)
    machine.handle(m.PartSucceeded(1, 1), 0.0)
    with pytest.raises(m.IllegalTransition, match="part 1 is done and can't fail"):
        machine.handle(m.PartFailed(1, Failure(Kind.SERVER, "500")), 0.0)
    machine.handle(m.Stop(Failure(Kind.FATAL, "stopped")), 0.0)
    with pytest.raises(m.IllegalTransition, match="part 2 is cancelled and can't succeed"):
        machine.handle(m.PartSucceeded(2, 1), 0.0)


@given(st.sampled_from(list(m.State)), st.sampled_from(list(m.Change)))
def test_every_transition_is_in_the_table_or_refused(state: m.State, change: m.Change) -> None:
    machine = m.Machine(RetryPolicy(), Fixed(1), random.Random(1).random)
    machine._states[1] = state
    if (state, change) in m.TRANSITIONS:
        machine._move(1, change)
        assert machine._states[1] is m.TRANSITIONS[state, change]
    else:
        with pytest.raises(m.IllegalTransition):
            machine._move(1, change)
        assert machine._states[1] is state


def test_a_part_that_lags_is_cut_and_asked_for_again() -> None:
    machine = m.Machine(RetryPolicy(), Fixed(2), random.Random(1).random)
    assert machine.handle(m.PartsAdded(range(1, 3), True), 0.0) == [m.Start(1, 1), m.Start(2, 1)]
    assert machine.handle(m.PartLags(2), 1.0) == [m.CancelPart(2), m.Start(2, 2)]
    assert machine.handle(m.PartSucceeded(1, 1), 1.0) == []
    assert machine.handle(m.PartSucceeded(2, 1), 2.0) == [m.Finished()]


def test_every_failure_that_is_tried_again_reaches_the_pace() -> None:
    pace = Fixed(4)
    run = Run(m.Machine(RetryPolicy(), pace, random.Random(1).random), 1, 0.0, TEMPORARY)
    run.handle(m.PartsAdded(range(1, 5), True))
    for number, kind in enumerate((Kind.THROTTLE, Kind.NETWORK, Kind.CORRUPT), start=1):
        run.running.remove(number)
        run.handle(m.PartFailed(number, Failure(kind, "no")))
    assert pace.failures == 3
    run.running.remove(4)
    run.handle(m.PartFailed(4, Failure(Kind.CHANGED, "changed")))
    assert pace.failures == 3, "the last failure is none that is tried again"


@given(st.integers(0, 30), st.integers(1, 10), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=5))
def test_parts_that_wait_are_counted_and_none_is_lost(count: int, slots: int, most: int, asked: list[int]) -> None:
    machine = m.Machine(RetryPolicy(), Fixed(slots), lambda: 0.5)
    drawn: list[int] = []

    def parts() -> Iterator[int]:
        for number in range(1, count + 1):
            drawn.append(number)
            yield number

    run = Run(machine, 1, 0.0, [])
    assert machine.waiting(most) is None, "more may be added"
    run.handle(m.PartsAdded(parts(), last=True))
    left = max(0, count - slots)
    assert machine.waiting(most) == (left if left <= most else None)
    assert len(drawn) <= slots + most + 1, "no more are taken than have to be counted"
    assert machine.starving is (left == 0)
    while run.running:
        number = min(run.running)
        run.running.remove(number)
        run.handle(m.PartSucceeded(number, 1))
        for ask in asked:
            machine.waiting(ask)
    assert run.started == list(range(1, count + 1))


def test_parts_that_may_still_be_added_are_unknown() -> None:
    machine = m.Machine(RetryPolicy(), Fixed(1), lambda: 0.5)
    machine.handle(m.PartsAdded([1, 2, 3], last=False), 0.0)
    assert machine.waiting(10) is None
    machine.handle(m.PartsAdded([], last=True), 0.0)
    assert machine.waiting(10) == 2


@given(st.data(), st.integers(0, 40), st.integers(1, 6))
def test_a_look_at_what_waits_changes_nothing(data: st.DataObject, parts: int, slots: int) -> None:
    """Of two machines to which the same happens, one is asked all the time: what failed begins in order, too."""
    asked, other = (m.Machine(RetryPolicy(), Fixed(slots), lambda: 0.5) for _ in range(2))
    running, wakes, now = set[int](), list[float](), 0.0
    event: m.Event = m.PartsAdded(range(1, parts + 1), last=True)
    for _ in range(10 * parts + 10):
        asked.waiting(data.draw(st.integers(0, 12)))
        instructions = asked.handle(event, now)
        assert instructions == other.handle(event, now)
        for instruction in instructions:
            if isinstance(instruction, m.Start):
                running.add(instruction.number)
            elif isinstance(instruction, m.Wake):
                wakes.append(now + instruction.delay)
        if asked.over:
            return
        if running and (not wakes or data.draw(st.booleans())):
            number = data.draw(st.sampled_from(sorted(running)))
            running.remove(number)
            fails = len(wakes) < 5 and data.draw(st.booleans())
            event = m.PartFailed(number, Failure(Kind.SERVER, "500")) if fails else m.PartSucceeded(number, 1)
        else:
            now = max(now, wakes.pop(wakes.index(min(wakes))))
            event = m.Woken()


def test_a_part_that_failed_is_tried_again_before_those_that_were_counted() -> None:
    machine = m.Machine(RetryPolicy(), Fixed(1), lambda: 0.5)
    machine.handle(m.PartsAdded(range(1, 9), last=True), 0.0)
    machine.handle(m.PartFailed(1, Failure(Kind.SERVER, "500")), 0.0)
    assert machine.waiting(20) == 6
    assert machine.handle(m.PartSucceeded(2, 1), 60.0) == [m.Start(1, 2)]
