"""Attempts at parts, in loops that run when the test says so."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from s3amfs.core.checksums import crc
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.lag import Running
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part
from s3amfs.engine.attempt import Outcome, PartWork, ReceivePart, SendPart
from s3amfs.engine.loop import Loop
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.part_runs import PartRuns
from s3amfs.engine.parts_in_flight import PartsInFlight
from s3amfs.engine.sampler import Sampler
from s3amfs.engine.sinks import MemorySink
from s3amfs.engine.sources import range_judge
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.files import content

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
        self.ended: list[tuple[int, int, Outcome, bool]] = []
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
    assert (site.runs.in_flight, site.runs.moved) == (2, 0), "nothing has arrived"
    for loop in site.loops:
        for exchange in loop.multi.started:
            exchange.acknowledged = 3
    assert site.runs.moved == 6
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
    assert site.ended == [(3, 2, PROBLEM, False)]
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
    seconds, came_before = site.runs.spent(3, before + 10)
    assert 9 < seconds <= 10
    assert came_before == 0


# -- answers that were cut --------------------------------------------------------------------------------------------

LONG = Part(3, 100_000, 50_000)
DATA = content(LONG.length, 3)


class Ranges:
    """An object of a million bytes."""

    identity = SourceIdentity("http://s3.test/k", size=1_000_000, etag='"one"')

    def request(self, part: Part) -> HttpRequest:
        return HttpRequest("GET", self.identity.url, (("Range", f"bytes={part.offset}-{part.end - 1}"),))

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self.identity)


class Download:
    """One part into memory, of which each answer goes as the test says."""

    def __init__(self) -> None:
        self.room = bytearray(LONG.length)
        self.moves = 0
        self.site = Site(self.move)

    def move(self, part: Part, attempt: int) -> PartWork:
        self.moves += 1
        ranges = Ranges()
        sink = MemorySink(memoryview(self.room), part, ranges.accept(part), "crc64nvme")
        return ReceivePart(ranges.request(part), sink, rest=ranges)

    def begin(self, attempt: int) -> tuple[Any, int]:
        """Returns the exchange, and which byte of the part it begins with."""
        self.site.runs.begin(LONG, attempt)
        exchange = self.site.loops[1].multi.started[-1]
        first, _, last = exchange.request.headers[0][1].removeprefix("bytes=").partition("-")
        assert int(last) == LONG.end - 1
        exchange.sink.begin(Reply(206, {"content-range": f"bytes {first}-{last}/1000000", "etag": '"one"'}))
        return exchange, int(first) - LONG.offset

    def end(self, exchange: Any, status: int = 206, code: int = 18, error: BaseException | None = None) -> None:
        exchange.reply, exchange.error = Reply(status, curl_code=code), error
        exchange.on_done(exchange)

    @property
    def outcome(self) -> Any:
        return self.site.ended[-1]


def test_a_cut_answer_is_continued_where_it_stopped() -> None:
    job = Download()
    exchange, start = job.begin(1)
    assert start == 0
    exchange.sink.write(DATA[:30_000])
    job.end(exchange)
    assert job.outcome[2].kind is Kind.NETWORK
    assert job.outcome[3] is True
    assert (job.site.runs.moved, job.site.runs.bytes_moved) == (30_000, 30_000), "these bytes are there"
    exchange, start = job.begin(2)
    assert start == 30_000 - 1024
    assert job.site.runs.moved == 30_000
    exchange.sink.write(DATA[start:40_000])
    (running,) = job.site.runs.running({3: LONG}, time.monotonic())
    assert (running.length, running.moved) == (20_000, 10_000), "the pace of this attempt"
    exchange.sink.write(DATA[40_000:])
    job.end(exchange, code=0)
    result = job.outcome[2]
    assert (result.length, result.crc) == (LONG.length, crc("crc64nvme", DATA))
    assert job.room == DATA
    assert (job.moves, job.site.runs.bytes_moved, job.outcome[3]) == (1, LONG.length, False)
    assert job.site.runs.spent(3, time.monotonic())[1] == 30_000


def test_what_came_outlives_failures_without_any_bytes() -> None:
    job = Download()
    exchange, _ = job.begin(1)
    exchange.sink.write(DATA[:30_000])
    job.end(exchange)
    for attempt in (2, 3):
        exchange, start = job.begin(attempt)
        assert start == 30_000 - 1024
        job.end(exchange, status=503, code=0)
        assert (job.outcome[2].kind, job.outcome[3]) == (Kind.SERVER, False), "that was no progress"


def test_a_part_that_lags_loses_nothing() -> None:
    job = Download()
    exchange, _ = job.begin(1)
    exchange.sink.write(DATA[:20_000])
    job.site.runs.cut(3)
    _, start = job.begin(2)
    assert start == 20_000 - 1024


@pytest.mark.parametrize("how", ["damaged", "refused"])
def test_a_join_that_went_wrong_is_followed_by_the_whole(how: str) -> None:
    job = Download()
    exchange, _ = job.begin(1)
    exchange.sink.write(DATA[:30_000])
    job.end(exchange)
    exchange, _ = job.begin(2)
    if how == "damaged":
        job.end(exchange, error=PartProblem(Failure(Kind.CORRUPT, "another seam")), code=23)
    else:
        job.end(exchange, status=501, code=0)
    assert (job.outcome[2].kind, job.outcome[3]) == (Kind.CORRUPT, False)
    for attempt in (3, 4):  # and no more joins of this part
        exchange, start = job.begin(attempt)
        assert start == 0
        exchange.sink.write(DATA[:30_000])
        job.end(exchange)
        assert job.outcome[3] is False


def test_a_change_of_the_source_ends_it() -> None:
    job = Download()
    exchange, _ = job.begin(1)
    exchange.sink.write(DATA[:30_000])
    job.end(exchange)
    exchange, _ = job.begin(2)
    job.end(exchange, status=412, code=0)
    assert job.outcome[2].kind is Kind.CHANGED


def test_a_full_disk_while_it_waits_is_said() -> None:
    class Full(MemorySink):
        def settle(self) -> None:
            raise OSError(errno.ENOSPC, "full")

    ranges = Ranges()
    sink = Full(memoryview(bytearray(LONG.length)), LONG, ranges.accept(LONG))
    job = Download()
    job.site = Site(lambda part, attempt: ReceivePart(ranges.request(part), sink, rest=ranges))
    exchange, _ = job.begin(1)
    exchange.sink.write(DATA[:30_000])
    job.end(exchange)
    assert (job.outcome[2].kind, job.outcome[2].errno, job.outcome[3]) == (Kind.LOCAL, errno.ENOSPC, False)


def test_an_attempt_that_ends_is_counted_once() -> None:
    site = Site(sending)
    site.runs.begin(PART, 1)
    (exchange,) = site.loops[1].multi.started
    exchange.reply.status = 500
    exchange.on_done(exchange)
    ((number, attempt, outcome, _),) = site.ended
    assert (number, attempt, isinstance(outcome, Failure)) == (3, 1, True)
    assert (site.runs.bytes_moved, site.runs.ended, site.runs.in_flight, site.runs.moved) == (4, 1, 0, 0)
