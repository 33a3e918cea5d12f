"""Multi and Exchange against real servers: pauses, cuts, time-outs, kept connections, other threads."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from s3amfs.core.failures import Kind
from s3amfs.wire.curl.exchange import Exchange, _read_lines
from s3amfs.wire.curl.multi import Multi
from s3amfs.wire.curl.options import timeout_options
from s3amfs.wire.curl.streams import PAUSE, BytesReader
from s3amfs.wire.failures import classify
from s3amfs.wire.messages import HttpRequest
from tests.support.httpserver import HttpServer
from tests.wire.curl_helpers import DATA, IMPATIENT, Give, Keep, RawServer, get, put, read_request
from tests.wire.exchange import drive, run

# -- pauses ----------------------------------------------------------------------------------------------------------


def test_a_sink_may_pause_again_and_again(multi: Multi, web: HttpServer) -> None:
    asked = 0

    def before(_: Keep) -> object | None:
        nonlocal asked
        asked += 1
        if asked % 2:
            multi.call_later(0.001, lambda: multi.resume(exchange))
            return PAUSE
        return None

    done: list[Exchange] = []
    sink = Keep(before)
    exchange = Exchange(get(web.add("/data", DATA)), done.append, sink=sink)
    multi.start(exchange)
    drive(multi, lambda: bool(done))
    assert bytes(sink.data) == DATA


def test_a_reader_may_pause_again_and_again(multi: Multi, web: HttpServer) -> None:
    asked = 0

    def before(_: Give) -> object | None:
        nonlocal asked
        asked += 1
        if asked % 2:
            multi.call_later(0.001, lambda: multi.resume(exchange))
            return PAUSE
        return None

    done: list[Exchange] = []
    exchange = Exchange(put(web.url("/up")), done.append, reader=Give(before))
    multi.start(exchange)
    drive(multi, lambda: bool(done))
    assert web.of("/up")[0].received == len(DATA) == exchange.reply.bytes_up


@pytest.mark.parametrize("way", ["sink", "reader"])
def test_a_pause_of_our_own_is_no_stall(multi: Multi, web: HttpServer, way: str) -> None:
    """The other end of a relay may be slow: only the one that does not answer is given up."""
    paused = False

    def before(_: object) -> object | None:
        nonlocal paused
        if paused:
            return None
        paused = True
        multi.call_later(2.5, lambda: multi.resume(exchange))
        return PAUSE

    done: list[Exchange] = []
    if way == "sink":
        exchange = Exchange(get(web.add("/data", DATA), impatient=True), done.append, sink=Keep(before))
    else:
        exchange = Exchange(put(web.url("/up"), impatient=True), done.append, reader=Give(before))
    multi.start(exchange)
    drive(multi, lambda: bool(done))
    assert (exchange.reply.curl_code, exchange.reply.status) == (0, 200)


# -- cuts and time-outs ----------------------------------------------------------------------------------------------


def test_cancel_cuts_the_connection_and_reports_nothing(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    gone = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        assert connection.recv(1) == b""
        gone.set()

    done: list[Exchange] = []
    sink = Keep()
    exchange = Exchange(get(raw(serve).url), done.append, sink=sink)
    multi.start(exchange)
    drive(multi, lambda: bytes(sink.data) == b"abc")
    multi.cancel(exchange)
    multi.cancel(exchange)  # a second time is harmless
    multi.resume(exchange)
    assert gone.wait(10)
    multi.poll(0.05)
    assert (done, multi.active) == ([], 0)


def test_the_end_of_one_may_cancel_the_other(multi: Multi, web: HttpServer) -> None:
    """Both ends of a relay may end in the same round."""
    url = web.add("/data", b"x")
    done: list[Exchange] = []

    def end(exchange: Exchange) -> None:
        done.append(exchange)
        multi.cancel(other if exchange is one else one)

    one, other = Exchange(get(url), end), Exchange(get(url), end)
    multi.start(one)
    multi.start(other)
    drive(multi, lambda: multi.active == 0)
    assert len(done) == 1


def test_a_server_that_stalls_is_given_up(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        connection.recv(1)

    reply = run(multi, get(raw(serve).url, impatient=True), sink=Keep()).reply
    failure = classify(reply)
    assert (reply.curl_code, failure.kind) == (28, Kind.TIMEOUT)
    assert 0.9 < reply.seconds < 5


def test_a_server_that_answers_a_control_call_drop_by_drop_is_given_up(
    multi: Multi,
    raw: Callable[[Callable[[socket.socket, int], None]], RawServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("s3amfs.wire.curl.options.CONTROL_PATIENCE", 1)
    gone = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not gone.wait(0.05):  # never three seconds without a byte
            connection.sendall(b"x")

    try:
        reply = run(multi, HttpRequest("GET", raw(serve).url, options=timeout_options(1.0, 3.0))).reply
    finally:
        gone.set()
    assert classify(reply).kind is Kind.TIMEOUT
    assert 2.9 < reply.seconds < 10


def test_a_server_that_takes_no_more_is_given_up(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    release = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(1000)
        release.wait(20)

    request = HttpRequest("PUT", raw(serve).url, content_length=len(DATA) * 20, options=IMPATIENT)
    reply = run(multi, request, reader=BytesReader(DATA * 20)).reply
    release.set()
    assert classify(reply).kind is Kind.TIMEOUT


def test_a_host_that_does_not_answer_is_given_up(multi: Multi) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(4):  # a full queue of connections: further ones are not answered
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        reply = run(multi, get(f"http://127.0.0.1:{listener.getsockname()[1]}/", impatient=True)).reply
        for filler in fillers:
            filler.close()
    assert classify(reply).kind is Kind.TIMEOUT
    assert 0.9 < reply.seconds < 5


def test_a_reset_is_a_network_failure(multi: Multi, web: HttpServer) -> None:
    sink = Keep()
    reply = run(multi, get(web.add("/data", DATA, cut_after=1000, cuts=1)), sink=sink).reply
    assert classify(reply).kind is Kind.NETWORK
    assert bytes(sink.data) == DATA[: len(sink.data)]


# -- connections -----------------------------------------------------------------------------------------------------


def test_connections_are_kept(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA)
    for _ in range(3):
        run(multi, get(url), sink=Keep())
        run(multi, get(web.url("/missing")))
        run(multi, put(web.url("/up")), reader=Give())
    assert web.connections == 1


def test_options_of_one_request_do_not_leak_into_the_next(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA)
    run(multi, HttpRequest("PUT", web.url("/up"), (("X-Secret", "1"),), b"abc"))
    reply = run(multi, get(url)).reply
    assert reply.body == DATA
    assert "x-secret" not in web.requests[-1].headers


def test_a_kept_connection_that_has_died_is_replaced(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    """The server ends an idle connection as the next request comes: curl sends it again, from its first byte."""
    bodies: list[bytes] = []

    def serve(connection: socket.socket, number: int) -> None:
        _, body = read_request(connection)
        bodies.append(body)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        if number == 1:
            read_request(connection)
        else:
            connection.recv(1)

    server = raw(serve)
    assert run(multi, put(server.url), reader=Give()).reply.status == 200
    exchange = run(multi, put(server.url), reader=Give())
    assert (exchange.reply.status, exchange.reply.bytes_up) == (200, len(DATA))
    assert bodies == [DATA, DATA]
    assert server.connections == 2


def test_many_at_once(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA[: 1 << 18])
    done: list[Exchange] = []
    sinks = [Keep() for _ in range(40)]
    for sink in sinks:
        multi.start(Exchange(get(url), done.append, sink=sink))
    drive(multi, lambda: len(done) == 40)
    assert {bytes(sink.data) for sink in sinks} == {DATA[: 1 << 18]}


# -- the clock and other threads -------------------------------------------------------------------------------------


def test_another_thread_ends_the_waiting(multi: Multi) -> None:
    threading.Timer(0.1, multi.wake).start()
    begun = time.monotonic()
    multi.poll(20)
    assert time.monotonic() - begun < 10
    for _ in range(100_000):  # more than the socket holds: must neither block nor raise
        multi.wake()
    multi.poll(20)


def test_timers_run_in_their_order(multi: Multi) -> None:
    ran: list[str] = []
    multi.call_later(0.05, lambda: ran.append("late"))
    multi.call_later(0.0, lambda: ran.append("now"))
    multi.call_later(0.01, lambda: ran.append("soon"))
    drive(multi, lambda: len(ran) == 3)
    assert ran == ["now", "soon", "late"]


def test_close_ends_everything(web: HttpServer) -> None:
    multi = Multi()
    done: list[Exchange] = []
    multi.start(Exchange(get(web.add("/data", DATA, rate=1000)), done.append, sink=Keep()))
    multi.poll(0.1)
    multi.close()
    assert done == []


def test_a_body_does_not_wait_for_the_garbage_collector(web: HttpServer) -> None:
    """A reply that was kept in memory leaves with the last who knows it: listings have thousands of pages."""

    class Request(HttpRequest):
        """One that a weak reference can follow, as the exchange has no room for one."""

    gc.disable()
    try:
        url = web.add("/data", DATA)
        multi = Multi(lambda: None)
        exchange = Exchange(Request("GET", url), lambda _exchange: None)
        gone = weakref.ref(exchange.request)
        ended: list[bool] = []
        exchange.on_done = lambda _exchange: ended.append(True)
        multi.start(exchange)
        drive(multi, lambda: bool(ended))
        assert exchange.reply.body == DATA
        del exchange
        multi.close()
        del multi
        assert gone() is None
    finally:
        gc.enable()


def test_bytes_that_wait_in_buffers_have_not_arrived(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    """Of a body that the server does not read, only what its machine holds for it has arrived."""
    body, release, done = bytes(64 * 1024 * 1024), threading.Event(), list[Exchange]()

    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(1000)
        release.wait(20)

    exchange = Exchange(
        HttpRequest("PUT", raw(serve).url, content_length=len(body)), done.append, reader=BytesReader(body)
    )
    multi.note_acknowledged()
    multi.start(exchange)
    drive(multi, lambda: exchange.reply.bytes_up > 0)
    for _ in range(20):
        multi.poll(0.01)
    multi.note_acknowledged()
    assert 0 < exchange.acknowledged < exchange.reply.bytes_up < len(body)
    before = exchange.acknowledged
    multi.note_acknowledged()
    assert exchange.acknowledged >= before, "it never goes back"
    release.set()
    multi.cancel(exchange)
    multi.note_acknowledged()


@pytest.mark.parametrize(
    "lines",
    [
        [b"HTTP/1.1 200 OK\r\n", b'ETag: "a b"\r\n', b"X-Empty:\r\n", b"X-B:c\r\n", b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X-Name: \xe4\xa0 \r\n", b"X_Odd: 1\r\n", b"\r\n"],
        [b"HTTP/1.1 100 Continue\r\n", b"X-A: 1\r\n", b"\r\n", b"HTTP/1.1 412 No\r\n", b"X-B: 2\r\n", b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X-A:  two  spaces \r\n", b"x-a: again\r\n", b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b'ETag:  "two"\r\n', b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X-B:   \r\n", b"\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n", b"X_B: 2\r\n"],
        [b"X-Trailer: 1\r\n", b"X_Odd: 2\r\n", b"\r\n"],
        [],
    ],
)
def test_header_lines_read_at_the_end_are_those_read_as_they_come(lines: list[bytes]) -> None:
    at_once = Exchange(get("http://h/"), lambda _: None)
    at_the_end = Exchange(get("http://h/"), lambda _: None)
    at_the_end.lines = list(lines)
    for line in lines:
        at_once._on_header(line)
    _read_lines(at_the_end)
    assert at_the_end.reply == at_once.reply
    assert at_the_end.lines == []
