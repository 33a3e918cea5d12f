"""The controller of slots: it finds what a line can carry, keeps looking, and stays within its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.core.goodput import Look
from s3amfs.core.lines import LineState, start_slots
from s3amfs.core.pacing import Controller
from s3amfs.core.pacing_phases import TRANSITIONS, Phase, Verdict
from tests.support.examples import examples
from tests.support.simulated_line import MB, Line, cold, course


def test_a_long_line_is_full_from_the_first_second() -> None:
    line = Line(cold(0.08), 60 * MB, 2 * MB)
    assert line.run(1) >= 0.99 * 60 * MB
    assert line.run(30) >= 0.99 * 60 * MB


def test_slots_double_until_a_near_line_is_full() -> None:
    line = Line(cold(0.001), 1250 * MB, 10 * MB)
    line.run(3)
    assert line.run(5) >= 0.97 * 1250 * MB
    assert line.controller.slots <= 200


def test_the_smaller_of_two_equal_settings_is_kept() -> None:
    line = Line(cold(0.2), 10 * MB, 5 * MB)
    line.run(60)
    assert line.controller.slots <= 8
    assert line.run(10) >= 0.97 * 10 * MB


@examples(60)
@given(
    st.floats(0.2, 1000),
    st.floats(0.2, 100),
    st.sampled_from([0.0005, 0.02, 0.1, 0.3]),
    st.floats(0, 0.05),
    st.booleans(),
)
def test_goodput_is_near_that_of_the_line(rate: float, one: float, latency: float, noise: float, halves: bool) -> None:
    """After the start, whatever the line; and again after it has become another one."""
    line = Line(cold(latency), rate * MB, one * MB, noise)
    line.run(8)
    possible = min(line.rate, 1024 * line.one)
    assert line.run(20) >= 0.93 * possible
    line.rate = rate * MB / 2 if halves else rate * MB * 2
    line.run(6)
    assert line.run(10) >= 0.9 * min(line.rate, 1024 * line.one)


def test_it_goes_on_probing_up_and_down() -> None:
    line = Line(cold(0.08), 60 * MB, 2 * MB)
    line.run(300)
    late = line.phases[2000:]
    assert Phase.PROBING_UP in late
    assert Phase.PROBING_DOWN in late


def test_a_line_that_doubles_is_filled_within_seconds() -> None:
    line = Line(cold(0.08), 60 * MB, 2 * MB)
    line.run(60)
    line.rate = 120 * MB
    line.run(4)
    assert line.run(2) >= 0.95 * 120 * MB


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("sntc"), st.just(0) | st.integers(0, 10**9), st.floats(0.01, 3)), max_size=80),
    st.integers(1, 64),
)
def test_slots_keep_to_their_limits(steps: list[tuple[str, int, float]], ceiling: int) -> None:
    """Whatever happens, and no transition that the table does not have."""
    controller, now, moved = Controller(ceiling), 0.0, 0
    for what, count, seconds in steps:
        now += seconds
        moved += count
        in_use = count % (controller.slots + 1)
        if what == "s":
            controller.sample(now, Look(moved, count % 1000, controller.slots))
        elif what == "n":
            waiting = count % 40 if count % 3 else None
            controller.sample(now, Look(moved, count % 1000, in_use, 0.0, waiting, count % (in_use + 1)))
        else:
            controller.reserve(now)
            (controller.turned_away if what == "t" else controller.cut_off)(now, in_use)
        assert 1 <= controller.slots <= ceiling


@pytest.mark.parametrize("stalls_at", [0.0, 10.0])
def test_a_line_that_stalls_is_judged_on(stalls_at: float) -> None:
    """A first byte that takes seconds; a server that says nothing for a while."""
    controller, moved, now = Controller(1024), 0, 0.0
    while now < 30.0:
        now += 0.1
        moved += 0 if stalls_at <= now < stalls_at + 5.0 else controller.slots * MB // 10
        controller.sample(now, Look(moved, 0, controller.slots))
    assert controller.slots > 64
    assert controller.rate > 0


def test_too_little_to_do_decides_nothing() -> None:
    line = Line(cold(0.001), 1000 * MB, 1 * MB, supply=3)
    line.run(30)
    assert line.controller.slots == start_slots(0.001, 1024)


def test_slots_whose_requests_wait_for_their_turn_decide_nothing() -> None:
    """The line is not full as long as the server takes their requests one after the other: no reason to stop at a
    number, nor to remember it."""
    controller, now, moved, begun = cold(0.1), 0.0, 0.0, 0.0
    for _ in range(100):
        controller.reserve(now)
    controller.turned_away(0.05, 80)
    while now < 15.0:
        now += 0.1
        begun = min(controller.slots, begun + 5)  # 50 per second
        moved += begun * MB * 0.1
        look = Look(int(moved), 0, controller.slots, held_up=controller.slots - int(begun))
        controller.sample(now, look)
        assert controller.phase is Phase.STARTING
    assert controller.slots > 400
    state = controller.state()
    assert state is not None
    assert begun * 0.8 <= state.slots <= begun * 1.2


def test_a_machine_that_is_busy_gets_no_more_slots() -> None:
    line = Line(cold(0.001), 1000 * MB, 1 * MB, worked=1.0)
    line.run(30)
    assert line.controller.slots <= start_slots(0.001, 1024)


def test_a_burst_that_is_turned_away_limits_requests_and_only_then_slots() -> None:
    line = Line(cold(0.08), 60 * MB, 2 * MB)
    line.run(5)
    before = line.controller.slots

    def refuse(line: Line) -> None:
        for _ in range(10):
            line.controller.reserve(line.now)
            line.controller.turned_away(line.now, line.controller.slots)

    line.run(1, refuse)
    assert line.controller.slots >= before / 2, "one burst is answered by fewer requests per second"
    assert (line.controller.reserve(line.now), line.controller.reserve(line.now)) != (0.0, 0.0)
    line.run(10, refuse)
    assert line.controller.slots < before / 2
    assert Phase.BACKING_OFF in line.phases
    line.run(60)
    assert line.run(10) >= 0.95 * 60 * MB, "and it recovers"


def test_a_few_connections_that_are_cut_change_nothing() -> None:
    controller = cold(0.08)
    line = Line(controller, 60 * MB, 2 * MB)

    def cut(line: Line) -> None:
        for _ in range(10):
            controller.reserve(line.now)
        controller.cut_off(line.now, controller.slots)

    line.run(20, cut)
    assert Phase.BACKING_OFF not in line.phases


def test_a_fixed_number_is_kept_but_for_throttling() -> None:
    controller = Controller(16, fixed=16)
    line = Line(controller, 60 * MB, 2 * MB)
    line.run(20)
    assert set(line.slots) == {16}
    assert controller.state() is None

    def refuse(line: Line) -> None:
        controller.reserve(line.now)
        controller.turned_away(line.now, controller.slots)

    line.run(6, refuse)
    assert controller.slots < 16
    line.run(10)
    assert controller.slots == 16


def test_what_is_remembered_is_where_it_starts() -> None:
    line = Line(cold(0.08), 60 * MB, 1 * MB)
    line.run(30)
    state = line.controller.state()
    assert state is not None
    again = Line(Controller(1024, known=state), 60 * MB, 1 * MB)
    assert again.controller.slots == state.slots
    assert again.run(2) >= 0.97 * 60 * MB
    assert Controller(10, known=LineState(200)).slots == 10, "never above the ceiling"


def test_copies_are_judged_by_whole_parts_only() -> None:
    controller = Controller(64, lumpy=True)
    for second in range(100):
        controller.sample(second / 10, Look(0, 0, controller.slots))
    assert controller.slots == start_slots(None, 64), "nothing has ended, so nothing is known"


@given(st.sampled_from(list(Phase)), st.sampled_from(list(Verdict)))
def test_a_transition_is_in_the_table_or_a_bug(phase: Phase, verdict: Verdict) -> None:
    controller = Controller(8)
    controller.phase = phase
    if (phase, verdict) in TRANSITIONS:
        controller._enter(verdict)
        assert controller.phase is TRANSITIONS[phase, verdict]
    else:
        with pytest.raises(KeyError):
            controller._enter(verdict)


def a_long_line() -> Line:
    line = Line(cold(0.08), 60 * MB, 2 * MB)
    line.run(40)
    return line


def a_near_line() -> Line:
    line = Line(cold(0.001), 1250 * MB, 10 * MB)
    line.run(12)
    return line


def a_line_that_changes() -> Line:
    line = Line(cold(0.02), 200 * MB, 5 * MB)
    for rate in (200, 50, 300):
        line.rate = rate * MB
        line.run(7)
    return line


def a_line_with_little_to_do() -> Line:
    line = Line(cold(0.1), 100 * MB, 5 * MB, supply=10)
    for seconds, supply in ((5, 10), (7, 1 << 30), (5, 12)):
        line.supply = supply
        line.run(seconds)
    return line


def a_busy_machine() -> Line:
    line = Line(cold(0.01, ceiling=100), 300 * MB, 5 * MB, noise=0.04)
    for seconds, worked, rate in ((6, 0.0, 300), (5, 1.0, 300), (8, 0.0, 100)):
        line.worked, line.rate = worked, rate * MB
        line.run(seconds)
    return line


def a_remembered_line() -> Line:
    line = Line(Controller(30, known=LineState(12, 30 * MB, 0.05, 0.0)), 24 * MB, 2 * MB)
    for seconds, rate in ((8, 24), (6, 40), (5, 10)):
        line.rate = rate * MB
        line.run(seconds)
    return line


def a_low_ceiling() -> Line:
    line = Line(cold(0.02, ceiling=9), 1000 * MB, MB)
    line.run(15)
    return line


def few_slots() -> Line:
    line = Line(Controller(64, known=LineState(2)), 6 * MB, 2 * MB)
    line.run(6)
    return line


def a_server_that_cuts() -> Line:
    line = Line(cold(0.05), 60 * MB, 2 * MB)

    def cut(line: Line) -> None:
        for _ in range(3):
            line.controller.cut_off(line.now, line.controller.slots)

    for seconds, each in ((3, lambda line: None), (0.3, cut), (12, lambda line: None)):
        line.run(seconds, each)
    return line


def probes_with_too_little_to_do() -> Line:
    line = Line(cold(0.08), 60 * MB, 2 * MB)

    def starve(line: Line) -> None:
        line.supply = 20 if line.controller.phase in (Phase.PROBING_UP, Phase.PROBING_DOWN) else 1 << 30

    line.run(8, starve)
    return line


COURSES = [
    (
        a_long_line,
        "0.1S64 0.4S128 0.9H70 2.1U88 2.4H70 3.3D59 3.6H59 4.7D41 5.2H41 6.4D28 6.9H41 8.6U51 9.0H41 11.2D34 "
        "11.6H34 12.8D23 13.2H34 15.7U42 16.1H34 17.2D28 17.5H34 20.6U42 20.9H34 24.0U42 24.3H34 25.6D28 "
        "25.9H34 29.0U42 29.3H34 32.4U42 32.7H34 35.8U42 36.1H34 39.2U42 39.5H34",
    ),
    (
        a_near_line,
        "0.1S8 0.3S16 0.6S64 0.9S256 1.2S512 1.4H137 2.5U171 2.7H137 3.5D116 3.7H137 5.4U171 5.7H137 7.8D116 "
        "8.1H137 10.5U171 10.8H137",
    ),
    (
        a_line_that_changes,
        "0.1S16 0.3S32 0.6S128 0.9S256 1.2H44 2.3U55 2.5H44 3.3D37 3.5H44 5.1U55 5.4H44 7.8D37 8.1H44 10.5U55 "
        "10.8H44 14.1U55 14.4S220 14.7S440 15.0H82 16.2U102 16.4H82 17.0D69 17.2H69 18.2D48 18.4H69 20.0U86 "
        "20.2H69",
    ),
    (
        a_line_with_little_to_do,
        "0.1S80 5.4S160 5.9H88 7.0U110 7.5H88 9.2D74 9.7H74 10.9D51 11.4H51",
    ),
    (
        a_busy_machine,
        "0.1S8 0.3S16 0.6S64 0.9S100 1.2H64 2.3U80 2.5H64 3.3D54 3.5H64 5.1U80 5.4H64 7.8D54 8.1H64 11.4U80 "
        "11.7H64 15.0U80 15.3H64 16.2D54 16.4H54 17.4D37 17.6H37 18.6D25 18.8H25",
    ),
    (
        a_remembered_line,
        "0.1H12 1.2U15 1.5H12 2.1D10 2.4H12 3.9U15 4.3H12 6.5D10 6.9H12 9.4U15 9.8S30 10.2H22 11.5U28 11.9H22 "
        "12.3D18 12.7H22 14.3U28 14.7H22 16.8D18 17.1H18 18.1D12 18.4H12",
    ),
    (a_low_ceiling, "0.1S9 0.3H9 2.3D7 2.5H9 6.6D7 6.9H9 15.0D7"),
    (few_slots, "0.1H2 1.2U3 1.4S12 1.6H3 2.7U4 2.9H3 4.5U4 4.8H3"),
    (
        a_server_that_cuts,
        "0.1S40 0.4S80 0.8H44 1.8U55 2.2H44 2.9D37 3.1B25 6.2H25 8.0U31 8.4S36 8.8H31 10.1U36 10.5H31 10.9D26 "
        "11.3H31 12.9U36 13.3H31",
    ),
    (
        probes_with_too_little_to_do,
        "0.1S64 0.4S128 0.9H70 2.1U88 2.4H70 3.3D59 3.6H70 3.9D59 4.4H70 4.9D59 5.4H70 5.9D59 6.4H70 6.9D59 "
        "7.4H70 7.9D59",
    ),
]


@pytest.mark.parametrize(("make", "expected"), COURSES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_course_of_a_line_in_numbers(make: Callable[[], Line], expected: str) -> None:
    """A change of any rule or constant is seen here: take the new course over once it is the better one."""
    assert course(make()) == expected


def test_the_outlook_before_and_after_the_first_window() -> None:
    controller = cold(0.1)
    assert controller.state() is None
    assert controller.outlook() == LineState(controller.slots, 0.0, 0.1, 0.0)
    known = Controller(64, known=LineState(20, 5 * MB, 0.2, 0.0))
    assert (known.outlook().rate, known.outlook().slots) == (5 * MB, known.slots)
    fixed = Controller(64, fixed=7)
    line = Line(fixed, 60 * MB, 2 * MB)
    line.run(5)
    assert fixed.slots == 7
    assert fixed.state() is None
    line = Line(cold(0.1), 60 * MB, 2 * MB)
    line.run(5)
    assert line.controller.state() == line.controller.outlook()


def test_parts_are_cut_for_all_that_is_remembered_of_a_line() -> None:
    """Also for the limit of requests, before the first one has begun."""
    known = LineState(20, 5 * MB, 0.2, 50.0)
    assert Controller(64, known=known).outlook() == known
    assert Controller(64, known=LineState(20, requests=50.0)).outlook().requests == 50.0


def test_the_unit_of_goodput_changes_nothing() -> None:
    """Also where a rate is below one byte a second."""
    for latency, ceiling in ((0.001, 64), (0.08, 1024)):
        lines = [Line(cold(latency, ceiling), 2.0**40 * unit, 2.0**34 * unit) for unit in (1.0, 2.0**-50)]
        lines[1].counter = float
        for line in lines:
            for rate in (1, 2):
                line.rate *= rate
                line.run(6)
        assert course(lines[0]) == course(lines[1])
        large, small = (line.controller.state() for line in lines)
        assert large is not None and small is not None
        assert (small.slots, small.latency) == (large.slots, large.latency) == (lines[0].controller.slots, latency)
        assert small.rate == pytest.approx(large.rate * 2.0**-50)


def test_what_is_given_to_a_controller() -> None:
    assert [field.name for field in fields(Controller) if field.init] == ["ceiling", "fixed", "known", "lumpy"]
    assert [Controller(10, known=LineState(slots)).slots for slots in (0, 1, 7, 11)] == [1, 1, 7, 10]
    assert Controller(10, known=LineState(5, latency=0.25)).latency == 0.25
    controller = cold(0.2)
    controller.found_latency(0.3)
    controller.found_latency(0.0)
    assert controller.latency == 0.2
