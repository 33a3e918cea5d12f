"""Requests per second: unlimited until a server turns some away, then near what it accepts."""

from __future__ import annotations

import pytest

from s3amfs.core.request_budget import HORIZON, RequestBudget


def play(budget: RequestBudget, accepts: float, seconds: float, wanted: float = 1000.0) -> tuple[float, float]:
    """(accepted per second, share turned away) in the second half of `seconds`; `wanted`: requests per second."""
    now, tokens, begun, away, blocked = 0.0, accepts, 0, 0, 0.0
    while now < seconds:
        now += 1 / wanted
        tokens = min(accepts, tokens + accepts / wanted)
        if now < blocked:
            continue
        delay = budget.reserve(now)
        if delay is None:
            blocked = now + HORIZON
            continue
        blocked = now + delay
        late = now > seconds / 2
        begun += late
        if tokens >= 1:
            tokens -= 1
        else:
            away += late
            budget.turned_away(now, asked_for_less=True)
    return (begun - away) / (seconds / 2), away / max(1, begun)


def test_there_is_no_limit_as_long_as_nothing_is_turned_away() -> None:
    budget = RequestBudget()
    assert [budget.reserve(number / 1000) for number in range(1000)] == [0.0] * 1000
    assert budget.rate(1.0) is None


@pytest.mark.parametrize("accepts", [5, 20, 100, 500])
def test_a_limit_of_the_server_is_kept_closely(accepts: float) -> None:
    accepted, away = play(RequestBudget(), accepts, 60)
    assert accepted >= 0.95 * accepts
    assert away <= max(0.02, 0.3 / accepts)


def test_a_reset_is_no_reason_for_fewer_requests() -> None:
    budget = RequestBudget()
    budget.reserve(1.0)
    budget.turned_away(1.0, asked_for_less=False)
    assert budget.rate(1.0) is None
    assert budget.counts(1.0) == (1, 1)


def test_the_limit_is_forgotten_after_a_while_of_calm() -> None:
    budget = RequestBudget()
    for number in range(30):
        budget.reserve(number / 10)
    budget.turned_away(3.0, asked_for_less=True)
    assert budget.rate(3.0) is not None
    assert budget.reserve(300.0) == 0.0
    assert budget.rate(300.0) is None
