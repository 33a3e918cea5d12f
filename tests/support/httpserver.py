"""A real HTTP/1.1 file server with switches for everything that servers do differently, and a record of what was asked.

    with HttpServer() as web:
        url = web.add("/data", path_or_bytes, ranges=False)
        web.pages["/data"].etag = '"other"'      # switches may change while clients read

One thread per connection, keep-alive, files by sendfile where there is no TLS. PUT and POST bodies are read, counted
and (up to 1 MiB) kept in the record.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import gzip
import hashlib
import http.server
import os
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import unquote, urlsplit

PIECE = 256 * 1024


@dataclass
class Page:
    """One resource and how the server behaves about it. Every field may be changed while the server runs."""

    source: Path | bytes
    ranges: bool = True
    """False: Range is ignored (200 with everything) and Accept-Ranges is not said."""
    accept_ranges: bool = True
    """False: Accept-Ranges is not said, ranges work all the same."""
    length: bool = True
    """False: no Content-Length; chunked."""
    lie_length: int | None = None
    """Say this Content-Length of a whole answer instead of the truth, then close after the true bytes."""
    etag: str | None = None
    """None: made from content or mtime; '': none is sent."""
    last_modified: float | None = None
    """Seconds since the epoch; None: mtime of the file (of bytes: a fixed day); negative: none is sent."""
    conditions: bool = True
    """False: If-Match, If-Range and If-Unmodified-Since are ignored."""
    redirect: str | None = None
    """Location (absolute or not) to which every request is sent with `redirect_status`."""
    redirect_status: int = 302
    gzip: bool = False
    """Content-Encoding: gzip, asked or not."""
    user_password: tuple[str, str] | None = None
    """Basic authentication."""
    rate: float | None = None
    """Bytes per second."""
    delay: float = 0.0
    """Seconds before the answer begins."""
    fail: list[int] = field(default_factory=list)
    """Statuses for the next requests, used up one by one, before normal service."""
    cut_after: int | None = None
    """Bytes of body after which the connection is reset, `cuts` times (None: always)."""
    cuts: int | None = None
    change_after: int | None = None
    """After so many body bytes (in all requests together) the content becomes `changed_to`."""
    changed_to: Path | bytes | None = None
    head: bool = True
    """False: HEAD is answered with 405."""
    whole_for_range: bool = False
    """A range gets 200 and everything, though Accept-Ranges is said."""
    wrong_range: int = 0
    """Content-Range says the truth plus this."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of every answer (x-goog-hash, Content-MD5, …)."""
    served: int = 0
    """Body bytes sent so far."""

    def tag(self) -> str:
        if self.etag is not None:
            return self.etag
        if isinstance(self.source, bytes):
            return f'"{hashlib.sha256(self.source).hexdigest()[:32]}"'
        status = self.source.stat()
        return f'"{status.st_size:x}-{status.st_mtime_ns:x}"'

    def modified(self) -> str | None:
        when = self.last_modified
        if when is None:
            when = 1_700_000_000.0 if isinstance(self.source, bytes) else self.source.stat().st_mtime
        return None if when < 0 else email.utils.formatdate(int(when), usegmt=True)


