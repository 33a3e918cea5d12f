"""A function that recurs goes on after it has raised, and after its loop has crashed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from s3amfs.core.pacing import Controller
from s3amfs.engine import line as line_module
from s3amfs.engine import recurring
from s3amfs.engine.line import Line
from s3amfs.engine.recurring import OVERDUE_SECONDS, SECONDS_AFTER_A_CRASH, Recurring
from s3amfs.engine.sampler import Sampler
from tests.engine.test_line import Member
from tests.engine.test_sampler import Threads


class Loop:
    """Timers that run when the test says so."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.full = False

    def schedule(self, delay: float, function: Callable[[], None]) -> None:
        if self.full:
            raise OSError("no descriptors")
        self.timers.append((delay, function))

    def run(self) -> float:
        """Runs the only timer, as the loop does: what it raises is reported and no more. Returns its delay."""
        ((delay, function),) = self.timers
        self.timers.clear()
        try:
            function()
        except ZeroDivisionError:
            return delay
        return delay


class Counted:
    """A function that raises while it is bad."""

    def __init__(self, loop: Loop) -> None:
        self.calls, self.bad, self.wanted = 0, False, True
        self.recurring = Recurring(loop.schedule, 1.0, self, lambda: self.wanted, threading.Lock())

    def __call__(self) -> None:
        self.calls += 1
        if self.bad:
            raise ZeroDivisionError


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr(recurring, "time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


def test_it_is_called_while_it_is_wanted() -> None:
    loop = Loop()
    counted = Counted(loop)
    assert counted.recurring.start() and not counted.recurring.start()
    assert [loop.run(), loop.run(), counted.calls] == [1.0, 1.0, 2]
    counted.wanted = False
    loop.run()
    assert (counted.calls, loop.timers) == (2, [])
    counted.wanted = True
    assert counted.recurring.start()
    loop.run()
    assert counted.calls == 3


def test_it_goes_on_after_it_has_raised() -> None:
    loop = Loop()
    counted = Counted(loop)
    counted.recurring.start()
    counted.bad = True
    loop.run()
    counted.bad = False
    assert [loop.run(), loop.run(), counted.calls] == [SECONDS_AFTER_A_CRASH, 1.0, 3]


def test_a_call_that_is_lost_with_its_loop_is_scheduled_by_the_next_start(now: list[float]) -> None:
    loop = Loop()
    counted = Counted(loop)
    counted.recurring.start()
    lost = loop.timers.pop()
    now[0] += OVERDUE_SECONDS
    assert not counted.recurring.start(), "it is only late"
    now[0] += 1.0
    assert counted.recurring.start()
    lost[1]()
    assert counted.calls == 0, "what was late is not called beside it"
    loop.run()
    assert counted.calls == 1


def test_a_start_that_has_failed_is_none() -> None:
    loop = Loop()
    counted = Counted(loop)
    loop.full = True
    with pytest.raises(OSError, match="no descriptors"):
        counted.recurring.start()
    loop.full = False
    assert counted.recurring.start()


def test_a_line_goes_on_after_a_sample_has_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, calls = Loop(), []
    line = Line(Controller(8), loop.schedule)
    monkeypatch.setattr(line_module, "_thread_seconds", lambda: calls.append(1) or 1 / 0)
    line.join(Member())
    loop.run()
    assert (len(calls), len(loop.timers)) == (1, 1)
    monkeypatch.undo()
    loop.run()
    assert loop.run() == line_module.SAMPLE_SECONDS


def test_the_sampler_goes_on_after_a_look_has_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, threads = Loop(), Threads()
    sampler = Sampler(threads, loop.schedule)
    monkeypatch.setattr(threads, "exchanges", lambda: 1 / 0)
    before = sampler.join("job")
    loop.run()
    monkeypatch.undo()
    loop.run()
    assert sum(sampler.since(before).seconds.values()) > 0
