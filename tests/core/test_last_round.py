"""The end of a transfer: what is left begins together, so that the line is full until all of it has ended."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.core.goodput import Look
from s3amfs.core.last_round import FEW_SLOTS, LastRound, fits
from s3amfs.core.lines import LineState
from s3amfs.core.pacing import Controller
from s3amfs.core.pacing_phases import Phase

STEP = 0.1


def test_as_many_parts_as_slots_may_begin_at_once() -> None:
    assert fits(20, 20, 20, 1024)
    assert not fits(20, 20, 21, 1024)
    assert not fits(20, 20, 0, 1024)
    assert fits(20, 20, 20, 40) and not fits(20, 20, 20, 39), "the ceiling holds"
    assert fits(FEW_SLOTS + 1, 1, 1, 1024) and not fits(FEW_SLOTS, 1, 1, 1024)


def test_slots_are_remembered_as_far_as_goodput_grew_with_them() -> None:
    assert LastRound(20, 10e6).judge(40, 11e6, 1024) == (20, 0)
    assert LastRound(20, 10e6).judge(40, 12e6, 60) == (40, 60)
    last = LastRound(20, 10e6)
    assert last.judge(40, 18e6, 1024) == (40, 80)
    assert last.judge(80, 18e6, 1024) == (40, 0)
    assert last.judge(80, 1e9, 1024) == (40, 0), "the search is over"
    assert LastRound(40).judge(80, 1e9, 1024) == (40, 0), "the search was over"


def move(controller: Controller, parts: int, length: float, rate: float, one: float, *, knows: bool) -> float:
    """Seconds for `parts` of `length` bytes over a line of `rate` bytes per second and `one` a connection.

    knows: whether the controller learns how many parts wait.
    """
    now, moved, ended, left = 0.0, 0.0, 0, list[float]()
    while parts or left:
        begin = max(0, min(parts, controller.slots - len(left)))
        parts -= begin
        left += [length] * begin
        assert len(left) <= controller.ceiling
        each = min(one, rate / len(left)) * STEP
        moved += sum(min(each, rest) for rest in left)
        ended += sum(rest <= each for rest in left)
        left = [rest - each for rest in left if rest > each]
        now += STEP
        controller.sample(now, Look(int(moved), ended, len(left), waiting=parts if knows else None))
    return now


@settings(deadline=None, max_examples=30)
@given(st.integers(17, 120), st.floats(2.0, 8.0), st.floats(1.0, 6.0), st.floats(1.0, 1.3))
def test_the_line_is_full_to_the_end(needed: int, seconds: float, rounds: float, margin: float) -> None:
    """A remembered line, on which a part takes `seconds`: never later than without the last round, and hardly later
    than the line allows."""
    one, slots = 1e6, math.ceil(needed * margin)
    rate, length, parts = needed * one, seconds * one, math.ceil(rounds * slots)
    with_it, without = (
        move(Controller(1024, known=LineState(slots, rate, 0.02)), parts, length, rate, one, knows=knows)
        for knows in (True, False)
    )
    assert with_it <= without + 3 * STEP
    assert with_it <= max(seconds, parts * length / rate) * 1.1 + 5 * STEP


@pytest.mark.parametrize("ceiling", [30, 45, 1024])
def test_the_slots_that_were_held_come_back(ceiling: int) -> None:
    controller = Controller(ceiling, known=LineState(30, 30e6, 0.02))
    for number, waiting in enumerate((500, 15, 15, 10)):
        controller.sample(number * STEP, Look(number * 3_000_000, 0, 30, waiting=waiting))
    assert (controller.phase is Phase.FINISHING) is (ceiling >= 45)
    assert controller.slots == min(ceiling, 45)
    assert controller.outlook().slots == 30, "which is remembered"
    controller.pause()
    assert (controller.phase, controller.slots) == (Phase.HOLDING, 30)


def finishing() -> Controller:
    controller = Controller(1024, known=LineState(30, 30e6, 0.02))
    for number in range(3):
        controller.sample(number * STEP, Look(number * 3_000_000, 0, 30, waiting=15))
    return controller


@pytest.mark.parametrize("waiting", [40, None])
def test_further_parts_end_it(waiting: int | None) -> None:
    """Of this transfer, or of another one."""
    controller = finishing()
    assert controller.phase is Phase.FINISHING
    controller.sample(0.4, Look(0, 0, 30, waiting=26))
    assert controller.phase is Phase.FINISHING, "a few that failed are tried again"
    controller.sample(0.5, Look(0, 0, 30, waiting=waiting))
    assert (controller.phase, controller.slots) == (Phase.HOLDING, 30)


def test_it_ends_where_requests_are_turned_away() -> None:
    controller = finishing()
    for number in range(100):
        controller.reserve(0.5 + number / 10)
        controller.turned_away(0.5 + number / 10, 45)
        if controller.phase is Phase.BACKING_OFF:
            break
    assert controller.phase is Phase.BACKING_OFF
    assert controller.slots < 45
    controller.pause()
    assert controller.phase is Phase.BACKING_OFF
    slots = controller.slots
    controller.sample(20.0, Look(0, 0, slots, waiting=1))
    controller.sample(20.1, Look(0, 0, slots, waiting=40))
    assert controller.phase is Phase.HOLDING


def test_the_start_has_a_ceiling_of_its_own() -> None:
    """Before anything was measured of a new line, not even a few more parts begin."""
    controller = Controller(1024)
    controller.found_latency(0.1)
    slots = controller.slots
    controller.sample(0.0, Look(0, 0, slots, waiting=1))
    controller.sample(0.1, Look(0, 0, slots, waiting=1))
    assert (controller.phase, controller.slots) == (Phase.STARTING, slots)
