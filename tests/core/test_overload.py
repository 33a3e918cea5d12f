"""Servers that turn requests away: first fewer requests per second, then fewer slots."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.overload import AVOIDED_SECONDS, CALM_SECONDS, CUT_LEAST, CUT_SECONDS, Overload


def test_a_burst_limits_requests_and_leaves_the_slots() -> None:
    overload = Overload()
    assert overload.accepted == 0.0
    for _ in range(20):
        overload.reserve(0.0)
    assert overload.turned_away(0.1, 20) is None
    assert overload.accepted > 0
    assert overload.most(0.1, 64) == 64


def test_slots_go_down_where_fewer_requests_do_not_help() -> None:
    overload, now = Overload(), 0.0
    found = None
    while found is None and now < 10:
        overload.reserve(now)
        found = overload.turned_away(now, 20)
        now += 0.1
    assert found == 14
    assert now >= CUT_SECONDS
    assert not overload.is_calm(now)
    assert overload.is_calm(now + CALM_SECONDS)
    assert overload.most(now, 64) == 19
    assert overload.most(now + AVOIDED_SECONDS, 64) == 64


def test_a_few_cut_connections_are_bad_luck() -> None:
    overload = Overload()
    for _ in range(CUT_LEAST):
        overload.reserve(0.0)
    assert [overload.cut_off(0.0, 8) for _ in range(CUT_LEAST)] == [None] * (CUT_LEAST - 1) + [5]


@given(st.lists(st.tuples(st.sampled_from("rtc"), st.floats(0, 2)), max_size=60), st.integers(1, 64))
def test_it_never_asks_for_more_slots_than_are_in_use(steps: list[tuple[str, float]], in_use: int) -> None:
    overload, now = Overload(), 0.0
    for what, seconds in steps:
        now += seconds
        if what == "r":
            assert (overload.reserve(now) or 0.0) >= 0
        else:
            found = (overload.turned_away if what == "t" else overload.cut_off)(now, in_use)
            assert found is None or found < in_use
        assert 1 <= overload.most(now, 64) <= 64


def test_a_limit_that_is_remembered_holds_from_the_first_second() -> None:
    overload = Overload(50.0)
    assert overload.accepted == 50.0
    begun = [overload.reserve(0.0) for _ in range(200)]
    at_once = sum(delay == 0.0 for delay in begun)
    assert 36 <= at_once <= 39, "three quarters of a second of them"
    assert begun[-1] is None, "the others ask again"
    assert overload.accepted == 50.0


def test_a_second_cut_comes_after_two_seconds() -> None:
    overload = Overload()
    assert overload.expected == 0.0
    found = [[overload.cut_off(now, 20) for _ in range(3)] for now in (0.0, 1.9, 2.0)]
    assert found == [[None, None, 14], [None] * 3, [14, None, None]]


def test_cut_connections_are_no_request_for_less() -> None:
    overload = Overload()
    for _ in range(9):
        overload.cut_off(0.0, 20)
    assert overload.accepted == 0.0
    assert overload.reserve(0.0) == 0.0
    assert [overload.is_calm(2.9), overload.is_calm(3.0)] == [False, True]
    assert [overload.most(19.9, 64), overload.most(20.0, 64)] == [19, 64]
    assert overload.most(0.0, 10) == 10


def test_a_quarter_of_the_requests_is_too_many() -> None:
    for begun, found in ((12, 7), (13, None)):
        overload = Overload()
        for _ in range(begun):
            overload.reserve(0.0)
        assert [overload.cut_off(0.0, 10) for _ in range(3)][-1] == found


def test_only_what_was_accepted_earlier_is_given() -> None:
    assert [field.name for field in fields(Overload) if field.init] == ["expected"]
    slow = Overload(0.5)
    assert slow.reserve(0.0) == 0.0
    assert (slow.accepted, slow.expected) == (1.0, 0.0), "at least one a second"
    assert [Overload().most(0.0, ceiling) for ceiling in (1, 64)] == [1, 64]
    assert Overload().is_calm(0.0)


def test_a_cut_leaves_at_least_one_slot_to_try() -> None:
    overload = Overload()
    assert [overload.cut_off(5.0, 1) for _ in range(3)] == [None, None, 0]
    assert [overload.most(now, 64) for now in (5.0, 24.9, 25.0)] == [1, 1, 64]
