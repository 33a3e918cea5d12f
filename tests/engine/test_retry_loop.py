"""The retry loop of control calls: what it returns, learns and reports."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine import retry_loop, waiting
from s3amfs.engine.retry_loop import retrying

TROUBLE = Failure(Kind.SERVER, "InternalError (HTTP 500)", status=500)


class Clock:
    """Time that passes only while the loop waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.reported: list[str] = []
        monkeypatch.setattr(retry_loop, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(retry_loop, "random", SimpleNamespace(random=lambda: 0.5))
        monkeypatch.setattr(retry_loop, "wait_for", self._wait)
        monkeypatch.setattr(waiting, "report", self.reported.append)

    def _wait(self, _event: object, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_success_is_none_and_what_failed_before_was_learned(clock: Clock) -> None:
    outcomes: list[Failure | None] = [TROUBLE, TROUBLE, None]
    learned: list[Failure] = []
    assert retrying(RetryPolicy(), lambda: outcomes.pop(0), lambda failure, _: learned.append(failure)) is None
    assert learned == [TROUBLE, TROUBLE]
    assert clock.reported == []  # less than 5 s


def test_a_final_failure_is_returned_at_once(clock: Clock) -> None:
    denied = Failure(Kind.DENIED, "AccessDenied (HTTP 403)", status=403)
    learned: list[float] = []
    assert retrying(RetryPolicy(), lambda: denied, lambda _, delay: learned.append(delay)) is denied
    assert learned == []
    assert clock.now == 1000.0


@pytest.mark.parametrize(("reached", "budget"), [(True, 300), (False, 30)])
def test_trouble_ends_with_the_budget_and_is_reported_once(clock: Clock, reached: bool, budget: int) -> None:
    failure = Failure(Kind.SERVER, "InternalError (HTTP 500)", status=500, reached=reached)
    tries: list[float] = []

    def attempt() -> Failure:
        tries.append(clock.now)
        return failure

    assert retrying(RetryPolicy(), attempt, lambda *_: None) is failure
    assert clock.now - 1000 == pytest.approx(budget)
    assert 5 < len(tries) < 50
    assert clock.reported == [f"InternalError (HTTP 500); trying again for up to {budget} s"]
