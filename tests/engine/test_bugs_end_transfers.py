"""An exception that nobody expects, in source, target or sink, ends the transfer with that exception; nothing hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from s3amfs.core.pacing import Controller
from s3amfs.core.parts import Part
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine.attempt import Move, PartResult, PartWork, ReceivePart, RelayPart, SendPart
from s3amfs.engine.executor import Transfer
from s3amfs.engine.line import Later, Line, Member, Share
from s3amfs.engine.loop import get_engine
from s3amfs.engine.renewal import Renewal
from s3amfs.engine.settings import Settings
from s3amfs.engine.sinks import MemorySink
from s3amfs.engine.upload_body import PartChecks, UploadBody
from s3amfs.wire.curl.streams import Reader
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.httpserver import HttpServer

PART = Part(1, 0, 1000)
CHECKS = PartChecks(trailer=None)


class Bug(Exception):
    pass


class BadSink(MemorySink):
    def __init__(self, where: str) -> None:
        super().__init__(memoryview(bytearray(PART.length)), PART, lambda reply: None)
        self._where = where

    def begin(self, reply: Reply) -> None:
        if self._where == "begin":
            raise Bug

    def write(self, data: bytes) -> None:
        if self._where == "write":
            raise Bug
        super().write(data)

    def finish(self) -> PartResult:
        raise Bug


class BadReader:
    def read(self, size: int) -> bytes:
        raise Bug

    def rewind(self) -> bool:
        raise Bug


@pytest.fixture(scope="module")
def web() -> Iterator[HttpServer]:
    with HttpServer() as server:
        yield server


def outcome(move: Move, share: Share | None = None) -> BaseException | None:
    """What `wait` raises; fails if it does not return at all."""
    share = share or Share([get_engine().lines.fixed(4)])
    transfer = Transfer(get_engine(), move, share, Settings("test", RetryPolicy(budget=0)))
    raised: list[BaseException | None] = []

    def run() -> None:
        transfer.add([PART], last=True)
        try:
            transfer.wait()
            raised.append(None)
        except BaseException as error:  # noqa: BLE001 - compared by the caller
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert raised, "the transfer hangs"
    return raised[0]


@pytest.mark.parametrize("where", ["begin", "write", "finish"])
def test_a_sink(web: HttpServer, where: str) -> None:
    url = web.add("/data", bytes(PART.length))
    assert isinstance(outcome(lambda part, attempt: ReceivePart(HttpRequest("GET", url), BadSink(where))), Bug)


def test_a_source(web: HttpServer) -> None:
    request = HttpRequest("PUT", f"{web.base_url}/put", content_length=PART.length)
    assert isinstance(outcome(lambda part, attempt: SendPart(request, UploadBody(BadReader(), 1, 1000, CHECKS))), Bug)


@pytest.mark.parametrize("where", ["accept", "start", "body"])
def test_a_relay(web: HttpServer, where: str) -> None:
    url = web.add("/data", bytes(PART.length))

    def accept(reply: Reply) -> None:
        if where == "accept":
            raise Bug

    def body(inner: Reader) -> UploadBody:
        return UploadBody(BadReader() if where == "body" else inner, 1, PART.length, CHECKS)

    class BadOptions(tuple):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[object]:
            raise Bug

    options = BadOptions() if where == "start" else ()

    def move(part: Part, attempt: int) -> PartWork:
        target = HttpRequest("PUT", f"{web.base_url}/put", content_length=PART.length, options=options)
        return RelayPart(HttpRequest("GET", url), accept, target, body)

    assert isinstance(outcome(move), Bug)


class BadShare(Share):
    """Raises when the transfer joins its line, or when a part asks for its turn."""

    def __init__(self, where: str) -> None:
        self._where = where
        line = get_engine().lines.fixed(4)
        super().__init__([BadLine(Controller(4, fixed=4), lambda delay, function: None) if where == "join" else line])

    def take_turn(self, later: Later, begin: Callable[[], None]) -> bool:
        if self._where == "turn":
            raise Bug

        later(0.0, begin)
        return False


class BadLine(Line):
    def join(self, member: Member) -> None:
        raise Bug


@pytest.mark.parametrize("where", ["join", "turn"])
def test_admission(web: HttpServer, where: str) -> None:
    url = web.add("/data", bytes(PART.length))
    sink = MemorySink(memoryview(bytearray(PART.length)), PART, lambda reply: None)
    move = partial(received, HttpRequest("GET", url), sink)
    assert isinstance(outcome(move, BadShare(where)), Bug)


def received(request: HttpRequest, sink: MemorySink, part: Part, attempt: int) -> PartWork:
    return ReceivePart(request, sink)


def test_a_part_that_was_admitted_by_a_timer(web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(self: Renewal, begin: Callable[[], None]) -> None:
        raise Bug

    monkeypatch.setattr(Renewal, "when_fresh", bad)
    url = web.add("/data", bytes(PART.length))
    sink = MemorySink(memoryview(bytearray(PART.length)), PART, lambda reply: None)
    assert isinstance(outcome(partial(received, HttpRequest("GET", url), sink), BadShare("later")), Bug)
