"""A forward proxy (plain requests and CONNECT) that records what it was asked for, optionally behind a password."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Forwarder:
    """authorization: the Proxy-Authorization header it wants; None: none."""

    def __init__(self, authorization: str | None = None) -> None:
        self.asked: list[str] = []
        """Request lines."""
        self.heads: list[str] = []
        self._authorization = authorization
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536) or b"\r\n\r\n"
            line, _, rest = head.partition(b"\r\n")
            self.asked.append(line.decode())
            self.heads.append(head.decode("latin-1"))
            if (
                self._authorization
                and f"proxy-authorization: {self._authorization}".lower() not in head.decode().lower()
            ):
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, version = line.split()
            if method == b"CONNECT":
                host, _, port = target.decode().rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _join(client, server)
            else:
                url = urlsplit(target.decode())
                path = target.decode().partition(url.netloc)[2].encode()
                with socket.create_connection((url.hostname or "", url.port or 80)) as server:
                    server.sendall(b" ".join((method, path, version)) + b"\r\n" + rest)
                    _join(client, server)


def _join(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
