"""Long waits are reported once each; short ones are not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine import waiting
from s3amfs.engine.loop import Call, Loop
from s3amfs.engine.retry_loop import retrying
from s3amfs.wire.messages import HttpRequest
from tests.support.faults import Rule, stall
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(waiting, "_listener", found.append)
    return found


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_wait_is_reported_once_for_each_cause(lines: list[str], clock: Clock) -> None:
    wait = waiting.Wait()
    for cause in ("a", "a", "b", "a", None):
        for _ in range(4):
            clock.now += 2
            wait.look(lambda cause=cause: cause)  # type: ignore[misc]
    assert lines == ["waiting: a", "waiting: b"]


def test_progress_is_no_wait(lines: list[str], clock: Clock) -> None:
    wait = waiting.Wait()
    for _ in range(20):
        clock.now += 4
        wait.progressed()
        wait.look(lambda: "nothing")
    assert lines == []


@pytest.mark.parametrize(("reached", "seconds"), [(True, 300), (False, 30)])
def test_retries_that_take_long_are_reported_once(
    lines: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch, reached: bool, seconds: int
) -> None:
    def wait(self: threading.Event, timeout: float | None = None) -> bool:
        clock.now += timeout or 0
        return False

    monkeypatch.setattr(threading.Event, "wait", wait)
    failure = Failure(Kind.NETWORK, "refused", reached=reached)
    begun = clock.now
    assert retrying(RetryPolicy(), lambda: failure, lambda failure, delay: None) == failure
    assert lines == [f"waiting: refused; trying again for up to {seconds} s"]
    assert clock.now - begun == pytest.approx(seconds, abs=0.1)


def test_short_retries_are_not_reported(lines: list[str]) -> None:
    failures = [Failure(Kind.NETWORK, "refused"), None]
    assert retrying(RetryPolicy(), lambda: failures.pop(0), lambda failure, delay: None) is None
    assert lines == []


def test_a_step_that_blocks(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.01)
    reported = threading.Event()
    monkeypatch.setattr(waiting, "_listener", lambda line: (lines.append(line), reported.set()))
    with waiting.long_wait("credentials"):
        assert reported.wait(10)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 60)
    with waiting.long_wait("nothing"):
        pass
    assert lines == ["waiting: credentials"]


@pytest.fixture
def silent() -> Iterator[tuple[str, FaultProxy]]:
    with HttpServer() as web, FaultProxy(web.base_url) as proxy:
        web.add("/data", b"x")
        proxy.rules.append(Rule("*", stall("before_response", seconds=0.3)))
        yield f"{proxy.endpoint_url}/data?secret", proxy


def test_an_answer_that_does_not_come(
    lines: list[str], silent: tuple[str, FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.05)
    assert Call(Loop("test"), HttpRequest("GET", silent[0]), None, None).wait().status == 200
    assert lines == [f"waiting: an answer of {silent[1].endpoint_url}"]
