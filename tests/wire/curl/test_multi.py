"""Multi and Exchange against real servers: bodies both ways, pauses, cuts, time-outs, kept connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pycurl
import pytest

from s3amfs.core.failures import Kind
from s3amfs.wire.curl.exchange import CONTROL_BODY_BYTES, ERROR_BODY_BYTES, Exchange
from s3amfs.wire.curl.multi import Multi
from s3amfs.wire.curl.streams import PAUSE, Chunks
from s3amfs.wire.failures import classify
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.httpserver import HttpServer
from tests.wire.curl_helpers import DATA, Give, Keep, RawServer, get, put, read_request
from tests.wire.exchange import drive, run

# -- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_into_memory_and_one_into_a_sink(multi: Multi, web: HttpServer) -> None:
    url = web.add("/data", DATA, etag='"tag"')
    reply = run(multi, get(url)).reply
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, DATA, '"tag"')
    assert (reply.content_length, reply.url, reply.curl_code) == (len(DATA), url, 0)
    sink = Keep()
    reply = run(multi, get(url), sink=sink).reply
    assert (bytes(sink.data), reply.body) == (DATA, b"")
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


def test_a_body_as_it_comes(
    multi: Multi, web: HttpServer, raw: Callable[[Callable[[socket.socket, int], None]], RawServer]
) -> None:
    chunks = Chunks(len(DATA))
    reply = run(multi, get(web.add("/data", DATA)), chunks=chunks).reply
    assert (reply.status, reply.body, b"".join(chunks)) == (200, b"", DATA)
    # A handle that is used again has forgotten all of this.
    assert run(multi, get(web.add("/data", DATA))).reply.body == DATA
    longer = run(multi, get(web.add("/data", DATA)), chunks=Chunks(len(DATA) - 1)).reply
    assert longer.curl_code != 0

    def serve(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(bytes(1 << 20))

    endless = Chunks(1 << 20)
    assert run(multi, get(raw(serve).url), chunks=endless).reply.curl_code != 0
    assert sum(map(len, endless)) <= 2 << 20


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


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/x", "ftp://127.0.0.1:1x/x", "http://%/x"])
def test_a_url_that_libcurl_can_make_nothing_of_is_an_end_too(multi: Multi, url: str) -> None:
    reply = run(multi, get(url)).reply
    assert (reply.curl_code, reply.url) == (pycurl.E_URL_MALFORMAT, url)


def test_a_url_with_bytes_that_are_no_utf8(multi: Multi, web: HttpServer) -> None:
    url = web.base_url + "/caf\udce9"
    reply = run(multi, get(url)).reply
    assert (reply.status, reply.url) == (404, url)


def test_what_goes_wrong_at_the_end_is_told(multi: Multi, web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.wire.curl.exchange._ANNOUNCED", "no such thing")
    exchange = run(multi, get(web.add("/data", DATA)))
    assert isinstance(exchange.error, TypeError)
    assert not exchange.reply.ok


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
