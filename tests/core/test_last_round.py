"""The end of a transfer: what is left begins together, so that the line is full until all of it has ended."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.core.goodput import Look
from s3amfs.core.last_round import FEW_SLOTS, LastRound, looks_ahead
from s3amfs.core.lines import LineState
from s3amfs.core.pacing import Controller
from s3amfs.core.pacing_phases import Phase

STEP = 0.1


def last_round(held: int, rate: float = 0.0, base: int = 0, *, is_sure: bool = True) -> LastRound:
    return LastRound(held, rate, base or held, 100, is_sure)


def test_as_many_parts_as_slots_may_begin_at_once() -> None:
    for is_sure in (False, True):
        last = last_round(20, is_sure=is_sure)
        assert last.slots(20, 20, 1024) == 40
        assert last.slots(20, 21, 1024) == 0
        assert last.slots(20, 0, 1024) == 0
        assert last.slots(20, 20, 40) == 40
    assert last_round(FEW_SLOTS + 1).slots(1, 1, 1024) == 2
    assert last_round(FEW_SLOTS).slots(1, 1, 1024) == 0


def test_below_the_ceiling_two_halves_follow_each_other() -> None:
    last = last_round(700, base=750)
    assert last.slots(800, 900, 1024) == 850
    assert last.slots(750, 349, 1024) == 750, "no fewer than the line needs"
    assert last.slots(1024, 2 * 750 + 1024, 1024) == 0
    assert last.slots(750, 1499, 1200) == 1125
    assert last.slots(750, 1298, 1024) == 1024
    assert last.slots(750, 1299, 1024) == 0, "no more than two"
    assert last.slots(400, 300, 600) == 600, "fewer may be, since requests were turned away"
    assert last.slots(750, 1500, 1024) == 0
    assert last_round(500, base=500).slots(500, 600, 1024) == 0, "all of them begin together soon"
    assert last.slots(750, 274, 1024) == 1024
    assert last_round(700, base=750, is_sure=False).slots(800, 900, 1024) == 0, "the search for slots goes on"


@given(st.integers(1, 1024), st.integers(1, 1024), st.integers(0, 3000), st.integers(1, 1024), st.booleans())
def test_no_more_slots_than_there_may_be(base: int, in_use: int, waiting: int, most: int, is_sure: bool) -> None:
    """Also while fewer are allowed, since the server turned requests away; and none where nothing waits."""
    slots = last_round(base, is_sure=is_sure).slots(in_use, waiting, most)
    assert 0 <= slots <= min(most, in_use + waiting)
    assert not slots or (waiting and base > FEW_SLOTS)


@given(st.integers(FEW_SLOTS + 1, 1024), st.integers(1, 3000), st.integers(1, 2048))
def test_what_decides_is_counted(wanted: int, waiting: int, ceiling: int) -> None:
    """A line with all slots in use never begins its last round with more parts that wait than it asks for."""
    base = min(wanted, ceiling)
    if last_round(base).slots(base, waiting, ceiling):
        assert waiting <= looks_ahead(base, ceiling)


def test_slots_are_remembered_as_far_as_goodput_grew_with_them() -> None:
    assert last_round(20, 10e6).judge(40, 11e6, 1024) == (20, 0)
    assert last_round(20, 10e6).judge(40, 12e6, 60) == (40, 60)
    last = last_round(20, 10e6)
    assert last.judge(20, 10e6, 1024) == (20, 0)
    for rate in (18e6, 18e6, 30e6, 5e6):  # windows with the same slots compare nothing
        assert last.judge(40, rate, 1024) == (40, 80)
    assert last.judge(80, 35e6, 1024) == (40, 0), "the last window was the best, but not with more slots"
    assert last.judge(80, 1e9, 1024) == (40, 0), "the search is over"
    assert last_round(40).judge(80, 1e9, 1024) == (40, 0), "nothing to compare with"


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
        seen = parts if knows and parts <= looks_ahead(controller.slots, controller.ceiling) else None
        controller.sample(now, Look(int(moved), ended, len(left), waiting=seen))
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


@settings(deadline=None, max_examples=20)
@given(st.integers(17, 120), st.floats(2.0, 8.0), st.floats(1.0, 6.0), st.floats(1.0, 2.5), st.floats(1.0, 1.3))
def test_a_ceiling_hardly_makes_it_later(
    needed: int, seconds: float, rounds: float, room: float, margin: float
) -> None:
    """Where there may not be twice the slots: hardly later, whatever there may be. (250 drawn cases: 9 % sooner in the
    mean, 1 % and three looks later at the most.)"""
    one, slots = 1e6, math.ceil(needed * margin)
    rate, length, parts, ceiling = needed * one, seconds * one, math.ceil(rounds * slots), math.ceil(slots * room)
    with_it, without = (
        move(Controller(ceiling, known=LineState(slots, rate, 0.02)), parts, length, rate, one, knows=knows)
        for knows in (True, False)
    )
    assert with_it <= without * 1.03 + 3 * STEP


@pytest.mark.parametrize("ceiling", [30, 38, 1024])
def test_the_slots_that_were_held_come_back(ceiling: int) -> None:
    controller = Controller(ceiling, known=LineState(30, 30e6, 0.02))
    for number, waiting in enumerate((500, 15, 15, 10)):
        controller.sample(number * STEP, Look(number * 3_000_000, 0, 30, waiting=waiting))
    assert controller.phase is Phase.FINISHING
    assert controller.slots == {30: 30, 38: 30, 1024: 45}[ceiling]
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


def test_a_search_goes_on_until_all_parts_that_are_left_can_begin() -> None:
    """In its windows twice the slots are tried: as many as those may begin, and are compared with what was before."""
    controller = Controller(1024, known=LineState(224, 448e6, 0.1, tried=448))
    assert controller.phase is Phase.STARTING
    controller.sample(0.0, Look(0, 0, 448, waiting=449))
    controller.sample(0.1, Look(0, 0, 448, waiting=449))
    assert (controller.phase, controller.slots) == (Phase.STARTING, 448)
    controller.sample(0.2, Look(0, 0, 448, waiting=448))
    assert (controller.phase, controller.slots) == (Phase.FINISHING, 896)
    for number in range(3, 9):
        controller.sample(number * STEP, Look(number * 100_000_000, 0, 896, waiting=0))
    state = controller.state()
    assert state is not None
    assert (state.slots, state.tried) == (896, 1024)


def test_the_ceiling_splits_what_is_left_in_halves() -> None:
    controller = Controller(1024, known=LineState(750, 1250e6, 0.02))
    now = 0.0
    for in_use, waiting, slots in ((750, 1500, 750), (750, 1298, 1024), (900, 300, 1024), (700, 1, 1024)):
        now += STEP
        controller.sample(now, Look(0, 0, in_use, waiting=waiting))
        controller.sample(now, Look(0, 0, in_use, waiting=waiting))
        assert controller.slots == slots
    assert controller.phase is Phase.FINISHING
    controller.pause()
    assert controller.slots == 750


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
    controller.sample(20.1, Look(0, 0, slots, waiting=400))
    assert controller.phase is Phase.HOLDING


def test_the_start_has_a_ceiling_of_its_own() -> None:
    """Before anything was measured of a new line, not even a few more parts begin."""
    controller = Controller(1024)
    controller.found_latency(0.1)
    slots = controller.slots
    controller.sample(0.0, Look(0, 0, slots, waiting=1))
    controller.sample(0.1, Look(0, 0, slots, waiting=1))
    assert (controller.phase, controller.slots) == (Phase.STARTING, slots)
