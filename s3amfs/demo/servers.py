"""An FTP and an HTTP server for the demonstration: one folder, read only, loopback, threads of this process.

They are not for others than `run.py`: the tests have servers of their own, with faults. `FtpServer.rate` may be changed
by any thread; it counts for connections that begin later.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import os
import re
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import Unsupported


class FtpServer:
    """Anonymous FTP (pyftpdlib). rate: bytes per second of a connection, 0 without limit."""

    def __init__(self, folder: Path) -> None:
        try:
            from pyftpdlib import handlers, ioloop, servers
            from pyftpdlib.authorizers import DummyAuthorizer
        except ImportError:
            raise Unsupported("no FTP server here: install it with: pip install 's3amfs[demo]'") from None
        logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())  # else it prints by itself
        logging.getLogger("pyftpdlib").propagate = False
        authorizer = DummyAuthorizer()
        authorizer.add_anonymous(str(folder))
        self._data: Any = type("Data", (handlers.ThrottledDTPHandler,), {})
        control = type("Control", (handlers.FTPHandler,), {"authorizer": authorizer, "dtp_handler": self._data})
        self._server: Any = servers.FTPServer(("127.0.0.1", 0), control, ioloop=ioloop.IOLoop())
        self.url = f"ftp://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-ftp", daemon=True)

    @property
    def rate(self) -> int:
        return int(self._data.write_limit)

    @rate.setter
    def rate(self, value: int) -> None:
        self._data.write_limit = value

    def __enter__(self) -> FtpServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._server.ioloop.loop(timeout=0.1, blocking=False)  # serve_forever would log every call
        self._server.close_all()


class HttpServer(http.server.ThreadingHTTPServer):
    """HTTP/1.1 with byte ranges and ETags, by sendfile."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Files)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="demo-http", daemon=True)

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Files(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the demonstration's own lines are the output."""

    def do_GET(self) -> None:
        path = self.server.folder / Path(self.path).name
        if not path.is_file():
            self.send_error(404)
            return
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first = int(wanted[1]) if wanted else 0
            last = min(int(wanted[2] or size), size - 1) if wanted else size - 1
            self._headers(size, first, last, partial=wanted is not None)
            self.wfile.flush()
            while first <= last and self.command == "GET":
                with contextlib.suppress(InterruptedError):
                    first += os.sendfile(self.connection.fileno(), file.fileno(), first, last + 1 - first)

    do_HEAD = do_GET  # noqa: N815 - the name http.server calls

    def _headers(self, size: int, first: int, last: int, *, partial: bool) -> None:
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"demo-{size:x}"')
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
