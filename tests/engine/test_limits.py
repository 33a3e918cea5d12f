"""Slots and bytes that several transfers share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.engine.limits import ByteBudget, SlotGate


@given(st.integers(1, 8), st.lists(st.sampled_from(["enter", "leave", "narrower", "wider"]), max_size=60))
def test_a_gate_keeps_to_its_limit_and_to_the_order(limit: int, steps: list[str]) -> None:
    gate, begun, asked, inside = SlotGate(limit), [], 0, 0  # type: ignore[var-annotated]
    for step in steps:
        if step == "enter":
            asked += 1
            gate.enter(lambda number=asked: begun.append(number))  # type: ignore[misc]
        elif step == "leave" and gate.held:
            inside += 1
            gate.leave()
        elif step == "narrower":
            gate.set_limit(max(1, gate.limit - 1))
        elif step == "wider":
            gate.set_limit(gate.limit + 1)
        assert begun == sorted(begun)
        assert gate.held == len(begun) - inside
        assert len(begun) == asked or gate.held >= gate.limit


def test_those_above_a_narrower_limit_stay_until_they_leave() -> None:
    gate, begun = SlotGate(3), []  # type: ignore[var-annotated]
    for number in range(4):
        gate.enter(lambda number=number: begun.append(number))  # type: ignore[misc]
    gate.set_limit(1)
    gate.leave()
    gate.leave()
    assert begun == [0, 1, 2]
    gate.leave()
    assert begun == [0, 1, 2, 3]


def test_a_lone_holder_always_gets_in() -> None:
    gate, begun = SlotGate(8, most_bytes=10), []  # type: ignore[var-annotated]
    gate.enter(lambda: begun.append(1), 1000)
    gate.enter(lambda: begun.append(2), 1)
    assert begun == [1]
    gate.leave(1000)
    assert begun == [1, 2]


def test_a_budget_gives_up_when_asked_to() -> None:
    budget = ByteBudget(10)
    assert budget.take(100)
    assert not budget.take(1, give_up=lambda: True)
    budget.give(100)
    assert budget.take(1)
