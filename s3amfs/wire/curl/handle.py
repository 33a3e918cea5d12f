"""One handle of libcurl, set up for an exchange; and the line that the log gets when that is over."""

from __future__ import annotations

import logging
import os
import socket
from typing import Final

import pycurl

from ...core.http import origin
from ..messages import HttpRequest
from .exchange import Exchange, fill_reply, has_cookies
from .name_lookup import Names
from .options import PROXY_CAINFO, with_time_limits
from .reached import Reached
from .streams import BytesReader

log = logging.getLogger("s3amfs.requests")

BUFFER_BYTES: Final = 256 * 1024
"""Send buffer of one connection, and of what may pause the receive buffer: curl keeps what is refused."""
RECEIVE_BYTES: Final = 2 * 1024 * 1024 if pycurl.version_info()[2] >= 0x080800 else BUFFER_BYTES
"""Receive buffer where nothing pauses: since libcurl 8.8 all connections of a thread share it, and each look at a fast
connection takes all that is there, which saves a sixth of a download's CPU time."""
TLS_SEND_BYTES: Final = BUFFER_BYTES // 2  # since what was encrypted is buffered as well
UNSENT_BYTES: Final = BUFFER_BYTES
"""Most bytes that the kernel holds of a connection beyond those in flight: so they count when they move, and a slot
needs little memory (Linux, tcp(7): TCP_NOTSENT_LOWAT)."""
SHORT_BYTES: Final = 64 * 1024
"""A body up to here needs no buffers of its own."""
_UNREACHABLE: Final = (pycurl.E_COULDNT_CONNECT, pycurl.E_OPERATION_TIMEDOUT, pycurl.E_SSL_CONNECT_ERROR)


class Handles:
    """Handles that have been used and wait for the next request. One thread.

    bundle: as `configure` has it. most: that are kept.
    """

    def __init__(self, bundle: str | None, most: int) -> None:
        self._bundle = bundle
        self._most = most
        self._free: list[pycurl.Curl] = []
        self._alike: list[pycurl.Curl] = []
        """Set up as the last short request was: for the next one only what differs has to be set."""
        self._as: tuple[object, ...] = ()

    def take(self, exchange: Exchange) -> pycurl.Curl:
        """A handle that is set up for `exchange`."""
        if self._alike and _likeness(exchange) == self._as:
            handle = self._alike.pop()
            _address(handle, exchange)
            return handle
        if not self._free:
            self._reset_alike()
        handle = self._free.pop() if self._free else pycurl.Curl()
        try:
            configure(handle, exchange, self._bundle)
        except BaseException:
            handle.close()
            raise
        return handle

    def give_back(self, handle: pycurl.Curl, exchange: Exchange) -> None:
        """`exchange` has ended, and its reply is filled."""
        if exchange.reply.curl_code or len(self._free) + len(self._alike) >= self._most:
            handle.close()
            return
        likeness = _likeness(exchange)
        if likeness is not None and exchange.address is None:
            if likeness != self._as:
                self._reset_alike()
                self._as = likeness
            handle.setopt(pycurl.WRITEFUNCTION, _ignore)  # else the handle would keep the body
            handle.setopt(pycurl.HEADERFUNCTION, _ignore)
            if exchange.reader is not None:
                handle.setopt(pycurl.READFUNCTION, _ignore)
                handle.setopt(pycurl.SEEKFUNCTION, _ignore)
                handle.unsetopt(pycurl.PREREQFUNCTION)
            self._alike.append(handle)
        elif has_cookies(exchange.request):  # reset() would keep them
            handle.close()
        else:
            handle.reset()
            self._free.append(handle)

    def _reset_alike(self) -> None:
        for handle in self._alike:
            handle.reset()
        self._free += self._alike
        self._alike.clear()

    def close(self) -> None:
        for handle in (*self._free, *self._alike):
            handle.close()


def _likeness(exchange: Exchange) -> tuple[object, ...] | None:
    """The options that `configure` sets for a HEAD, or a short GET or PUT, besides what is its own; None: others."""
    request, chunks = exchange.request, exchange.chunks
    if not request.is_s3 or exchange.sink is not None:
        return None
    if not request.headers:  # pycurl takes an empty list for no call: those of the request before would be sent
        return None
    if request.method == "HEAD":
        return ("HEAD", request.url[:5], request.options)
    if chunks is not None and request.method == "GET":
        return (chunks.most, request.url[:5], request.options)
    is_streamed = exchange.reader is not None and request.content_length is not None  # a control call has other limits
    if is_streamed and request.method == "PUT" and _length(request) <= SHORT_BYTES:
        return ("PUT", request.url[:5], request.options)
    return None


def _ignore(*_: object) -> None:
    """Nothing is to come."""


def _length(request: HttpRequest) -> int:
    return request.content_length if request.content_length is not None else len(request.body)


def _line(header: tuple[str, str]) -> bytes:
    name, value = header
    return (f"{name}: {value}" if value else f"{name};").encode()  # pycurl takes text of ASCII alone


def _address(handle: pycurl.Curl, exchange: Exchange) -> None:
    """Sets what each request has of its own."""
    set_option, request = handle.setopt, exchange.request
    lines = list(map(_line, request.headers))
    if exchange.reader is not None:
        lines.append(b"Expect:")
        length = _length(request)
        set_option(pycurl.INFILESIZE_LARGE, length)
        set_option(pycurl.READFUNCTION, exchange._on_read)
        set_option(pycurl.SEEKFUNCTION, exchange._on_seek)
        if not length:
            set_option(pycurl.PREREQFUNCTION, exchange._on_connected)
    elif request.method == "POST":
        lines.append(b"Expect:")
        if not any(name.lower() == "content-type" for name, _ in request.headers):
            lines.append(b"Content-Type:")
    set_option(pycurl.URL, os.fsencode(request.url))
    set_option(pycurl.HTTPHEADER, lines)
    set_option(pycurl.HEADERFUNCTION, exchange._on_header if exchange.lines is None else exchange.lines.append)
    set_option(pycurl.WRITEFUNCTION, exchange._on_body if exchange.chunks is None else exchange.chunks.append)


