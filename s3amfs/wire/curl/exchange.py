"""One request of curl's, its reply, and the callbacks between them; `curl.Multi` drives it.

Bodies are streamed: a reader gives bytes to send, a sink takes bytes received; either may answer `PAUSE` and be resumed
later, which is the back-pressure of relays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import termios
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

import pycurl

from ...core.trace_events import RequestSpan, Timings
from ..messages import HttpRequest, Reply
from .options import COOKIEFILE
from .streams import PAUSE, Chunks, Reader, Sink

ERROR_BODY_BYTES: Final = 64 * 1024
_PAUSE: Final = int(pycurl.WRITEFUNC_PAUSE)
_STATUS: Final = re.compile(rb"HTTP/\S*\s+([1-9][0-9]{2})(?:\s|\Z)")
_HEADER: Final = re.compile(rb"^([A-Za-z0-9-]+): ?((?:[!-~]+(?: [!-~]+)*)?)\r$", re.MULTILINE)
"""A header line as nearly all are; `_on_header` reads the others."""
_MDTM: Final = re.compile(rb"213 (\d{14})(?:\.\d+)?\s*\Z")
"""The answer to MDTM, in UTC (RFC 3659 section 3), which libcurl sends before SIZE."""
_ANNOUNCED: Final = getattr(pycurl, "CONTENT_LENGTH_DOWNLOAD_T", pycurl.CONTENT_LENGTH_DOWNLOAD)
_RECEIVED: Final = getattr(pycurl, "SIZE_DOWNLOAD_T", pycurl.SIZE_DOWNLOAD)
"""The former of each since libcurl deprecates the latter."""
_SENT: Final = getattr(pycurl, "SIZE_UPLOAD_T", pycurl.SIZE_UPLOAD)
_COUNT: Final = struct.Struct("i")
_CONNECTING: Final = (pycurl.NAMELOOKUP_TIME, pycurl.CONNECT_TIME, pycurl.APPCONNECT_TIME, pycurl.PRETRANSFER_TIME)
CONTROL_BODY_BYTES: Final = 32 * 1024 * 1024
"""Largest reply body kept in memory (a ListParts page of 1,000 parts is below 1 MiB)."""


class Exchange:
    """One request, its streamed bodies and, in the end, its reply. may_pause: whether `sink` ever does.

    `error` holds what a reader or sink raised; the transfer is cut then and `reply.curl_code` is non-zero.
    """

    __slots__ = (
        "_body",
        "_body_size",
        "_endless",
        "_handle",
        "_is_sent",
        "_sink_begun",
        "_take",
        "acknowledged",
        "address",
        "answered_at",
        "chunks",
        "error",
        "lines",
        "may_pause",
        "on_done",
        "read_at",
        "reader",
        "reply",
        "request",
        "sink",
        "started",
    )

    def __init__(
        self,
        request: HttpRequest,
        on_done: Callable[[Exchange], None],
        *,
        reader: Reader | None = None,
        sink: Sink | None = None,
        chunks: Chunks | None = None,
        may_pause: bool = True,
    ) -> None:
        self.request = request
        self.on_done = on_done
        self.reader, self.sink = reader, sink
        self.chunks = chunks
        is_look = request.is_s3 and request.method == "HEAD"
        self.lines: list[bytes] | None = [] if chunks is not None or is_look else None
        """Header lines as they come, where nobody looks at them before the end: nothing of ours runs for each."""
        self.may_pause = may_pause and chunks is None
        self.reply = Reply(0)
        self.error: BaseException | None = None
        self.started = 0.0
        self.read_at = self.answered_at = 0.0
        """Moments at which curl took the last bytes to send, and at which the response began; 0.0: not yet."""
        self.acknowledged = 0
        """Bytes of the body sent that the server's machine had received at the last `note_acknowledged`."""
        self._body = bytearray()
        self._body_size = 0
        self._take: Callable[[bytes], object] | None = None
        self._sink_begun = self._endless = self._is_sent = False
        self._handle: pycurl.Curl | None = None
        self.address: str | None = None
        """The one of several of its server that it is pinned to."""

    def _on_header(self, line: bytes) -> None:
        if not self.reply.is_http:
            self._on_ftp_line(line)
            return
        if line.startswith(b"HTTP/"):  # a new reply begins: after 100 Continue, a redirect or an auth round
            matched = _STATUS.match(line)
            self.reply.status = int(matched[1]) if matched is not None else 0
            self.reply.headers.clear()
            self._take = None
            self.answered_at = time.monotonic()
            return
        name, colon, value = line.partition(b":")
        if colon:
            self.reply.headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")

    def _on_ftp_line(self, line: bytes) -> None:
        """Reads the properties needed before the first byte of a body; libcurl supplies the rest at the end."""
        if line.strip().lower() == b"accept-ranges: bytes":
            self.reply.headers["accept-ranges"] = "bytes"  # libcurl makes it up once a server has taken REST
        elif self.reply.filetime < 0 and (match := _MDTM.match(line)) is not None:
            with contextlib.suppress(ValueError):
                moment = datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
                self.reply.filetime = int(moment.timestamp())

    def _on_body(self, data: bytes) -> int | None:
        try:
            if self._take is None:
                self._take = self._taker()
            if self._take(data) is PAUSE:
                return _PAUSE
            return -1 if self._endless else None
        except BaseException as error:  # noqa: BLE001 - handed to the owner of the exchange, see `error`
            self.error = error
            return -1

    def _taker(self) -> Callable[[bytes], object]:
        """The sink that takes the body of the reply that has begun."""
        if self.lines:
            _read_lines(self)
        if self.sink is None or (self.reply.is_http and self.reply.status >= 300):
            return self._keep
        if not self._sink_begun:
            self._sink_begun = True
            self.sink.begin(self.reply)
        return self.sink.write

    def _keep(self, data: bytes) -> None:
        """Replies without a sink are small; an error body beyond its limit is dropped, not buffered."""
        self._body_size += len(data)
        limit = ERROR_BODY_BYTES if self.reply.status >= 300 else CONTROL_BODY_BYTES
        self._body += data[: max(0, limit - len(self._body))]
        if self._body_size > CONTROL_BODY_BYTES:
            self._endless = True

    def _on_read(self, size: int) -> bytes | int:
        assert self.reader is not None
        try:
            data = self.reader.read(size)
        except BaseException as error:  # noqa: BLE001 - handed to the owner of the exchange, see `error`
            self.error = error
            return int(pycurl.READFUNC_ABORT)
        if data is PAUSE:
            return int(pycurl.READFUNC_PAUSE)
        assert isinstance(data, bytes)
        self.reply.bytes_up += len(data)
        if data:
            self.read_at = time.monotonic()
        return data

    def _on_seek(self, offset: int, origin: int) -> int:
        assert self.reader is not None
        if offset == 0 and origin == 0 and self.reader.rewind():
            self.reply.bytes_up = self.acknowledged = 0
            self.reply.sent_again = True
            return int(pycurl.SEEKFUNC_OK)
        return int(pycurl.SEEKFUNC_CANTSEEK)

    def _on_connected(self, *_: object) -> int:
        """A request without a body is sent now. If again, it is noted as a rewind, of which libcurl sees no need."""
        if self._is_sent:
            self._on_seek(0, 0)
        self._is_sent = True
        return int(pycurl.PREREQFUNC_OK)


