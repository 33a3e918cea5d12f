"""Requests of a name with several addresses are spread over them, dead ones left alone; TLS sessions are resumed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3amfs.wire.curl.exchange import Exchange
from s3amfs.wire.curl.multi import Multi
from s3amfs.wire.curl.name_lookup import Names, place_of
from s3amfs.wire.curl.options import tls_options
from s3amfs.wire.curl.reached import Reached
from s3amfs.wire.messages import HttpRequest
from tests.support.tls import Certificates
from tests.wire.exchange import drive, run

NAME = "several.localhost"
"""libcurl takes any name below localhost for the loopback itself (RFC 6761), so nothing is asked of a network."""


class Server:
    """Answers each request of a connection with 204, on several addresses with one port; counts connections."""

    def __init__(self, *addresses: str, context: ssl.SSLContext | None = None, keep_alive: bool = True) -> None:
        self.connections: Counter[str] = Counter()
        self.resumed = 0
        self._context, self._keep_alive = context, keep_alive
        self._listeners = [socket.create_server((addresses[0], 0))]
        self.port = self._listeners[0].getsockname()[1]
        self._listeners += [socket.create_server((address, self.port)) for address in addresses[1:]]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections[connection.getsockname()[0]] += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self._context is not None:
            secure = self._context.wrap_socket(connection, server_side=True)
            self.resumed += bool(secure.session_reused)
            connection = secure
        head = b""
        while data := connection.recv(65536):
            head += data
            while b"\r\n\r\n" in head:
                head = head.partition(b"\r\n\r\n")[2]
                extra = b"" if self._keep_alive else b"Connection: close\r\n"
                connection.sendall(b"HTTP/1.1 204 No Content\r\n" + extra + b"\r\n")
                if not self._keep_alive:
                    connection.close()
                    return


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def names() -> Names:
    return Names(lambda _host, _port: ["127.0.0.1", "127.0.0.2"])


@pytest.fixture
def multi(names: Names) -> Iterator[Multi]:
    multi = Multi(reached=Reached(names))
    yield multi
    multi.close()


def looked_up(multi: Multi, names: Names, url: str) -> None:
    """A first request, after which the name is looked up."""
    assert run(multi, HttpRequest("GET", url)).reply.status == 204
    for thread in threading.enumerate():
        if thread.name == "s3am-names":
            thread.join(10)
    chosen = names.begin(url)
    assert chosen is not None
    names.end(url, chosen[0])


def at_once(multi: Multi, url: str, count: int) -> list[Exchange]:
    done: list[Exchange] = []
    for _ in range(count):
        multi.start(Exchange(HttpRequest("GET", url), done.append))
    drive(multi, lambda: len(done) == count)
    return done


def test_connections_are_spread_over_all_addresses(multi: Multi, names: Names) -> None:
    server = Server("127.0.0.1", "127.0.0.2")
    url = f"http://{NAME}:{server.port}/x"
    looked_up(multi, names, url)
    assert all(exchange.reply.status == 204 for exchange in at_once(multi, url, 8))
    assert server.connections["127.0.0.2"] == 4
    before = server.connections.total()
    at_once(multi, url, 8)
    assert server.connections.total() == before, "connections are kept and used again"
    server.close()


def test_a_dead_address_is_left_alone(multi: Multi, names: Names) -> None:
    server = Server("127.0.0.1")
    url = f"http://{NAME}:{server.port}/x"
    looked_up(multi, names, url)
    first = at_once(multi, url, 4)
    assert sorted(exchange.reply.ok for exchange in first) == [False, False, True, True]
    assert all(exchange.reply.ok for exchange in at_once(multi, url, 8))
    server.close()


def test_a_look_up_that_fails_changes_nothing() -> None:
    def fails(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    names = Names(fails)
    multi, server = Multi(reached=Reached(names)), Server("127.0.0.1")
    url = f"http://{NAME}:{server.port}/x"
    assert run(multi, HttpRequest("GET", url)).reply.status == 204
    assert all(exchange.reply.ok for exchange in at_once(multi, url, 4))
    assert names.begin(url) is None
    multi.close()
    server.close()


def test_without_a_thread_there_is_no_choice(multi: Multi, names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the interpreter's end, when files are still closed by exit handlers."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    server = Server("127.0.0.1")
    url = f"http://{NAME}:{server.port}/x"
    with monkeypatch.context() as patched:
        patched.setattr("s3amfs.wire.curl.name_lookup.threading.Thread.start", refuse)
        names.end(url, None, answered_by="127.0.0.1")
    assert names.begin(url) is None
    assert run(multi, HttpRequest("GET", url)).reply.status == 204
    server.close()


def test_a_cut_request_gives_its_address_back(multi: Multi, names: Names) -> None:
    server = Server("127.0.0.1", "127.0.0.2")
    url = f"http://{NAME}:{server.port}/x"
    looked_up(multi, names, url)
    for _ in range(10):
        exchange = Exchange(HttpRequest("GET", url), lambda _: None)
        multi.start(exchange)
        multi.cancel(exchange)
    chosen = [names.begin(url) for _ in range(4)]
    assert Counter(item[0] for item in chosen if item is not None) == {"127.0.0.1": 2, "127.0.0.2": 2}
    server.close()


def test_names_that_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of("https://user:secret@s3.example:8443/key?x=1") == ("s3.example", 8443)
    assert place_of("https://s3.example/key") == ("s3.example", 443)
    for url in ("http://127.0.0.1/x", "https://[::1]:8/x", "http://localhost:9/x", "ftp://host/x", "http://a:b/x"):
        assert place_of(url) is None
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert place_of("https://s3.example/key") is None, "the proxy looks it up"


def test_tls_sessions_are_taken_up_again(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    server = Server("127.0.0.1", context=certificates.server_context(), keep_alive=False)
    multi = Multi()
    request = HttpRequest("GET", f"https://127.0.0.1:{server.port}/x", options=tls_options(str(certificates.ca)))
    assert all(run(multi, request).reply.status == 204 for _ in range(4))
    assert server.connections.total() == 4
    assert server.resumed == 3
    done: list[Exchange] = []
    for _ in range(3):
        multi.start(Exchange(request, done.append))
    drive(multi, lambda: len(done) == 3)
    assert server.resumed >= 4, "by connections that begin together, too"
    multi.close()
    server.close()
