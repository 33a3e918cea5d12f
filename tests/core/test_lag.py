"""Parts that lag: the one straggler is found, a slow service is not taken for stragglers, and the budget holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.lag import EXTRA_BYTES, LEAST_DONE, MOST_AGAIN, LagWatch, Running

PART = 8_000_000


def watch(done: int = 100, seconds: float = 2.0) -> LagWatch:
    found = LagWatch()
    for number in range(done):
        found.done(number, PART, seconds)
    return found


def slow(number: int = 1000, seconds: float = 7.0) -> Running:
    """A twentieth of the usual rate."""
    return Running(number, PART, int(PART * seconds / 40), seconds)


def usual(number: int) -> Running:
    return Running(number, PART, PART // 2, 1.0)


def test_a_straggler_is_asked_for_again() -> None:
    assert watch().lagging([slow(), *map(usual, range(20))]) == [1000]


def test_a_part_whose_first_byte_is_late_is_asked_for_again() -> None:
    assert watch().lagging([Running(7, PART, 0, 7.0), usual(8)]) == [7]


def test_too_early_is_no_lag() -> None:
    assert watch().lagging([slow(seconds=3.0)]) == []
    assert watch(LEAST_DONE - 1).lagging([slow()]) == []
    assert watch(seconds=0.01).lagging([Running(1, PART, 100, 0.9)]) == [], "within a second nobody lags"


def test_a_part_that_is_nearly_there_is_left_alone() -> None:
    assert watch().lagging([Running(1, PART, int(PART * 0.95), 60.0)]) == [], "it may be stored by now"
    assert watch().lagging([Running(1, PART, PART * 7 // 10, 7.0)]) == [], "its rest takes 3 s, twice a new part 4 s"
    assert watch().lagging([Running(1, PART, PART // 2, 7.0)]) == [1], "its rest takes 7 s"


def test_when_all_are_slow_none_is() -> None:
    assert watch().lagging([slow(number) for number in range(20)]) == []


def test_a_part_is_asked_for_again_only_so_often() -> None:
    found = watch(1000)
    again = [found.lagging([slow(), *map(usual, range(20))]) for _ in range(MOST_AGAIN + 2)]
    assert again == [[1000]] * MOST_AGAIN + [[], []]


@given(st.lists(st.tuples(st.integers(0, PART), st.floats(0, 100)), max_size=40), st.integers(0, 60))
def test_the_extra_bytes_keep_to_the_budget(parts: list[tuple[int, float]], done: int) -> None:
    found, lost = watch(done), 0
    for _ in range(5):
        running = [Running(number + 1000, PART, moved, seconds) for number, (moved, seconds) in enumerate(parts)]
        for number in found.lagging(running):
            lost += parts[number - 1000][0]
    assert lost <= EXTRA_BYTES * done * PART


def test_at_the_end_all_that_still_run_may_be_stragglers() -> None:
    """Three of 32 are a tenth; that the others have finished meanwhile makes them no slow service."""
    before = watch()
    before.lagging([Running(number, 1 << 20, 1 << 19, 1.0) for number in range(32)])
    late = [slow(number=number, seconds=20.0) for number in (101, 102, 103)]
    assert before.lagging(late) == [101, 102, 103]
    assert watch().lagging(late) == [], "of three that ever ran all three are slow"


@pytest.mark.parametrize(("moved", "lags"), [(0.9, True), (0.9001, False)])
def test_a_part_that_may_be_stored_is_left(moved: float, lags: bool) -> None:
    assert watch(seconds=0.1).lagging([Running(1, PART, int(PART * moved), 100.0)]) == ([1] if lags else [])


def test_the_pace_is_that_of_the_last_64_parts() -> None:
    """33 of them have to be slow before the usual time is a slow one."""
    for slow_ones, lags in ((31, True), (33, False)):
        found = watch(100, seconds=0.1)
        for number in range(slow_ones):
            found.done(number, PART, 50.0)
        assert bool(found.lagging([Running(1, PART, 0, 30.0)])) is lags


@pytest.mark.parametrize(("moved", "again"), [(8_000_000, [1]), (8_000_001, [])])
def test_the_budget_is_a_twentieth_of_what_has_moved(moved: int, again: list[int]) -> None:
    found = watch(20)
    assert found.lagging([Running(1, 10 * PART, moved, 200.0)]) == again
    assert found.lagging([Running(2, PART, 1, 200.0)]) == ([] if again else [2]), "no more than that"


def test_the_slowest_come_first() -> None:
    found = watch(1000)
    late = [Running(1, PART, 3, 50.0), Running(2, PART, 1, 50.0), Running(3, 4 * PART, 4, 50.0)]
    assert found.lagging([*late, *map(usual, range(10, 37))]) == [2, 3, 1]


def test_a_tenth_of_those_that_run_may_lag() -> None:
    late = [slow(number) for number in (1, 2)]
    assert watch().lagging([*late, *map(usual, range(10, 28))]) == [1, 2]
    assert watch().lagging([*late, *map(usual, range(10, 27))]) == []


def test_a_part_that_has_finished_may_lag_again() -> None:
    found = watch(1000)
    for _ in range(MOST_AGAIN):
        found.lagging([slow()])
    assert found.lagging([slow()]) == []
    found.done(1000, PART, 2.0)
    assert found.lagging([slow()]) == [1000]


def test_from_eight_parts_that_moved_something_on() -> None:
    found = watch(LEAST_DONE - 1)
    found.done(50, 0, 1.0)
    found.done(51, PART, 0.0)
    assert found.lagging([slow()]) == []
    found.done(52, PART, 2.0)
    assert found.lagging([slow()]) == [1000]


@pytest.mark.parametrize(
    ("usual_seconds", "seconds", "lags"), [(0.01, 1.0, True), (2.0, 4.01, True), (2.0, 3.99, False)]
)
def test_from_a_second_and_twice_the_usual_time_on(usual_seconds: float, seconds: float, lags: bool) -> None:
    assert watch(seconds=usual_seconds).lagging([Running(1, PART, 0, seconds)]) == ([1] if lags else [])


def test_one_that_would_cost_too_much_keeps_no_other_from_being_asked_for_again() -> None:
    found = watch(20)
    dear = Running(1, 1000 * PART, 9_000_000, 4000.0)
    assert found.lagging([dear, Running(2, PART, 1_000_000, 50.0), *map(usual, range(10, 28))]) == [2]


def test_a_rest_that_takes_more_than_twice_a_new_part_lags() -> None:
    assert watch().lagging([Running(1, PART, PART // 2, 5.0)]) == [1]
    assert (LEAST_DONE, MOST_AGAIN) == (8, 2)


def test_exact_limits() -> None:
    """A rest of just twice the usual time is none; half a byte of the budget is no byte."""
    found = LagWatch()
    for _ in range(64):
        found.done(1, 1 << 20, 2.0)
    assert found.lagging([Running(9, 1 << 20, 1 << 19, 4.0)]) == []
    assert found.lagging([Running(9, 1 << 20, (1 << 19) - 1024, 4.0)]) == [9]
    found = LagWatch()
    for length in (5, 5, 5, 5, 5, 5, 5, 4):
        found.done(1, length, 1.0)
    assert found.lagging([Running(9, 100, 2, 1000.0)]) == [], "a twentieth of 39 is less than 2"
    assert found.lagging([Running(9, 100, 1, 1000.0)]) == [9]
