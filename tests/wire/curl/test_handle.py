"""What libcurl is given for one request, without a network."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pycurl
import pytest

from s3amfs.wire.curl import exchange as exchanges
from s3amfs.wire.curl import handle as module
from s3amfs.wire.curl.exchange import Exchange, fill_reply
from s3amfs.wire.curl.handle import BUFFER_BYTES, RECEIVE_BYTES, TLS_SEND_BYTES, Handles, configure, log_end
from s3amfs.wire.curl.options import COOKIEFILE, PROXY_CAINFO
from s3amfs.wire.curl.streams import BytesReader, Chunks
from s3amfs.wire.messages import HttpRequest
from tests.wire.curl_helpers import Give, Keep

URL = "http://s3.test/b/k"
LARGE = 64 * 1024


class Handle:
    """Takes options as pycurl does, and knows what it is asked for afterwards."""

    def __init__(self, **info: Any) -> None:
        self.options: dict[int, Any] = {}
        self.info = {getattr(pycurl, name): value for name, value in info.items()}

    def setopt(self, option: int, value: Any) -> None:
        self.options[option] = value

    def getinfo(self, name: int) -> Any:
        return self.info.get(name, 0)

    def getinfo_raw(self, name: int) -> Any:
        if name not in self.info:
            raise pycurl.error(43, "no such thing")
        return self.info[name]


def configured(request: HttpRequest, bundle: str | None = None, **ends: Any) -> dict[int, Any]:
    handle = Handle()
    configure(handle, Exchange(request, lambda _: None, **ends), bundle)  # type: ignore[arg-type]
    return handle.options


def test_every_request_has_its_url_and_no_signals() -> None:
    options = configured(HttpRequest("GET", "http://s3.test/ä"))
    assert options[pycurl.URL] == "http://s3.test/ä".encode()
    assert options[pycurl.NOSIGNAL] == options[pycurl.TCP_NODELAY] == options[pycurl.TCP_KEEPALIVE] == 1
    assert options[pycurl.LOW_SPEED_LIMIT] == 1
    assert options[pycurl.HTTP_VERSION] == pycurl.CURL_HTTP_VERSION_1_1
    assert options[pycurl.USERAGENT] == "s3amfs"


@pytest.mark.parametrize(
    ("url", "is_http"), [("http://h/", True), ("HTTPS://h/", True), ("ftp://h/", False), ("sftp://h/http", False)]
)
def test_what_speaks_http(url: str, is_http: bool) -> None:
    exchange = Exchange(HttpRequest("GET", url), lambda _: None)
    configure(Handle(), exchange, None)  # type: ignore[arg-type]
    assert exchange.reply.is_http is is_http


def test_certificates_hold_for_server_and_proxy() -> None:
    options = configured(HttpRequest("GET", URL), "/etc/ca.pem")
    assert options[pycurl.CAINFO] == options[PROXY_CAINFO] == b"/etc/ca.pem"
    options = configured(HttpRequest("GET", URL))
    assert pycurl.CAINFO not in options
    assert PROXY_CAINFO not in options


def test_headers_empty_ones_and_those_beyond_ascii() -> None:
    headers = (("X-Full", "1"), ("X-Empty", ""), ("X-Name", "ä"))
    assert configured(HttpRequest("GET", URL, headers=headers))[pycurl.HTTPHEADER] == [
        b"X-Full: 1",
        b"X-Empty;",
        "X-Name: ä".encode(),
    ]


def test_methods() -> None:
    assert configured(HttpRequest("GET", URL))[pycurl.HTTPGET] == 1
    head = configured(HttpRequest("HEAD", URL))
    assert (head[pycurl.NOBODY], head[pycurl.OPT_FILETIME]) == (1, 1)
    assert configured(HttpRequest("DELETE", URL))[pycurl.CUSTOMREQUEST] == "DELETE"
    assert pycurl.CUSTOMREQUEST not in configured(HttpRequest("GET", URL))


def test_a_post_sends_its_body_and_no_type_of_curls() -> None:
    options = configured(HttpRequest("POST", URL, body=b"<xml/>"))
    assert (options[pycurl.POST], options[pycurl.POSTFIELDS], options[pycurl.POSTFIELDSIZE_LARGE]) == (1, b"<xml/>", 6)
    assert options[pycurl.HTTPHEADER] == [b"Expect:", b"Content-Type:"]
    typed = HttpRequest("POST", URL, headers=(("content-TYPE", "text/xml"),), body=b"<xml/>")
    assert configured(typed)[pycurl.HTTPHEADER] == [b"content-TYPE: text/xml", b"Expect:"]


@pytest.mark.parametrize("length", [None, 5])
def test_a_put_sends_its_body_as_an_upload(length: int | None) -> None:
    options = configured(HttpRequest("PUT", URL, body=b"12345", content_length=length))
    assert (options[pycurl.UPLOAD], options[pycurl.INFILESIZE_LARGE]) == (1, 5)
    assert options[pycurl.READFUNCTION](10) == b"12345"
    assert options[pycurl.HTTPHEADER] == [b"Expect:"]
    assert pycurl.CUSTOMREQUEST not in options


def test_an_upload_by_another_method() -> None:
    assert configured(HttpRequest("POST", URL, content_length=1), reader=Give())[pycurl.CUSTOMREQUEST] == "POST"


@pytest.mark.parametrize(
    ("scheme", "length", "buffer"),
    [
        ("http", LARGE, None),
        ("http", LARGE + 1, BUFFER_BYTES),
        ("https", LARGE, None),
        ("HTTPS", LARGE + 1, TLS_SEND_BYTES),
    ],
)
def test_only_large_bodies_get_a_large_buffer(scheme: str, length: int, buffer: int | None) -> None:
    options = configured(HttpRequest("PUT", f"{scheme}://h/", content_length=length), reader=Give())
    assert options.get(pycurl.UPLOAD_BUFFERSIZE) == buffer
    assert (pycurl.SOCKOPTFUNCTION in options) is (buffer is not None)


def test_what_is_received() -> None:
    pausing = configured(HttpRequest("GET", URL), sink=Keep())
    assert pausing[pycurl.BUFFERSIZE] == BUFFER_BYTES
    steady = configured(HttpRequest("GET", URL), sink=Keep(), may_pause=False)
    assert steady[pycurl.BUFFERSIZE] == RECEIVE_BYTES
    chunks = Chunks(1000)
    chunked = configured(HttpRequest("GET", URL), chunks=chunks)
    assert (chunked[pycurl.BUFFERSIZE], chunked[pycurl.MAXFILESIZE_LARGE]) == (RECEIVE_BYTES, chunks.most)
    chunked[pycurl.WRITEFUNCTION](b"abc")
    assert bytes(b"".join(chunks)) == b"abc"
    assert pycurl.BUFFERSIZE not in configured(HttpRequest("GET", URL))


def test_options_of_the_request_come_last() -> None:
    request = HttpRequest("GET", URL, options=((pycurl.USERAGENT, "other"), (pycurl.TCP_NODELAY, 0)))
    options = configured(request)
    assert (options[pycurl.USERAGENT], options[pycurl.TCP_NODELAY]) == (b"other", 0)


def test_the_kernel_holds_little_that_is_unsent() -> None:
    with socket.socket() as sock:
        assert module._limit_unsent(sock.fileno(), 0) == pycurl.SOCKOPT_OK
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == module.UNSENT_BYTES


def test_the_reply_has_what_curl_knows_at_the_end() -> None:
    exchange = Exchange(HttpRequest("GET", URL, options=((COOKIEFILE, ""),)), lambda _: None)
    exchange._body += b"body"
    handle = Handle(
        RESPONSE_CODE=206,
        TOTAL_TIME=4.0,
        CONNECT_TIME=0.5,
        STARTTRANSFER_TIME=3.0,
        PRETRANSFER_TIME=1.0,
        INFO_FILETIME=17,
        EFFECTIVE_URL=b"http://s3.test/other",
        INFO_COOKIELIST=["a cookie"],
    )
    handle.info[exchanges._ANNOUNCED] = 4.0
    fill_reply(exchange, handle)  # type: ignore[arg-type]
    reply = exchange.reply
    assert (reply.status, reply.body, reply.content_length, reply.filetime) == (206, b"body", 4, 17)
    assert (reply.seconds, reply.connect_seconds, reply.latency) == (4.0, 0.5, 2.0)
    assert (reply.url, reply.cookies) == ("http://s3.test/other", ("a cookie",))


def test_a_reply_without_a_url_or_a_first_byte() -> None:
    exchange = Exchange(HttpRequest("GET", URL), lambda _: None)
    fill_reply(exchange, Handle(PRETRANSFER_TIME=1.0, INFO_COOKIELIST=["not asked for"]))  # type: ignore[arg-type]
    assert (exchange.reply.url, exchange.reply.latency, exchange.reply.cookies) == (URL, 0.0, ())


@pytest.mark.parametrize(("code", "outcome"), [(0, "200"), (7, "refused")])
def test_a_line_of_the_log_without_secrets(caplog: pytest.LogCaptureFixture, code: int, outcome: str) -> None:
    exchange = Exchange(HttpRequest("PUT", "http://me:secret@s3.test/b/k?X-Amz-Signature=abc"), lambda _: None)
    exchange.reply.status, exchange.reply.curl_code, exchange.reply.curl_error = 200, code, "refused"
    exchange.reply.bytes_up = 3
    with caplog.at_level(logging.INFO, "s3amfs.requests"):
        log_end(exchange)
    assert caplog.messages == []
    with caplog.at_level(logging.DEBUG, "s3amfs.requests"):
        log_end(exchange)
    (line,) = caplog.messages
    assert line.endswith(f"/b/k: {outcome}, 3 bytes up")
    assert "secret" not in line
    assert "abc" not in line


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> list[HttpRequest]:
    """The requests for which a handle was set up from its beginning."""
    requests: list[HttpRequest] = []

    def noted(handle: pycurl.Curl, exchange: Exchange, bundle: str | None) -> None:
        requests.append(exchange.request)
        configure(handle, exchange, bundle)

    monkeypatch.setattr(module, "configure", noted)
    return requests


def test_the_next_head_has_what_the_one_before_has_set_up(set_up: list[HttpRequest]) -> None:
    head = HttpRequest("HEAD", URL, (("x-a", "b"),), is_s3=True)
    slower = HttpRequest("HEAD", URL, (("x-a", "b"),), options=((pycurl.LOW_SPEED_TIME, 5),), is_s3=True)
    foreign = HttpRequest("HEAD", URL, (("x-a", "b"),))
    delete = HttpRequest("DELETE", URL, (("x-a", "b"),), is_s3=True)
    handles = Handles(None, 1)
    for request in (head, head, delete, head, head, slower, foreign, head):
        exchange = Exchange(request, lambda _: None)
        assert (exchange.lines is None) == (request not in (head, slower)), "its header lines are read at the end"
        handles.give_back(handles.take(exchange), exchange)
    handles.close()
    assert set_up == [head, delete, head, slower, foreign, head]


def test_a_streamed_put_does_not_get_the_limits_of_a_control_call(set_up: list[HttpRequest]) -> None:
    control = HttpRequest("PUT", URL, (("x-a", "b"),), body=b"data", is_s3=True)
    streamed = HttpRequest("PUT", URL, (("x-a", "b"),), content_length=4, is_s3=True)
    handles = Handles(None, 1)
    for request in (control, streamed, streamed, control):
        reader = BytesReader(b"data") if request is streamed else None
        exchange = Exchange(request, lambda _: None, reader=reader)
        handles.give_back(handles.take(exchange), exchange)
    handles.close()
    assert set_up == [control, streamed, control], "the second streamed one has what the first has set up"
