"""Multi and Exchange against real servers: bodies both ways, pauses, cuts, time-outs, kept connections."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from s3amfs.core.failures import Kind
from s3amfs.wire.curl import CONTROL_BODY_BYTES, ERROR_BODY_BYTES, Exchange, Multi
from s3amfs.wire.curl_options import timeout_options
from s3amfs.wire.replies import classify
from s3amfs.wire.requests import HttpRequest, Reply
from s3amfs.wire.streams import PAUSE, BytesReader
from tests.support.httpserver import HttpServer
from tests.wire.exchange import drive, run

DATA = hashlib.sha256(b"seed").digest() * 65536  # 2 MiB
IMPATIENT = timeout_options(1.0, 1.0)


@pytest.fixture
def multi() -> Iterator[Multi]:
    multi = Multi()
    yield multi
    multi.close()


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer() as web:
        yield web


class Keep:
    """A sink that keeps everything; `before` is asked before each write and may answer PAUSE or raise."""

    def __init__(self, before: Callable[[Keep], object | None] = lambda _: None) -> None:
        self.data = bytearray()
        self.begun: list[Reply] = []
        self.before = before

    def begin(self, reply: Reply) -> None:
        self.begun.append(reply)

    def write(self, data: bytes) -> object | None:
        if self.before(self) is PAUSE:
            return PAUSE
        self.data += data
        return None


class Give:
    """A reader of DATA; `before` is asked before each read."""

    def __init__(self, before: Callable[[Give], object | None] = lambda _: None) -> None:
        self.inner = BytesReader(DATA)
        self.before = before
        self.given = 0

    def read(self, size: int) -> bytes | object:
        if self.before(self) is PAUSE:
            return PAUSE
        data = self.inner.read(size)
        self.given += len(data)
        return data

    def rewind(self) -> bool:
        return self.inner.rewind()


class RawServer:
    """Accepts connections and hands each, with its number, to `serve` in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket, int], None], backlog: int = 16) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._guard, args=(connection, self.connections), daemon=True).start()
        except OSError:
            return

    def _guard(self, connection: socket.socket, number: int) -> None:
        try:
            with connection:
                self._serve(connection, number)
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket, int], None]], RawServer]]:
    servers: list[RawServer] = []

    def make(serve: Callable[[socket.socket, int], None]) -> RawServer:
        servers.append(RawServer(serve))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def read_request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body (by Content-Length) of the next request; b'' at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b"", b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b"", b""
        body += more
    return head, body


def get(url: str, impatient: bool = False) -> HttpRequest:
    return HttpRequest("GET", url, options=IMPATIENT if impatient else ())


def put(url: str, impatient: bool = False) -> HttpRequest:
    return HttpRequest("PUT", url, content_length=len(DATA), options=IMPATIENT if impatient else ())


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_into_memory_and_one_into_a_sink(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA, etag='"tag"')
    reply = run(multi, get(url)).reply
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, DATA, '"tag"')
    assert (reply.content_length, reply.url, reply.curl_code) == (len(DATA), url, 0)
    sink = Keep()
    reply = run(multi, get(url), sink=sink).reply
    assert (bytes(sink.data), reply.body, reply.bytes_down) == (DATA, b"", len(DATA))
    assert [r.headers["etag"] for r in sink.begun] == ['"tag"']


def test_head_has_no_body(multi: Multi, web: HttpServer) -> None:
    reply = run(multi, HttpRequest("HEAD", web.add("/data", DATA, last_modified=1_700_000_000))).reply
    assert (reply.status, reply.body, reply.content_length) == (200, b"", len(DATA))
    assert reply.filetime == 1_700_000_000


def test_the_sink_of_an_empty_body_sees_the_reply(multi: Multi, web: HttpServer) -> None:
    sink = Keep()
    run(multi, get(web.add("/empty", b"")), sink=sink)
    assert [reply.status for reply in sink.begun] == [200]


