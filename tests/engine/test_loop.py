"""A loop that can no longer serve says so to everybody that waits, and takes no more work."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from s3amfs.core.http import origin
from s3amfs.core.parts import Part
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine import waiting
from s3amfs.engine.attempt import PartWork, ReceivePart
from s3amfs.engine.executor import Transfer
from s3amfs.engine.interruptible import asking
from s3amfs.engine.line import Share
from s3amfs.engine.loop import Call, Engine, Loop
from s3amfs.engine.one_shot import OneShot
from s3amfs.engine.settings import Settings
from s3amfs.engine.sinks import MemorySink
from s3amfs.errors import Interrupted, TransferError
from s3amfs.wire.curl.streams import BytesReader
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.faults import Rule, stall
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy


class Broken(Exception):
    pass


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of something that is asked for and does not come."""
    with HttpServer() as web, FaultProxy(web.base_url) as proxy:
        web.add("/data", bytes(1000))
        proxy.rules.append(Rule("*", stall("request_head")))
        yield f"{proxy.endpoint_url}/data"


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """What is reported as a thread's crash."""
    seen: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_value))
    return seen


def break_down(loop: Loop) -> None:
    def no_poll(timeout: float | None) -> None:
        raise Broken

    def break_poll() -> None:
        loop.multi.poll = no_poll  # type: ignore[method-assign]

    loop.submit(break_poll)
    loop._thread.join(10)
    assert not loop._thread.is_alive()


def test_calls_end_with_the_error(silent: str, crashes: list[BaseException | None]) -> None:
    loop = Loop("test")
    call = Call(loop, HttpRequest("GET", silent), None, None)
    break_down(loop)
    with pytest.raises(Broken):
        call.wait()
    assert [type(error) for error in crashes] == [Broken]


def test_a_thread_that_sends_its_own_request_is_interrupted_as_others_are(silent: str) -> None:
    engine = Engine()
    request = HttpRequest("PUT", silent, content_length=1)
    with asking(lambda: True), pytest.raises(Interrupted):
        engine.call_here(request, BytesReader(b"x"))
    assert engine.exchanges() == []


def test_a_long_wait_of_such_a_thread_is_reported_once(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, looks = list[str](), itertools.count()
    monkeypatch.setattr(waiting, "_listener", lines.append)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.3)
    with asking(lambda: next(looks) > 1), pytest.raises(Interrupted):
        Engine().call_here(HttpRequest("PUT", silent, content_length=1), BytesReader(b"x"))
    assert lines == [f"waiting: an answer of {origin(silent)}"]


def test_one_shots_end(silent: str, crashes: list[BaseException | None]) -> None:
    loop, replies = Loop("test"), list[Reply | None]()
    OneShot(loop, lambda: HttpRequest("GET", silent), replies.append)
    break_down(loop)
    assert replies == [None]


def test_transfers_end(silent: str, crashes: list[BaseException | None]) -> None:
    engine = Engine(loops=1)
    part = Part(1, 0, 1000)

    def move(part: Part, attempt: int) -> PartWork:
        return ReceivePart(
            HttpRequest("GET", silent), MemorySink(memoryview(bytearray(1000)), part, lambda reply: None)
        )

    share = Share([engine.lines.fixed(1)])
    transfer = Transfer(engine, move, share, Settings(describe="test", policy=RetryPolicy()))
    transfer.add([part], last=True)
    break_down(engine.loop())
    with pytest.raises((Broken, TransferError)):
        transfer.wait()
    transfer.stop()


def test_no_more_work_is_taken_and_the_engine_makes_another(crashes: list[BaseException | None]) -> None:
    engine = Engine(loops=1)
    broken = engine.loop()
    break_down(broken)
    with pytest.raises(TransferError):
        broken.submit(lambda: None)
    ran = threading.Event()
    engine.loop().submit(ran.set)
    assert ran.wait(10)


def test_a_bug_in_one_piece_of_work_is_reported_and_stops_nothing(crashes: list[BaseException | None]) -> None:
    loop, ran = Loop("test"), threading.Event()

    def bug() -> None:
        raise Broken

    loop.submit(bug)
    loop.submit(lambda: loop.multi.call_later(0, bug))
    loop.submit(lambda: loop.multi.call_later(0.01, ran.set))
    assert ran.wait(10)
    assert [type(error) for error in crashes] == [Broken, Broken]


def test_a_loop_of_the_parent_takes_no_work_in_a_forked_child() -> None:
    loop = Loop("test")
    child = os.fork()
    if child == 0:
        try:
            loop.submit(lambda: None)
        except TransferError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_64_chunks_of_a_mebibyte_move_at_a_time() -> None:
    """As zarr asks for them: neither the number nor the bytes of small objects let fewer in."""
    admitted: list[int] = []
    small = Engine().small
    for number in range(70):
        small.enter(partial(admitted.append, number), 1 << 20)
    assert len(admitted) == 64
