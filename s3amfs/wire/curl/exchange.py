"""One request of curl's, its reply, and the callbacks between them; `curl.Multi` drives it.

Bodies are streamed: a reader gives bytes to send, a sink takes bytes received; either may answer `PAUSE` and be resumed
later, which is the back-pressure of relays.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

import pycurl

from ..messages import HttpRequest, Reply
from .streams import PAUSE, Chunks, Reader, Sink

ERROR_BODY_BYTES: Final = 64 * 1024
_PAUSE: Final = int(pycurl.WRITEFUNC_PAUSE)
_STATUS: Final = re.compile(rb"HTTP/\S*\s+([1-9][0-9]{2})(?:\s|\Z)")
_MDTM: Final = re.compile(rb"213 (\d{14})(?:\.\d+)?\s*\Z")
"""The answer to MDTM, in UTC (RFC 3659 section 3), which libcurl sends before SIZE."""
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
        "_sink_begun",
        "_take",
        "chunks",
        "error",
        "may_pause",
        "on_done",
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
        self.may_pause = may_pause and chunks is None
        self.reply = Reply(0)
        self.error: BaseException | None = None
        self.started = 0.0
        self._body = bytearray()
        self._body_size = 0
        self._take: Callable[[bytes], object] | None = None
        self._sink_begun = self._endless = False
        self._handle: pycurl.Curl | None = None

    def _on_header(self, line: bytes) -> None:
        if not self.reply.is_http:
            self._on_ftp_line(line)
            return
        if line.startswith(b"HTTP/"):  # a new reply begins: after 100 Continue, a redirect or an auth round
            matched = _STATUS.match(line)
            self.reply.status = int(matched[1]) if matched is not None else 0
            self.reply.headers.clear()
            self._take = None
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
        return data

    def _on_seek(self, offset: int, origin: int) -> int:
        assert self.reader is not None
        if offset == 0 and origin == 0 and self.reader.rewind():
            self.reply.bytes_up = 0
            return int(pycurl.SEEKFUNC_OK)
        return int(pycurl.SEEKFUNC_CANTSEEK)
