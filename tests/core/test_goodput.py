"""Windows of measurement: what counts in them, and when they end."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.goodput import Look, Measured, Meter, settle_seconds, window_seconds


def looks(meter: Meter, times: list[float], rate: float, *, ended: int = 0, worked: float = 0.0) -> list[Measured]:
    """Windows of half a second, of a line with `rate` bytes per second and four slots in use."""
    found = [
        meter.look(now, Look(int(now * rate), ended, 4, worked), slots=4, seconds=0.5) for now in times if meter.running
    ]
    return [window for window in found if window is not None]


def test_a_window_has_the_rate_since_it_began() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 0))
    (window,) = looks(meter, [0.25, 0.5], 1000.0)
    assert window == Measured(1000.0, 4.0, 4, saturated=False)


def test_what_moves_before_it_has_settled_does_not_count() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 0))
    meter.discard_until(1.0)
    assert meter.look(0.75, Look(10**9, 0, 4, 0.0), slots=4, seconds=0.5) is None
    assert meter.look(1.25, Look(10**9 + 500, 0, 4, 0.0), slots=4, seconds=0.5) == Measured(
        1000.0, 4.0, 4, saturated=False
    )


def test_whole_parts_take_a_window_in_which_each_slot_has_ended_one() -> None:
    meter = Meter(lumpy=True)
    meter.start(0.0, Look(0, 0, 0))
    assert meter.look(10.0, Look(100, 3, 4, 0.0), slots=4, seconds=0.5) is None
    assert meter.look(11.0, Look(110, 4, 4, 0.0), slots=4, seconds=0.5) == Measured(10.0, 4.0, 4, saturated=False)


def test_a_thread_that_always_runs_is_the_limit() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 0))
    (window,) = looks(meter, [0.5], 1000.0, worked=0.5)
    assert window.saturated


def test_after_a_pause_the_next_look_is_a_first_one() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 0))
    meter.pause()
    assert not meter.running
    with pytest.raises(AssertionError):
        meter.look(1.0, Look(0, 0, 4, 0.0), slots=4, seconds=0.5)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.integers(0, 10**6)), min_size=1, max_size=50))
def test_no_byte_counts_twice(steps: list[tuple[float, int]]) -> None:
    meter, now, moved, counted, since = Meter(), 0.0, 0, 0.0, 0.0
    meter.start(now, Look(moved, 0, 0))
    for seconds, count in steps:
        now, moved = now + seconds, moved + count
        window = meter.look(now, Look(moved, 0, 4, 0.0), slots=4, seconds=0.5)
        if window is not None:
            counted += window.rate * (now - since)
            since = now
            assert counted == pytest.approx(moved)


def test_a_second_look_at_the_same_moment_counts_nothing() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 0))
    assert meter.look(1.0, Look(1000, 0, 4, 0.0), slots=4, seconds=0.5) == Measured(1000.0, 4.0, 4, saturated=False)
    assert meter.look(1.0, Look(2000, 0, 4, 9.0), slots=4, seconds=0.5) is None
    assert meter.look(2.0, Look(2500, 0, 3, 0.85), slots=4, seconds=0.5) == Measured(500.0, 3.0, 4, saturated=False)
    assert meter.look(3.0, Look(2500, 0, 2, 0.86), slots=4, seconds=0.5) == Measured(0.0, 2.0, 3, saturated=True)


def test_a_window_is_the_mean_of_its_looks() -> None:
    meter = Meter()
    assert not meter.running
    meter.start(8.0, Look(100, 5, 0))
    found = [
        meter.look(
            8.0 + number / 4, Look(100 + number * number, 5, number, 0.25 if number < 4 else 0.0), slots=9, seconds=1.0
        )
        for number in range(1, 9)
    ]
    assert found == [None] * 3 + [Measured(16.0, 2.5, 4, False)] + [None] * 3 + [Measured(48.0, 6.5, 8, False)]
    meter.discard_until(10.5)
    assert meter.look(10.25, Look(1000, 5, 1, 0.0), slots=9, seconds=0.25) is None
    assert meter.look(10.5, Look(1003, 5, 1, 0.0), slots=9, seconds=0.25) == Measured(12.0, 1.0, 1, saturated=False)


def test_only_the_kind_of_line_is_given() -> None:
    assert [field.name for field in fields(Meter) if field.init] == ["lumpy"]
    assert Meter() == Meter(lumpy=False)


def test_slots_whose_requests_have_not_begun_are_not_in_use() -> None:
    meter = Meter()
    meter.start(0.0, Look(0, 0, 9, held_up=3))
    assert meter.look(1.0, Look(10, 0, 9, held_up=4), slots=9, seconds=1.0) == Measured(10.0, 5.0, 6, saturated=False)


def test_the_longer_the_line_the_longer_a_measurement() -> None:
    assert [settle_seconds(latency) for latency in (None, 0.02, 0.2, 2.0)] == [0.1, 0.1, 0.5, 1.2]
    assert [window_seconds(latency) for latency in (None, 0.02, 0.2, 2.0)] == [0.2, 0.2, 0.5, 1.2]
    waits = [window_seconds(latency, compares=False) for latency in (None, 0.02, 0.3, 2.0)]
    assert waits == [0.2, 0.2, 0.3, 1.2], "until bytes move, where nothing is compared"
