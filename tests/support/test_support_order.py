"""The order of tests: none is lost, and no process has all that are slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.order import dealt


def test_each_process_begins_with_a_slow_one() -> None:
    order = dealt(["S1", "S2", "S3"], [f"q{n}" for n in range(9)], 2)
    assert order == ["S1", "S3", "q0", "q1", "q2", "q3", "S2", "q4", "q5", "q6", "q7", "q8"]
    assert dealt(["S"], ["q"], 1) == ["S", "q"]


@given(st.integers(0, 20), st.integers(0, 200), st.integers(1, 8))
def test_all_tests_run_once(slow: int, quick: int, processes: int) -> None:
    given_slow, given_quick = [("slow", n) for n in range(slow)], [("quick", n) for n in range(quick)]
    order = dealt(given_slow, given_quick, processes)
    assert sorted(order) == sorted(given_slow + given_quick)
    assert [test for test in order if test[0] == "quick"] == given_quick
