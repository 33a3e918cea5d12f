"""Shared limits: never more holders or bytes than allowed, in order of arrival, and all of it given back."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.engine.limits import ByteBudget, SlotGate


def test_those_above_the_limit_wait_in_order() -> None:
    gate, begun = SlotGate(2), list[int]()
    for number in range(5):
        gate.enter(lambda number=number: begun.append(number))  # type: ignore[misc]
    assert (begun, gate.held) == ([0, 1], 2)
    gate.leave()
    assert (begun, gate.held) == ([0, 1, 2], 2)
    gate.leave()
    gate.leave()
    assert begun == [0, 1, 2, 3, 4]
    gate.leave()
    gate.leave()
    assert gate.held == 0


def test_a_larger_limit_admits_at_once_and_a_smaller_one_sends_nobody_away() -> None:
    gate, begun = SlotGate(1), list[int]()
    for number in range(4):
        gate.enter(lambda number=number: begun.append(number))  # type: ignore[misc]
    gate.set_limit(3)
    assert (begun, gate.held) == ([0, 1, 2], 3)
    gate.set_limit(1)
    assert gate.held == 3
    gate.leave()
    gate.leave()
    assert begun == [0, 1, 2]
    gate.leave()
    assert begun == [0, 1, 2, 3]


def test_bytes_count_too_and_the_first_in_line_is_not_overtaken() -> None:
    gate, begun = SlotGate(10, most_bytes=100), list[str]()
    gate.enter(lambda: begun.append("a"), 60)
    gate.enter(lambda: begun.append("b"), 41)
    gate.enter(lambda: begun.append("c"), 1)
    assert begun == ["a"]
    gate.leave(60)
    assert begun == ["a", "b", "c"]
    gate.leave(41)
    gate.leave(1)
    gate.enter(lambda: begun.append("d"), 60)
    gate.enter(lambda: begun.append("e"), 40)
    assert begun == ["a", "b", "c", "d", "e"]


def test_a_lone_holder_may_have_any_number_of_bytes() -> None:
    gate, begun = SlotGate(1, most_bytes=10), list[str]()
    gate.enter(lambda: begun.append("a"), 1000)
    assert begun == ["a"]


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_never_more_than_the_limit_and_nobody_is_forgotten(limit: int, steps: list[bool]) -> None:
    gate, begun, entered = SlotGate(limit), list[int](), 0
    left = 0
    for enters in steps:
        if enters:
            gate.enter(lambda number=entered: begun.append(number))  # type: ignore[misc]
            entered += 1
        elif len(begun) > left:
            gate.leave()
            left += 1
        assert gate.held == len(begun) - left == min(limit, entered - left)
        assert begun == list(range(len(begun)))


def test_a_budget_lets_a_lone_taker_have_all_it_wants() -> None:
    budget = ByteBudget(10)
    assert budget.take(1000)
    budget.give(1000)
    assert budget.take(4)
    assert budget.take(6)
    assert not budget.take(1, give_up=lambda: True)
    budget.give(6)
    assert budget.take(6, give_up=lambda: True)


def test_a_taker_waits_for_room() -> None:
    budget, taken = ByteBudget(10), threading.Event()
    budget.take(10)
    thread = threading.Thread(target=lambda: (budget.take(5), taken.set()), daemon=True)
    thread.start()
    assert not taken.is_set()
    budget.give(10)
    assert taken.wait(20)
    thread.join(20)


def test_a_taker_that_gives_up_takes_nothing() -> None:
    budget, over, result = ByteBudget(10), threading.Event(), list[bool]()
    budget.take(10)
    thread = threading.Thread(target=lambda: result.append(budget.take(5, give_up=over.is_set)), daemon=True)
    thread.start()
    over.set()
    budget.poke()
    thread.join(20)
    assert result == [False]
    budget.give(10)
    assert budget.take(10, give_up=lambda: True), "nothing is missing"