@dataclass
class Asked:
    """One request as it came, and what it got."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    host: str
    connection: int
    status: int = 0
    sent: int = 0
    """Body bytes of the answer."""
    body: bytes = b""
    """Request body, if at most 1 MiB."""
    received: int = 0
    """Bytes of the request body."""


class HttpServer(http.server.ThreadingHTTPServer):
    """tls: a server context (then URLs begin with https://localhost); host: what URLs name."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        self.host = host or ("localhost" if tls else "127.0.0.1")
        self.pages: dict[str, Page] = {}
        self.requests: list[Asked] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.server_address[1]}"

    def url(self, path: str) -> str:
        return self.base_url + path

    def add(self, path: str, source: Path | bytes, **switches: Any) -> str:
        """Serves `source` at `path` (unescaped) and returns its URL. The switches are Page's fields."""
        self.pages[path] = Page(source, **switches)
        return self.url(path)

    def of(self, path: str, method: str | None = None) -> list[Asked]:
        """Requests for `path` so far."""
        with self._lock:
            return [r for r in self.requests if r.path == path and method in (None, r.method)]

    def record(self, asked: Asked) -> None:
        with self._lock:
            self.requests.append(asked)

    def account(self, page: Page, size: int) -> None:
        """Counts body bytes and swaps the content where the page says so."""
        with self._lock:
            page.served += size
            if page.change_after is not None and page.served >= page.change_after and page.changed_to is not None:
                page.source, page.change_after = page.changed_to, None

    def take_failure(self, page: Page) -> int:
        with self._lock:
            return page.fail.pop(0) if page.fail else 0

    def take_cut(self, page: Page) -> int | None:
        with self._lock:
            if page.cut_after is None or page.cuts == 0:
                return None
            if page.cuts is not None:
                page.cuts -= 1
            return page.cut_after

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.connections += 1
        return sock, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls:  # here, in the connection's own thread: a slow handshake holds up nobody else
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return  # a client that does not trust the certificate
        _Handler(request, client_address, self)
        if self.tls:
            with contextlib.suppress(OSError):
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests; anything else is printed."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    @property
    def web(self) -> HttpServer:
        return cast(HttpServer, self.server)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: `requests` is the record."""

    def setup(self) -> None:
        super().setup()
        self.number = self.web.connections

    def do_GET(self) -> None:
        asked = self._asked()
        page = self.web.pages.get(asked.path)
        if page is None:
            self._plain(404)
        elif not self._refused(page):
            self._serve(page)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        asked = self._asked()
        left = int(self.headers.get("Content-Length", 0))
        kept = bytearray()
        while left:
            piece = (
                self.rfile.read1(min(left, PIECE))
                if hasattr(self.rfile, "read1")
                else self.rfile.read(min(left, PIECE))
            )
            if not piece:
                self.close_connection = True
                return
            left -= len(piece)
            asked.received += len(piece)
            if len(kept) < 1 << 20:
                kept += piece
        asked.body = bytes(kept) if asked.received <= 1 << 20 else b""
        page = self.web.pages.get(asked.path)
        self._plain((self.web.take_failure(page) if page else 0) or 200)

    do_POST = do_DELETE = do_PUT

    def _asked(self) -> Asked:
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = unquote(urlsplit(self.path).path)
        self.asked = Asked(self.command, path, headers, headers.get("host", ""), self.number)
        self.web.record(self.asked)
        return self.asked

    def _refused(self, page: Page) -> bool:
        """Answers everything that is not the content."""
        if page.delay:
            time.sleep(page.delay)
        if page.user_password and self.headers.get("Authorization") != basic(*page.user_password):
            self._plain(401, {"WWW-Authenticate": 'Basic realm="test"'})
        elif status := self.web.take_failure(page):
            self._plain(status)
        elif page.redirect:
            self._plain(page.redirect_status, {"Location": page.redirect})
        elif self.command == "HEAD" and not page.head:
            self._plain(405)
        elif page.conditions and self._condition_fails(page):
            self._plain(412)
        else:
            return False
        return True

    def _condition_fails(self, page: Page) -> bool:
        match, since = self.headers.get("If-Match"), self.headers.get("If-Unmodified-Since")
        if match is not None:
            return match != "*" and page.tag() not in [tag.strip() for tag in match.split(",")]
        modified = page.modified()
        if since is None or modified is None:
            return False
        return email.utils.parsedate_to_datetime(modified) > email.utils.parsedate_to_datetime(since)

    def _range(self, page: Page, size: int) -> tuple[int, int] | None:
        """First byte and count of the range to serve; None: everything. Count 0: not satisfiable."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not found or found.group() == "bytes=-" or not page.ranges or page.whole_for_range:
            return None
        condition = self.headers.get("If-Range")
        if page.conditions and condition is not None and condition not in (page.tag(), page.modified()):
            return None
        first, last = found.groups()
        if not first:
            return max(0, size - int(last)), min(int(last), size)
        end = min(int(last) + 1 if last else size, size)
        return int(first), max(0, end - int(first))

    def _serve(self, page: Page) -> None:
        source, headers = page.source, self._headers(page)
        if page.gzip:
            source = gzip.compress(source if isinstance(source, bytes) else source.read_bytes(), 1)
            headers["Content-Encoding"] = "gzip"
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        part = self._range(page, size)
        start, count = part or (0, size)
        if part and not count:
            self._plain(416, {"Content-Range": f"bytes */{size}"})
            return
        if part:
            shift = page.wrong_range
            headers["Content-Range"] = f"bytes {start + shift}-{start + count - 1 + shift}/{size}"
        if not page.length and not part:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(count if part or page.lie_length is None else page.lie_length)
        self._head(206 if part else 200, headers)
        if self.command != "HEAD":
            self._body(page, source, start, count, "Transfer-Encoding" in headers)
            if not part and page.lie_length is not None:
                self.close_connection = True

    def _headers(self, page: Page) -> dict[str, str]:
        headers = {"Content-Type": "application/octet-stream", **page.headers}
        if page.ranges and page.accept_ranges:
            headers["Accept-Ranges"] = "bytes"
        if tag := page.tag():
            headers["ETag"] = tag
        if modified := page.modified():
            headers["Last-Modified"] = modified
        return headers

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _plain(self, status: int, headers: dict[str, str] | None = None) -> None:
        text = b"" if self.command == "HEAD" or status in (204, 304) else f"{status}\n".encode()
        self._head(status, {"Content-Length": str(len(text)), **(headers or {})})
        self.wfile.write(text)

    def _body(self, page: Page, source: Path | bytes, start: int, count: int, chunked: bool) -> None:
        cut = self.web.take_cut(page)
        if cut is not None and cut < count:
            count = cut
        else:
            cut = None
        step = int(min(PIECE, max(1024, page.rate / 20))) if page.rate else PIECE
        with contextlib.nullcontext() if isinstance(source, bytes) else open(source, "rb") as file:
            position = start
            while position < start + count:
                size = min(step, start + count - position)
                piece = source[position : position + size] if isinstance(source, bytes) else None
                sent = self._send(piece, file, position, size, chunked)
                if not sent:  # the file has shrunk under us
                    self.close_connection = True
                    return
                position += sent
                self.asked.sent += sent
                self.web.account(page, sent)
                if page.rate:
                    time.sleep(sent / page.rate)
        if cut is not None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise ConnectionAbortedError("cut as told")
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, piece: bytes | None, file: Any, position: int, size: int, chunked: bool) -> int:
        if piece is None and not chunked and self.web.tls is None:
            return os.sendfile(self.connection.fileno(), file.fileno(), position, size)
        if piece is None:
            piece = os.pread(file.fileno(), size, position)
        if chunked and piece:
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self.connection.sendall(piece)
        return len(piece)


def basic(user: str, password: str) -> str:
    """The Authorization header of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
