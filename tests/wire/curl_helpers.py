"""Sinks, readers and a raw server for tests of Multi and Exchange."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable

from s3amfs.wire.curl.options import timeout_options
from s3amfs.wire.curl.streams import PAUSE, BytesReader
from s3amfs.wire.messages import HttpRequest, Reply

DATA = hashlib.sha256(b"seed").digest() * 65536  # 2 MiB
IMPATIENT = timeout_options(1.0, 1.0)


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
