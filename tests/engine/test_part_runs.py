"""Attempts at parts, in loops that run when the test says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.lag import Running
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import Outcome, PartWork, SendPart
from s3amfs.engine.loop import Loop
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.part_runs import PartRuns
from s3amfs.engine.parts_in_flight import PartsInFlight
from s3amfs.engine.sampler import Sampler
from s3amfs.wire.messages import HttpRequest

PART = Part(3, 20, 10)
PROBLEM = Failure(Kind.LOCAL, "the file is shorter now")


class FakeMulti:
    def __init__(self) -> None:
        self.started: list[Any] = []
        self.cancelled: list[Any] = []

    def start(self, exchange: Any) -> None:
        self.started.append(exchange)

    def cancel(self, exchange: Any) -> None:
        self.cancelled.append(exchange)


class FakeLoop:
    """Runs what is submitted at once, and starts exchanges that never end."""

    def __init__(self) -> None:
        self.submitted = 0
        self.multi = FakeMulti()

    def submit(self, function: Callable[[], None]) -> None:
        self.submitted += 1
        function()


class Body:
    """Has moved some bytes."""

    moved = 4

    def read(self, size: int) -> bytes:
        return b""

    def rewind(self) -> bool:
        return True

    def finish(self, reply: object) -> None:
        """Never called."""


class Site:
    def __init__(self, move: Callable[[Part, int], PartWork], loops: int = 2) -> None:
        self.loops = [FakeLoop() for _ in range(loops)]
        self.ended: list[tuple[int, int, Outcome]] = []
        self.crashed: list[BaseException] = []
        self.runs = PartRuns(
            cast(list[Loop], self.loops),
            move,
            None,
            PartsInFlight(cast(Sampler, None), (), {}, lambda: (0, 0)),
            lambda *ended: self.ended.append(ended),
            self.crashed.append,
        )


def sending(part: Part, attempt: int) -> PartWork:
    return SendPart(HttpRequest("PUT", f"http://s3.test/{part.number}/{attempt}"), cast(Any, Body()))


def test_parts_take_turns_on_the_loops() -> None:
    site = Site(sending)
    assert [site.loops.index(cast(Any, site.runs.loop_of(number))) for number in (1, 2, 3, 4)] == [1, 0, 1, 0]
    site.runs.begin(PART, 5)
    assert [exchange.request.url for exchange in site.loops[1].multi.started] == ["http://s3.test/3/5"]
    assert site.loops[0].multi.started == []


def test_what_is_in_flight() -> None:
    site = Site(sending)
    before = time.monotonic()
    assert (site.runs.in_flight, site.runs.moved, site.runs.running({3: PART}, before)) == (0, 0, [])
    site.runs.begin(PART, 1)
    site.runs.begin(Part(4, 30, 10), 1)
    assert (site.runs.in_flight, site.runs.moved) == (2, 8)
    (running,) = site.runs.running({3: PART}, before + 7)  # of the other the transfer knows nothing any more
    assert (running.number, running.length, running.moved) == (3, 10, 4)
    assert 6 < running.seconds <= 7
    assert isinstance(running, Running)


def test_a_cut_attempt_reports_what_is_lost_and_never_ends() -> None:
    site = Site(sending)
    site.runs.begin(PART, 1)
    site.runs.cut(3)
    assert (site.runs.bytes_moved, site.runs.ended, site.ended, site.runs.in_flight) == (4, 0, [], 0)
    assert site.loops[1].multi.cancelled == site.loops[1].multi.started
    site.runs.cut(3)
    assert site.runs.bytes_moved == 4, "nothing is left to cut"


def test_a_problem_of_the_part_is_its_failure() -> None:
    def move(part: Part, attempt: int) -> PartWork:
        raise PartProblem(PROBLEM)

    site = Site(move)
    site.runs.begin(PART, 2)
    assert site.ended == [(3, 2, PROBLEM)]
    assert (site.crashed, site.runs.in_flight) == ([], 0)
    assert (site.runs.bytes_moved, site.runs.ended) == (0, 1)
    assert site.loops[0].submitted == 1, "reported in the home loop"


def test_an_error_of_ours_is_a_crash() -> None:
    error = KeyError("bug")

    def move(part: Part, attempt: int) -> PartWork:
        raise error

    site = Site(move)
    site.runs.begin(PART, 1)
    assert (site.crashed, site.ended, site.runs.in_flight) == ([error], [], 0)


def test_how_long_an_attempt_took() -> None:
    site = Site(sending)
    before = time.monotonic()
    site.runs.begin(PART, 1)
    assert 9 < site.runs.seconds(3, before + 10) <= 10


def test_an_attempt_that_ends_is_counted_once() -> None:
    site = Site(sending)
    site.runs.begin(PART, 1)
    (exchange,) = site.loops[1].multi.started
    exchange.reply.status = 500
    exchange.on_done(exchange)
    ((number, attempt, outcome),) = site.ended
    assert (number, attempt, isinstance(outcome, Failure)) == (3, 1, True)
    assert (site.runs.bytes_moved, site.runs.ended, site.runs.in_flight, site.runs.moved) == (4, 1, 0, 0)
