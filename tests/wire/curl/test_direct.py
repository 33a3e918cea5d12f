"""Requests that the waiting thread sends itself: connections that are kept, what cuts them, and what is noted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pycurl
import pytest

from s3amfs.core.trace_events import RequestSpan
from s3amfs.errors import Interrupted
from s3amfs.wire.curl.direct import Direct
from s3amfs.wire.curl.exchange import ERROR_BODY_BYTES, Exchange
from s3amfs.wire.curl.handle import Handles
from s3amfs.wire.curl.reached import Reached
from s3amfs.wire.curl.streams import BytesReader
from s3amfs.wire.messages import HttpRequest
from tests.wire.curl_helpers import RawServer, read_request

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "e"\r\nX-Name:  a b \r\n\r\n'


@pytest.fixture
def spans() -> list[RequestSpan]:
    return []


@pytest.fixture
def reached() -> Reached:
    return Reached()


@pytest.fixture
def direct(reached: Reached, spans: list[RequestSpan]) -> Iterator[Direct]:
    made = Direct(reached, lambda: spans.append)
    yield made
    made.hang_up()


def put(url: str, body: bytes = b"data") -> Exchange:
    request = HttpRequest("PUT", url, (("x-a", "b"),), content_length=len(body), is_s3=True)
    exchange = Exchange(request, lambda _: None, reader=BytesReader(body))
    exchange.lines = []
    return exchange


def read_all(connection: socket.socket) -> None:
    """Never answers."""
    while connection.recv(65536):
        pass


def patient(seconds: float) -> None:
    """Waits on."""


def test_bodies_go_one_after_the_other_over_one_connection(
    direct: Direct, reached: Reached, spans: list[RequestSpan]
) -> None:
    got: list[tuple[bytes, bytes]] = []

    def serve(connection: socket.socket, _number: int) -> None:
        while (request := read_request(connection))[0]:
            got.append(request)
            connection.sendall(OK)

    server = RawServer(serve)
    for body in (b"first", b"", b"the third is longer"):
        exchange = put(server.url, body)
        direct.send(exchange, patient)
        assert (exchange.reply.status, exchange.reply.curl_code) == (200, 0)
        assert exchange.reply.headers == {"content-length": "0", "etag": '"e"', "x-name": "a b"}
        assert exchange.reply.bytes_up == len(body)
    assert server.connections == 1
    assert [body for _, body in got] == [b"first", b"", b"the third is longer"]
    assert all(b"x-a: b" in head and b"Expect" not in head for head, _ in got)
    assert reached.bytes_up == len(b"first" + b"the third is longer")
    assert sum(reached.requests.values()) == 3
    assert [span.outcome for span in spans] == ["200"] * 3
    assert direct.exchanges() == []


def test_those_of_several_threads_have_a_connection_each(direct: Direct) -> None:
    together = threading.Barrier(3)

    def serve(connection: socket.socket, _number: int) -> None:
        while read_request(connection)[0]:
            together.wait(10)
            connection.sendall(OK)

    server = RawServer(serve)
    for _ in range(2):
        sent = [put(server.url) for _ in range(3)]
        threads = [threading.Thread(target=direct.send, args=(exchange, patient)) for exchange in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [exchange.reply.status for exchange in sent] == [200] * 3
    assert server.connections == 3
    direct.hang_up()
    together = threading.Barrier(1)
    direct.send(put(server.url), patient)
    assert server.connections == 4


def test_a_look_that_raises_cuts_the_request(direct: Direct, spans: list[RequestSpan]) -> None:
    server = RawServer(lambda connection, _: read_all(connection))

    def look(seconds: float) -> None:
        assert seconds > 0
        assert len(direct.exchanges()) == 1
        raise Interrupted("gone")

    exchange, began = put(server.url), time.monotonic()
    direct.send(exchange, look)
    assert isinstance(exchange.error, Interrupted)
    assert exchange.reply.curl_code == pycurl.E_ABORTED_BY_CALLBACK
    assert time.monotonic() - began < 5
    assert direct.exchanges() == []
    assert [span.outcome for span in spans] == ["cut"]


def test_a_reader_that_raises_cuts_the_request(direct: Direct) -> None:
    class Broken(BytesReader):
        def read(self, size: int) -> bytes:
            raise OSError(5, "broken")

    server = RawServer(lambda connection, _: read_all(connection))
    exchange = put(server.url)
    exchange.reader = Broken(b"data")
    direct.send(exchange, patient)
    assert isinstance(exchange.error, OSError)
    assert exchange.reply.curl_code


def test_a_server_that_is_not_there_is_a_reply_without_a_status(direct: Direct, reached: Reached) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    exchange = put(f"http://127.0.0.1:{port}/")
    direct.send(exchange, patient)
    assert (exchange.reply.status, exchange.reply.curl_code) == (0, pycurl.E_COULDNT_CONNECT)
    assert not exchange.reply.reached
    assert exchange.error is None


@pytest.mark.parametrize("body", [b"data", b""])
def test_a_kept_connection_that_has_died_is_replaced_and_the_body_sent_again(direct: Direct, body: bytes) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(OK)
        if number > 1:
            connection.recv(1)
            return
        read_request(connection)  # and hangs up

    server = RawServer(serve)
    rewound: list[bool] = []

    class Noting(BytesReader):
        def rewind(self) -> bool:
            rewound.append(True)
            return super().rewind()

    first, exchange = put(server.url), put(server.url, body)
    direct.send(first, patient)
    exchange.reader = Noting(body)
    direct.send(exchange, patient)
    assert (exchange.reply.status, exchange.reply.bytes_up, server.connections) == (200, len(body), 2)
    assert rewound == [True]
    assert (first.reply.sent_again, exchange.reply.sent_again) == (False, True)


def test_connections_are_closed_while_other_threads_take_them(direct: Direct) -> None:
    class Taken(list[Handles]):
        def __bool__(self) -> bool:
            return True  # as it was a moment ago

    direct._idle = Taken()
    direct.hang_up()


def test_an_error_has_its_body_as_far_as_that_is_kept(direct: Direct) -> None:
    long = b"x" * (ERROR_BODY_BYTES + 1000)

    def serve(connection: socket.socket, _number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: %d\r\n\r\n%s" % (len(long), long))

    exchange = put(RawServer(serve).url)
    direct.send(exchange, patient)
    assert (exchange.reply.status, len(exchange.reply.body)) == (412, ERROR_BODY_BYTES)
    assert exchange.reply.headers["content-length"] == str(len(long))
