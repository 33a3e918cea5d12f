"""An exception that nobody expects, in source, target or sink, ends the transfer with that exception; nothing hangs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from s3amfs.core.parts import Part
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine.attempt import Move, PartResult, PartWork, ReceivePart, RelayPart, SendPart
from s3amfs.engine.executor import Transfer
from s3amfs.engine.line import Share
from s3amfs.engine.loop import get_engine
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


def outcome(move: Move) -> BaseException | None:
    """What `wait` raises; fails if it does not return at all."""
    transfer = Transfer(
        get_engine(), move, Share([get_engine().lines.fixed(4)]), Settings("test", RetryPolicy(budget=0))
    )
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