def note_acknowledged(exchange: Exchange, handle: pycurl.Curl) -> None:
    """Takes note of how many bytes of a body have arrived: those in buffers here have not. Not inside callbacks.

    Source: tcp(7), SIOCOUTQ, which is TIOCOUTQ.
    """
    fd = handle.getinfo(pycurl.ACTIVESOCKET)
    if fd < 0:
        return
    try:
        (waiting,) = _COUNT.unpack(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(_COUNT.size)))
    except OSError:  # no socket any more, or another system's
        waiting = 0
    exchange.acknowledged = max(exchange.acknowledged, int(handle.getinfo(_SENT)) - waiting)


def has_cookies(request: HttpRequest) -> bool:
    """Whether the handle of a request keeps the cookies that it is given."""
    return any(option == COOKIEFILE for option, _ in request.options)


def fill_reply(exchange: Exchange, handle: pycurl.Curl) -> None:
    """The reply, with what libcurl knows once it is over."""
    reply = exchange.reply
    if exchange.lines is not None:
        _read_lines(exchange)
    if exchange.chunks is None:
        reply.body = bytes(exchange._body)
        exchange._body, exchange._take = bytearray(), None  # each would hold the body until the garbage is collected
    reply.status = handle.getinfo(pycurl.RESPONSE_CODE)
    reply.seconds = handle.getinfo(pycurl.TOTAL_TIME)
    reply.connect_seconds = handle.getinfo(pycurl.CONNECT_TIME)
    reply.latency = max(0.0, handle.getinfo(pycurl.STARTTRANSFER_TIME) - handle.getinfo(pycurl.PRETRANSFER_TIME))
    reply.filetime = handle.getinfo(pycurl.INFO_FILETIME)
    reply.bytes_down = int(handle.getinfo(_RECEIVED))
    reply.content_length = int(handle.getinfo(_ANNOUNCED))
    if exchange.request.is_s3:  # it is not redirected
        reply.url = exchange.request.url
        return
    if has_cookies(exchange.request):
        reply.cookies = tuple(str(line) for line in handle.getinfo(pycurl.INFO_COOKIELIST))
    try:
        reply.url = os.fsdecode(handle.getinfo_raw(pycurl.EFFECTIVE_URL))
    except pycurl.error:  # libcurl could make nothing of it, for example of a port with letters
        reply.url = exchange.request.url