def test_an_error_does_not_reach_the_sink(multi: Multi, web: HttpServer) -> None:
    sink = Keep()
    exchange = run(multi, get(web.url("/missing")), sink=sink)
    assert (exchange.reply.status, exchange.reply.body) == (404, b"404\n")
    assert (sink.begun, sink.data) == ([], b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("body", [b"", b"<xml/>", b"x" * 300_000])
def test_bodies_from_memory(multi: Multi, web: HttpServer, method: str, body: bytes) -> None:
    if method == "DELETE" and body:
        return  # S3 has none
    run(multi, HttpRequest(method, web.url("/up"), body=body))
    (asked,) = web.of("/up", method)
    assert asked.body == body
    assert asked.headers.get("content-length", "0") == str(len(body))
    assert "expect" not in asked.headers
    assert "transfer-encoding" not in asked.headers
    assert asked.headers.get("content-type", "") == ""


def test_a_streamed_body(multi: Multi, web: HttpServer) -> None:
    exchange = run(multi, put(web.url("/up")), reader=Give())
    assert (exchange.reply.status, exchange.reply.bytes_up) == (200, len(DATA))
    assert web.of("/up")[0].received == len(DATA)


def test_headers_with_empty_values_are_sent(multi: Multi, web: HttpServer) -> None:
    run(multi, HttpRequest("GET", web.add("/data", b""), headers=(("X-Empty", ""), ("X-Full", "1"))))
    assert web.requests[0].headers["x-empty"] == ""
    assert web.requests[0].headers["x-full"] == "1"


def test_error_bodies_are_bounded(multi: Multi, web: HttpServer) -> None:
    page = web.add("/big", b"x" * (ERROR_BODY_BYTES * 3))
    web.pages["/big"].headers["X"] = "1"
    reply = run(multi, get(page)).reply
    assert len(reply.body) == 3 * ERROR_BODY_BYTES  # a success is kept whole


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_reply_is_cut(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer], status: int
) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(f"HTTP/1.1 {status} X\r\n\r\n".encode())
        while True:
            connection.sendall(bytes(1 << 20))

    reply = run(multi, get(raw(serve).url)).reply
    assert len(reply.body) == (ERROR_BODY_BYTES if status == 500 else CONTROL_BODY_BYTES)
    failure = classify(reply)
    assert failure.kind is (Kind.SERVER if status == 500 else Kind.NETWORK)
    assert status == 500 or "endless" in failure.message


def test_endless_headers_are_cut(
    multi: Multi, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Header: %b\r\n" % (b"x" * 1000) * 100)

    reply = run(multi, get(raw(serve).url)).reply
    assert reply.curl_code != 0
    assert sum(map(len, reply.headers.values())) < 1 << 20


# -- what callbacks raise --------------------------------------------------------------------------------------------


class Trouble(Exception):
    pass


def raise_trouble(_: object) -> None:
    raise Trouble


def test_what_a_sink_raises_is_kept_and_cuts_only_its_own(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA)
    done: list[Exchange] = []
    good = Keep()
    multi.start(Exchange(get(url), done.append, sink=Keep(raise_trouble)))
    multi.start(Exchange(get(url), done.append, sink=good))
    drive(multi, lambda: len(done) == 2)
    bad = next(exchange for exchange in done if exchange.sink is not good)
    assert isinstance(bad.error, Trouble)
    assert bad.reply.curl_code != 0
    assert bytes(good.data) == DATA


def test_what_begin_raises_is_kept(multi: Multi, web: HttpServer) -> None:
    class Refuse(Keep):
        def begin(self, reply: Reply) -> None:
            raise Trouble

    for body in (DATA, b""):
        sink = Refuse()
        assert isinstance(run(multi, get(web.add("/data", body)), sink=sink).error, Trouble)
        assert sink.data == b""


def test_what_a_reader_raises_is_kept(multi: Multi, web: HttpServer) -> None:
    exchange = run(multi, put(web.url("/up")), reader=Give(raise_trouble))
    assert isinstance(exchange.error, Trouble)
    assert exchange.reply.curl_code != 0


def test_a_sink_that_raises_when_it_is_resumed(multi: Multi, web: HttpServer) -> None:
    """curl reports this from curl_easy_pause, not as the end of the transfer."""
    answers = iter([PAUSE])

    def before(_: Keep) -> object | None:
        if next(answers, None) is PAUSE:
            multi.call_later(0.01, lambda: multi.resume(exchange))
            return PAUSE
        raise Trouble

    done: list[Exchange] = []
    exchange = Exchange(get(web.add("/data", DATA)), done.append, sink=Keep(before))
    multi.start(exchange)
    drive(multi, lambda: bool(done))
    assert isinstance(exchange.error, Trouble)
    assert exchange.reply.curl_code != 0
    assert multi.active == 0


def test_an_owner_that_raises_does_not_lose_the_ends_of_others(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", b"x")
    done: list[Exchange] = []
    for _ in range(3):
        multi.start(Exchange(get(url), raise_trouble))
        multi.start(Exchange(get(url), done.append))
    raised = 0
    deadline = time.monotonic() + 20
    while len(done) < 3 or raised < 3:
        assert time.monotonic() < deadline
        try:
            multi.poll(0.2)
        except Trouble:
            raised += 1
    assert multi.active == 0


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
    assert exchange.reply.bytes_down == len(DATA)


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


def test_a_rate_is_kept(multi: Multi, web: HttpServer) -> None:
    done: list[Exchange] = []
    exchange = Exchange(get(web.add("/data", DATA)), done.append, sink=Keep(), limit_rate=len(DATA))
    multi.start(exchange)
    drive(multi, lambda: bool(done))
    assert 0.5 < exchange.reply.seconds < 4


def test_close_ends_everything(web: HttpServer) -> None:
    multi = Multi()
    done: list[Exchange] = []
    multi.start(Exchange(get(web.add("/data", DATA, rate=1000)), done.append, sink=Keep()))
    multi.poll(0.1)
    multi.close()
    assert done == []
