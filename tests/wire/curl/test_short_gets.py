"""Short GETs of S3, whose handles stay set up from one to the next, and whose headers are read at the end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pycurl
import pytest

from s3amfs.wire.curl.exchange import Exchange, span_of
from s3amfs.wire.curl.multi import Multi
from s3amfs.wire.curl.options import RANGE
from s3amfs.wire.curl.streams import Chunks
from s3amfs.wire.messages import HttpRequest
from tests.support.httpserver import HttpServer
from tests.wire.curl_helpers import Keep, RawServer, read_request
from tests.wire.exchange import drive, run

Raw = Callable[[Callable[[socket.socket, int], None]], RawServer]


def short(url: str, *headers: tuple[str, str], options: tuple[tuple[int, object], ...] = ()) -> HttpRequest:
    return HttpRequest("GET", url, headers, options=options, is_s3=True)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[pycurl.Curl]:
    """The handles that are made."""
    found: list[pycurl.Curl] = []

    def make() -> pycurl.Curl:
        found.append(real())
        return found[-1]

    real = pycurl.Curl
    monkeypatch.setattr(pycurl, "Curl", make)
    return found


def test_nothing_of_one_request_is_in_the_next(multi: Multi, web: HttpServer, made: list[pycurl.Curl]) -> None:
    one, other = web.add("/one", b"first", etag='"1"'), web.add("/other", b"second body", etag='"2"')
    first, second, third = Chunks(100), Chunks(100), Chunks(100)
    before = run(multi, short(one, ("x-one", "1"), ("x-both", "1")), chunks=first).reply
    after = run(multi, short(other, ("x-both", "2")), chunks=second).reply
    plain = run(multi, short(other), chunks=third).reply
    assert len(made) == 1
    assert [b"".join(chunks) for chunks in (first, second, third)] == [b"first", b"second body", b"second body"]
    assert [reply.headers["etag"] for reply in (before, after, plain)] == ['"1"', '"2"', '"2"']
    assert [reply.url for reply in (before, after, plain)] == [one, other, other]
    (asked,), (again, bare) = web.of("/one"), web.of("/other")
    assert (asked.headers["x-one"], asked.headers["x-both"]) == ("1", "1")
    assert again.headers["x-both"] == "2"
    assert "x-one" not in again.headers
    assert "x-both" not in bare.headers
    assert asked.connection == again.connection == bare.connection  # one connection


def test_requests_of_another_kind_get_no_handle_that_is_set_up(
    multi: Multi, web: HttpServer, made: list[pycurl.Curl]
) -> None:
    url = web.add("/data", b"0123456789")
    run(multi, short(url), chunks=Chunks(10))
    cut = run(multi, short(url), chunks=Chunks(9)).reply  # another limit
    assert cut.curl_code == pycurl.E_FILESIZE_EXCEEDED
    ranged = Chunks(10)
    run(multi, short(url, options=((RANGE, "2-3"),)), chunks=ranged)
    whole = Chunks(10)
    run(multi, short(url), chunks=whole)
    sink = Keep()
    run(multi, HttpRequest("GET", url), sink=sink)
    kept = run(multi, HttpRequest("GET", url)).reply
    head = run(multi, HttpRequest("HEAD", url)).reply
    assert (b"".join(ranged), b"".join(whole)) == (b"23", b"0123456789")
    assert (bytes(sink.data), kept.body, head.body) == (b"0123456789", b"0123456789", b"")
    assert (kept.headers["content-length"], head.headers["content-length"]) == ("10", "10")
    again = Chunks(10)
    assert run(multi, short(url), chunks=again).reply.status == 200
    assert b"".join(again) == b"0123456789"
    assert len(made) == 2  # that of the request that was cut is not used again


def test_a_body_is_not_kept_by_its_handle(multi: Multi, web: HttpServer) -> None:
    chunks = Chunks(100)
    run(multi, short(web.add("/one", b"first")), chunks=chunks)
    run(multi, short(web.add("/other", b"second")), chunks=Chunks(100))
    assert chunks == [b"first"]


def test_only_the_last_of_several_replies_counts(multi: Multi, raw: Raw) -> None:
    def serve(connection: socket.socket, _number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n")
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nETag: x\r\nContent-Length: 2\r\n\r\nno")

    chunks = Chunks(100)
    reply = run(multi, short(raw(serve).url), chunks=chunks).reply
    assert (reply.status, reply.headers, b"".join(chunks)) == (403, {"etag": "x", "content-length": "2"}, b"no")


def test_a_request_that_is_cut_shows_what_had_arrived(multi: Multi, raw: Raw) -> None:
    def serve(connection: socket.socket, _number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-amz-request-id: 7\r\nContent-Length: 9\r\n\r\nbegun")
        connection.recv(1)

    chunks = Chunks(100)
    exchange = Exchange(short(raw(serve).url), lambda _: None, chunks=chunks)
    multi.start(exchange)
    drive(multi, lambda: bool(chunks))
    handle = exchange._handle
    assert handle is not None
    assert span_of(exchange, handle, cut=True).request_id == "7"
    multi.cancel(exchange)
