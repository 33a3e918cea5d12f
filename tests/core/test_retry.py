"""core/retry.py: long failure sequences, replayed without waiting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.failures import RETRYABLE, Failure, Kind
from s3amfs.core.retry import Decision, GiveUp, Retry, RetryPolicy, RetryState, decide

POLICIES = st.builds(
    RetryPolicy,
    budget=st.floats(0, 1000),
    base=st.floats(0.01, 2),
    cap=st.floats(1, 60),
    max_attempts=st.none() | st.integers(1, 20),
)
RANDOM = st.floats(0, 1, exclude_max=True)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(list(Kind)),
    message=st.just("server said no"),
    retry_after=st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
NETWORK = Failure(Kind.NETWORK, "connection reset")


def once(failure: Failure, *, attempt: int = 1, elapsed: float = 0.0, random: float = 0.5) -> Decision:
    return decide(RetryPolicy(), failure, attempt=attempt, first_failed_at=100.0, now=100.0 + elapsed, random=random)


@pytest.mark.parametrize("kind", sorted(set(Kind) - RETRYABLE, key=str))
def test_what_cannot_be_helped_is_given_up_at_once(kind: Kind) -> None:
    assert once(Failure(kind, "no", retry_after=1.0)) == GiveUp("no")


@given(POLICIES, FAILURES, st.integers(1, 10**6), st.floats(0, 2000), RANDOM)
def test_a_delay_lies_within_the_rest_of_the_budget(
    policy: RetryPolicy, failure: Failure, attempt: int, elapsed: float, random: float
) -> None:
    decision = decide(policy, failure, attempt=attempt, first_failed_at=0.0, now=elapsed, random=random)
    if isinstance(decision, GiveUp):
        assert "server said no" in decision.reason
        return
    assert failure.retryable
    assert elapsed < policy.budget
    assert decision.delay > 0 or random == 0 or failure.kind in {Kind.REDIRECT, Kind.SKEW, Kind.EXPIRED}
    assert 0 <= decision.delay <= policy.budget - elapsed
    asked = failure.retry_after
    if asked is not None and math.isfinite(asked) and asked > 0:
        assert decision.delay >= min(asked, policy.budget - elapsed)
    else:
        assert decision.delay <= policy.cap


def test_back_off_doubles_up_to_the_cap_with_full_jitter() -> None:
    def delays(random: float) -> list[float]:
        decisions = [once(NETWORK, attempt=attempt, random=random) for attempt in (1, 2, 3, 4, 7, 8, 99999)]
        return [decision.delay for decision in decisions if isinstance(decision, Retry)]

    assert delays(0.5) == pytest.approx([0.1, 0.2, 0.4, 0.8, 6.4, 10.0, 10.0])
    assert delays(0.0) == [0.0] * 7


def test_retry_after_is_the_least_delay() -> None:
    throttled = Failure(Kind.THROTTLE, "SlowDown", retry_after=30.0)
    assert once(throttled, random=0.0) == Retry(30.0)
    assert once(throttled, random=0.5) == Retry(30.0 * 1.05)
    assert once(Failure(Kind.SERVER, "x", retry_after=0.1), attempt=99, random=0.5) == Retry(10.0)


def test_retry_after_beyond_the_budget_leaves_one_last_try() -> None:
    asked = Failure(Kind.SERVER, "maintenance", retry_after=3600.0)
    state, first = RetryState().failed(RetryPolicy(), asked, now=0.0, random=0.5)
    assert first == Retry(300.0)
    _, last = state.failed(RetryPolicy(), asked, now=300.0, random=0.5)
    assert last == GiveUp("maintenance (after 2 tries in 300 s)")


@pytest.mark.parametrize("kind", [Kind.REDIRECT, Kind.SKEW, Kind.EXPIRED])
def test_what_was_learned_is_tried_at_once_three_times(kind: Kind) -> None:
    decisions = [once(Failure(kind, "again"), attempt=attempt) for attempt in (1, 2, 3, 4)]
    assert decisions == [Retry(0.0)] * 3 + [GiveUp("again (the same 4 tries)")]


def test_a_corrupting_wire_is_given_up() -> None:
    state, decisions = RetryState(), []
    for now in range(6):
        state, decision = state.failed(RetryPolicy(), Failure(Kind.CORRUPT, "BadDigest"), now=float(now), random=0.9)
        decisions.append(decision)
    assert all(isinstance(decision, Retry) for decision in decisions[:5])
    assert decisions[5] == GiveUp("BadDigest (the same 6 tries)")


def test_limits_count_their_own_kind_only() -> None:
    state = RetryState()
    for number in range(40):
        state, decision = state.failed(RetryPolicy(), NETWORK, now=float(number), random=0.5)
        assert isinstance(decision, Retry)
    _, decision = state.failed(RetryPolicy(), Failure(Kind.EXPIRED, "ExpiredToken"), now=41.0, random=0.5)
    assert decision == Retry(0.0)


def test_the_budget_begins_with_the_first_failure() -> None:
    state, _ = RetryState().failed(RetryPolicy(), NETWORK, now=0.0, random=0.5)
    assert isinstance(state.failed(RetryPolicy(), NETWORK, now=301.0, random=0.5)[1], GiveUp)
    assert isinstance(RetryState().failed(RetryPolicy(), NETWORK, now=301.0, random=0.5)[1], Retry)


@given(POLICIES, st.lists(FAILURES.filter(lambda f: f.retryable), min_size=1))
def test_every_sequence_of_failures_ends(policy: RetryPolicy, failures: list[Failure]) -> None:
    """A server that never recovers costs at most the budget, and never a busy loop."""
    state, now, at_once = RetryState(), 5.0, 0
    for turn in range(5_000):
        failure = failures[turn % len(failures)]
        state, decision = state.failed(policy, failure, now=now, random=0.9)
        if isinstance(decision, GiveUp):
            break
        at_once += decision.delay == 0
        now += decision.delay
    else:
        pytest.fail("still trying")
    assert now - 5.0 <= policy.budget * 1.000001 + 1e-6
    assert at_once <= 9
    if policy.max_attempts is not None:
        assert state.failures <= policy.max_attempts


def test_a_clock_that_jumps_back_does_not_lengthen_the_budget() -> None:
    decision = decide(RetryPolicy(budget=1.0, cap=50.0), NETWORK, attempt=50, first_failed_at=9.0, now=3.0, random=0.9)
    assert decision == Retry(1.0)
    assert decide(RetryPolicy(budget=0.0), NETWORK, attempt=1, first_failed_at=9.0, now=9.0, random=0.9) == GiveUp(
        "connection reset (after 1 try in 0 s)"
    )


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(None, 0.5), (0.0, 0.5), (-1.0, 0.5), (math.nan, 0.5), (math.inf, 0.5), (0.9, 0.945), (4.0, 4.2), (0.2, 0.5)],
)
def test_a_retry_after_that_makes_sense_is_waited_for_and_a_tenth_at_most(asked: float | None, waits: float) -> None:
    policy = RetryPolicy(budget=100.0, base=1.0, cap=60.0)
    failure = Failure(Kind.SERVER, "busy", retry_after=asked)
    decision = decide(policy, failure, attempt=1, first_failed_at=0.0, now=0.0, random=0.5)
    assert decision == Retry(pytest.approx(waits))


@pytest.mark.parametrize(("attempt", "most"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (5000, 60.0)])
def test_back_offs_double(attempt: int, most: float) -> None:
    policy = RetryPolicy(budget=100.0, base=1.0, cap=60.0)
    decision = decide(policy, Failure(Kind.SERVER, "busy"), attempt=attempt, first_failed_at=0.0, now=0.0, random=0.5)
    assert decision == Retry(pytest.approx(most / 2))
