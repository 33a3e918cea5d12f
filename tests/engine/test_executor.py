"""A transfer's parts: all moved once, slots always given back, one error ends all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from s3amfs.core.events import BytesMoved, Event, PartFinished, PartRetried
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.parts import Part, Plan
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine.attempt import Move, PartResult, PartWork, ReceivePart
from s3amfs.engine.executor import Transfer
from s3amfs.engine.limits import SlotGate
from s3amfs.engine.line import Share
from s3amfs.engine.loop import get_engine
from s3amfs.engine.settings import Callbacks, Settings
from s3amfs.engine.sinks import MemorySink
from s3amfs.errors import S3AMError
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.httpserver import HttpServer

PARTS = Plan(8000, 1000)


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


class Job:
    """Fetches the parts of `data` into a memory; `results` and `events` are what was reported."""

    def __init__(self, web: HttpServer, *, slots: int = 4, gate: int = 3, budget: float = 20.0) -> None:
        self.url = web.add("/data", bytes(range(250)) * 32)
        self.page = web.pages["/data"]
        self.memory = bytearray(PARTS.size)
        self.gate, self.line = SlotGate(gate), get_engine().lines.fixed(slots)
        self.results: list[PartResult] = []
        self.events: list[Event] = []
        settings = Settings("test", RetryPolicy(budget=budget, base=0.01), gate=self.gate)
        callbacks = Callbacks(on_part=self.results.append, on_event=self.events.append)
        self.work: Move = lambda part, attempt: receive(self.url, self.memory, part)
        self.transfer = Transfer(
            get_engine(), lambda part, attempt: self.work(part, attempt), Share([self.line]), settings, callbacks
        )

    def run(self, parts: Plan = PARTS) -> None:
        self.transfer.add(parts, last=True)
        self.transfer.wait()

    @property
    def slots_held(self) -> tuple[int, int]:
        return self.gate.held, self.line.gate.held


def receive(url: str, memory: bytearray, part: Part) -> ReceivePart:
    offset, length = part.offset, part.length
    request = HttpRequest("GET", url, (("Range", f"bytes={offset}-{offset + length - 1}"),))

    def judge(reply: Reply) -> None:
        assert reply.status == 206

    return ReceivePart(request, MemorySink(memoryview(memory)[offset : offset + length], part, judge))


def test_every_part_is_moved_once_and_its_slots_are_free_again(web: HttpServer) -> None:
    job = Job(web)
    job.run()
    assert bytes(job.memory) == bytes(range(250)) * 32
    assert sorted(result.number for result in job.results) == [part.number for part in PARTS]
    assert (job.transfer.parts_moved, job.transfer.retries) == (8, 0)
    assert job.slots_held == (0, 0)
    assert len([event for event in job.events if isinstance(event, PartFinished)]) == 8
    assert [event.done for event in job.events if isinstance(event, BytesMoved)][-1] == PARTS.size


def test_a_part_that_fails_is_tried_again_and_holds_no_slot_meanwhile(web: HttpServer) -> None:
    job = Job(web)
    job.page.fail = [503, 503, 500]
    job.run()
    assert bytes(job.memory) == bytes(range(250)) * 32
    assert job.transfer.retries == len([event for event in job.events if isinstance(event, PartRetried)]) == 3
    assert job.slots_held == (0, 0)


def test_what_is_stopped_gives_all_its_slots_back(web: HttpServer) -> None:
    job = Job(web, gate=2)
    job.page.delay = 30.0
    job.transfer.add(PARTS, last=True)
    assert wait_for(lambda: job.gate.held == 2)
    job.transfer.stop(Failure(Kind.FATAL, "stopped"))
    assert wait_for(lambda: job.slots_held == (0, 0)), "slots of cancelled parts, and of those that waited for one"
    with pytest.raises(S3AMError, match="stopped"):
        job.transfer.wait()
    assert job.results == []


def test_one_part_that_cannot_be_had_cuts_the_others_and_gives_their_slots_back(web: HttpServer) -> None:
    job = Job(web, budget=0.0)
    missing = web.base_url + "/missing"
    job.page.delay = 30.0

    def move(part: Part, attempt: int) -> PartWork:
        return receive(missing if part.number == 3 else job.url, job.memory, part)

    job.work = move
    job.transfer.add(PARTS, last=True)
    with pytest.raises(S3AMError):
        job.transfer.wait()
    assert wait_for(lambda: job.slots_held == (0, 0))


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether the condition becomes true in time: looked at whenever the engine's loop has done something."""
    over = threading.Event()
    end = threading.Timer(seconds, over.set)
    end.start()
    try:
        while not over.is_set():
            if condition():
                return True
            done = threading.Event()
            get_engine().loop(0).submit(done.set)
            done.wait(1)
        return False
    finally:
        end.cancel()
