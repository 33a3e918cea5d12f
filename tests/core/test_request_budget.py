"""Requests per second: unlimited until a server turns some away, then near what it accepts."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def guessed() -> RequestBudget:
    """After a burst of five requests, the last of which was turned away at 10.5 s."""
    budget = RequestBudget()
    for number in range(5):
        budget.reserve(10.0 + number / 10)
    budget.turned_away(10.5, asked_for_less=True)
    return budget


def test_what_a_short_burst_shows_is_a_guess_that_doubles() -> None:
    budget = guessed()
    assert budget.rate(10.5) == pytest.approx(0.98 * 4 / 1.0), "four in half a second count as four in one"
    assert budget.rate(11.5) == pytest.approx(2 * 0.98 * 4)
    most = 0.98 * 4 * 2.0**60
    assert (budget.rate(10.5 + 60), budget.rate(10.5 + 90)) == (pytest.approx(most), pytest.approx(most))


def test_a_guess_does_not_double_while_fewer_requests_begin() -> None:
    budget = guessed()
    guess = budget.accepted
    assert guess is not None
    for second in range(11, 100):
        assert budget.reserve(float(second)) == 0.0
    rate = budget.rate(100.0)
    assert rate is not None, "it is not forgotten"
    assert guess < rate < 100 * guess
    for number in range(10_000):
        budget.reserve(100.0 + number / 1000)
    assert budget.rate(110.0) is None, "ten seconds of requests that use it up"


def test_a_limit_that_was_seen_grows_slowly_first() -> None:
    budget = RequestBudget()
    budget.expect(10.0, 100.0)
    assert [budget.rate(100.0 + calm) for calm in (0, 12, 24)] == pytest.approx([10.0, 20.6, 91.2])
    budget.expect(0.2, 0.0)
    assert budget.accepted == 1.0


def test_it_is_forgotten_at_a_hundred_times_what_was_accepted() -> None:
    budget = RequestBudget()
    budget.expect(10.0, 0.0)
    budget.reserve(55.4)
    assert budget.rate(55.4) == pytest.approx(996.7, abs=1)
    budget.reserve(55.5)
    assert budget.rate(55.5) is None
    assert budget.first_limited_at == float("inf")


def test_the_last_second_counts() -> None:
    budget = RequestBudget()
    budget.reserve(0.0)
    budget.turned_away(0.0, asked_for_less=False)
    assert budget.counts(1.0) == (1, 1)
    assert budget.counts(1.25) == (0, 0)


def test_requests_of_one_burst_lower_the_limit_once() -> None:
    budget = RequestBudget()
    for number in range(40):
        budget.reserve(10.0 + number / 20)
    budget.turned_away(12.0, asked_for_less=True)
    limit = budget.accepted
    assert limit == pytest.approx(0.98 * (35 - 1) / 1.75)
    for later in (12.1, 12.99):
        budget.turned_away(later, asked_for_less=True)
    assert budget.accepted == limit
    budget.turned_away(13.0, asked_for_less=True)
    assert budget.accepted is not None and limit is not None
    assert 0.98 * 0.7 * limit <= budget.accepted < limit, "not below seven tenths of it"
    assert budget.first_limited_at == 12.0


@pytest.mark.parametrize("accepts", [1, 20, 50, 127])
def test_a_burst_shows_how_many_of_it_were_accepted(accepts: int) -> None:
    """The first answer of 128 requests says little; the last one says how many the server took."""
    budget = RequestBudget()
    for _ in range(128):
        budget.reserve(10.0)
    for number in range(128 - accepts):
        budget.turned_away(10.3 + number / 1000, asked_for_less=True)
    assert budget.accepted == pytest.approx(0.98 * accepts, abs=0.03)
    assert budget.first_limited_at == float("inf"), "it is still a guess"


def test_a_whole_second_of_requests_is_no_guess() -> None:
    for first, later in ((10.0, 1.005 + 1 / 12**3), (10.25, 2.0)):
        budget = RequestBudget()
        for number in range(20):
            budget.reserve(first + number / 20)
        budget.turned_away(11.0, asked_for_less=True)
        assert budget.accepted == pytest.approx(0.98 * 19)
        assert budget.rate(12.0) == pytest.approx(later * budget.accepted), first


def test_a_guess_is_remembered_as_what_requests_have_made_of_it() -> None:
    """A burst that was turned away as a whole shows nothing: the next run must not begin with one request a second."""
    budget, now, begun = RequestBudget(), 10.3, 0
    for _ in range(50):
        budget.reserve(10.0)
    for _ in range(50):
        budget.turned_away(10.3, asked_for_less=True)
    assert budget.found == budget.accepted == 1.0
    while begun < 50:
        delay = budget.reserve(now)
        begun += delay is not None
        now += HORIZON if delay is None else delay
    assert budget.found is not None and budget.found > 20
    later = RequestBudget()
    later.expect(budget.found, 0.0)
    assert later.found == later.accepted == budget.found, "that is no guess any more"
    assert RequestBudget().found is None


def served(accepts: float, saved: float, latency: float, parts: int, slots: int) -> tuple[RequestBudget, float]:
    """(budget, seconds) of `parts` requests, `slots` at a time, of a server that saves up `saved` seconds of them.

    A request that was turned away is sent again; one that was not takes as long again as its answer.
    """
    budget, now, tokens, tokens_at, number = RequestBudget(), 0.0, saved * accepts, 0.0, 0
    events: list[tuple[float, int, str]] = []

    def later(when: float, what: str) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (when, number, what))

    for _ in range(min(slots, parts)):
        later(0.0, "ask")
    left = parts - min(slots, parts)
    while events:
        now, _, what = heapq.heappop(events)
        if what == "ask":
            delay = budget.reserve(now)
            later(now + (HORIZON if delay is None else delay), "ask" if delay is None else "begin")
        elif what == "begin":
            tokens, tokens_at = min(max(1.0, saved * accepts), tokens + (now - tokens_at) * accepts), now
            taken = tokens >= 1
            tokens -= taken
            later(now + 2 * latency * taken if taken else now + latency, "done" if taken else "away")
        elif what == "away":
            budget.turned_away(now, asked_for_less=True)
            later(now, "ask")
        elif left:
            left -= 1
            later(now, "ask")
    return budget, now


@settings(deadline=None)
@given(st.integers(10, 100), st.floats(0.1, 1.0), st.floats(0.05, 0.5), st.integers(40, 400))
def test_a_limit_is_not_remembered_far_below_the_servers(
    accepts: int, saved: float, latency: float, parts: int
) -> None:
    """Answers to the first burst once outlived its requests: more had been turned away than had begun, and one request
    a second was remembered of a server that takes 50."""
    budget, _ = served(accepts, saved, latency, parts, 200)
    if budget.found is not None:
        assert budget.found >= 0.25 * accepts


@given(st.lists(st.tuples(st.sampled_from("ra"), st.floats(0, 0.6)), max_size=80))
def test_no_more_are_turned_away_than_have_begun(steps: list[tuple[str, float]]) -> None:
    budget, now = RequestBudget(), 0.0
    for what, seconds in steps:
        now += seconds
        if what == "r":
            budget.reserve(now)
        else:
            budget.turned_away(now, asked_for_less=False)
        assert all(bucket.refused <= bucket.begun for bucket in budget._buckets.values())
        assert budget._accepted_lately(now) >= 0