def configure(handle: pycurl.Curl, exchange: Exchange, bundle: str | None) -> None:
    """Sets all that libcurl has to know of `exchange`. bundle: file of CA certificates; None: libcurl's own."""
    request = exchange.request
    set_option = handle.setopt
    exchange.reply.is_http = request.url[:4].lower() == "http"
    set_option(pycurl.NOSIGNAL, 1)
    set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    set_option(pycurl.TCP_NODELAY, 1)
    set_option(pycurl.TCP_KEEPALIVE, 1)
    set_option(pycurl.LOW_SPEED_LIMIT, 1)
    if bundle is not None:
        set_option(pycurl.CAINFO, os.fsencode(bundle))
        set_option(PROXY_CAINFO, os.fsencode(bundle))
    set_option(pycurl.USERAGENT, "s3amfs")
    is_control = exchange.sink is None and exchange.reader is None and exchange.chunks is None
    _configure_method(handle, exchange)
    _address(handle, exchange)
    if exchange.chunks is not None:
        set_option(pycurl.MAXFILESIZE_LARGE, exchange.chunks.most)
    if exchange.sink is not None or exchange.chunks is not None:
        set_option(pycurl.BUFFERSIZE, BUFFER_BYTES if exchange.may_pause else RECEIVE_BYTES)
    for option, value in with_time_limits(request.options, is_control=is_control):
        set_option(option, os.fsencode(value) if isinstance(value, str) else value)  # pycurl takes ASCII only


def _configure_method(handle: pycurl.Curl, exchange: Exchange) -> None:
    request, method = exchange.request, exchange.request.method
    set_option = handle.setopt
    if exchange.reader is None and method == "PUT":
        exchange.reader = BytesReader(request.body)
    if method == "HEAD":
        set_option(pycurl.NOBODY, 1)
        set_option(pycurl.OPT_FILETIME, 1)
    elif exchange.reader is not None:
        set_option(pycurl.UPLOAD, 1)
        if _length(request) > SHORT_BYTES:
            tls = request.url[:5].lower() == "https"
            set_option(pycurl.UPLOAD_BUFFERSIZE, TLS_SEND_BYTES if tls else BUFFER_BYTES)
            set_option(pycurl.SOCKOPTFUNCTION, _limit_unsent)
        if method != "PUT":
            set_option(pycurl.CUSTOMREQUEST, method)
    elif method == "POST":
        set_option(pycurl.POST, 1)
        set_option(pycurl.POSTFIELDSIZE_LARGE, len(request.body))
        set_option(pycurl.POSTFIELDS, request.body)
    elif method == "GET":
        set_option(pycurl.HTTPGET, 1)
    else:
        set_option(pycurl.CUSTOMREQUEST, method)


def _limit_unsent(fd: int, _purpose: int) -> int:
    sock = socket.socket(fileno=fd)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    finally:
        sock.detach()
    return int(pycurl.SOCKOPT_OK)


def pin(handle: pycurl.Curl, exchange: Exchange, names: Names) -> None:
    """Chooses one of several addresses of the server; `unpin` gives it back."""
    chosen = names.begin(exchange.request.url)
    if chosen is not None:
        exchange.address = chosen[0]
        handle.setopt(pycurl.CONNECT_TO, [chosen[1]])


def unpin(handle: pycurl.Curl, exchange: Exchange, names: Names, *, answered: bool) -> None:
    """Takes note of how a request with a filled reply has ended for the address of its server."""
    reply = exchange.reply
    connected = reply.curl_code == pycurl.E_OPERATION_TIMEDOUT and reply.connect_seconds > 0
    unreachable = reply.curl_code in _UNREACHABLE and not connected
    answered_by = str(handle.getinfo(pycurl.PRIMARY_IP)) if answered else ""
    names.end(exchange.request.url, exchange.address, answered_by=answered_by, unreachable=unreachable)


def conclude(exchange: Exchange, handle: pycurl.Curl, code: int, message: str, reached: Reached) -> None:
    """Fills the reply of what has ended, and takes note of it. code, message: libcurl's."""
    reply = exchange.reply
    if exchange._endless:
        code, message = pycurl.E_RECV_ERROR, "the server sent an endless reply"
    reply.curl_code, reply.curl_error = code, message
    try:
        fill_reply(exchange, handle)
    except Exception as error:  # noqa: BLE001 - whoever waits for its end must get it
        exchange.error = error
        reply.curl_code = code or pycurl.E_RECV_ERROR
    answered = reply.status != 0 or (code == 0 and not reply.is_http)
    log_end(exchange)
    unpin(handle, exchange, reached.names, answered=answered)
    latency = reply.latency if exchange.reader is None else 0.0
    reached.count(reply)
    reply.reached = reached.note(exchange.request, answered=answered, latency=latency)


def log_end(exchange: Exchange) -> None:
    """One line, without the query, which may hold a signature, and without a password."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    request, reply = exchange.request, exchange.reply
    path = request.url.partition("?")[0].partition("://")[2].partition("/")[2]
    outcome = reply.curl_error if reply.curl_code else reply.status
    log.debug("%s %s/%s: %s, %d bytes up", request.method, origin(request.url), path, outcome, reply.bytes_up)