def _read_lines(exchange: Exchange) -> None:
    """Reads header lines that were only kept so far."""
    lines = exchange.lines or []
    headers = exchange.reply.headers
    found = _HEADER.findall(b"".join(lines)) if exchange.reply.is_http else []
    is_usual = len(found) == len(lines) - 2 and lines[0].startswith(b"HTTP/") and lines[-1] == b"\r\n"
    if is_usual:
        exchange._on_header(lines[0])
        headers.update([(name.lower().decode(), value.decode()) for name, value in found])
    else:
        for line in lines:
            exchange._on_header(line)
    lines.clear()  # the same list: more may come
    exchange.answered_at = 0.0  # libcurl knows the moment


def span_of(exchange: Exchange, handle: pycurl.Curl, *, cut: bool) -> RequestSpan:
    """The record of a request that has ended, or is being cut. It holds the URL as it was sent."""
    request, reply, began = exchange.request, exchange.reply, exchange.started
    if exchange.lines:  # cut: it has had no end
        _read_lines(exchange)
    answered = exchange.answered_at - began if exchange.answered_at else 0.0
    if not answered and not reply.bytes_up:  # libcurl's own moment may be that of the first byte that was sent
        answered = handle.getinfo(pycurl.STARTTRANSFER_TIME)
    lookup = connect = tls = ready = 0.0
    if not reply.status or handle.getinfo(pycurl.NUM_CONNECTS):  # a kept connection was not made for this request
        lookup, connect, tls, ready = (handle.getinfo(moment) for moment in _CONNECTING)
    sent = exchange.read_at - began if reply.bytes_up else 0.0
    return RequestSpan(
        began,
        Timings(lookup, connect, tls, ready, sent, answered, time.monotonic() - began),
        request.method,
        request.url,
        "cut" if cut else f"curl {reply.curl_code}" if reply.curl_code else str(reply.status),
        reply.headers.get("x-amz-request-id", ""),
        reply.bytes_up,
        int(handle.getinfo(_RECEIVED)) if cut else reply.bytes_down,
        _range_of(request.headers) if request.method == "GET" else "",
    )


def _range_of(headers: tuple[tuple[str, str], ...]) -> str:
    for name, value in headers:
        if name.lower() == "range":
            return value
    return ""
