"""Names of servers and their addresses: which one a request is pinned to. Looked up in threads of their own.

libcurl by itself keeps the order in which the resolver answers, for a minute: all connections go to the first address.
Here requests of a name with several addresses take turns (`core/addresses.py`), by CURLOPT_CONNECT_TO, which leaves
the Host header, the certificate's name and redirects as they are. Behind a proxy the name is the proxy's business.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from ...core.addresses import Addresses, is_ipv6
from ...core.http import origin

Resolve = Callable[[str, int], Iterable[str]]
"""(host, port) -> addresses. Raises OSError."""

PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""HTTP_PROXY is not among them: libcurl does not read it, since web servers set it for a header (CGI)."""
PORTS: Final = {"http": 80, "https": 443}


def resolve(host: str, port: int) -> list[str]:
    """All addresses of `host` that need no interface to be named with them (link-local ones do). Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found if not any(address[3:])]


class Names:
    """The addresses of all servers of this process. Any thread."""

    def __init__(self, look_up: Resolve = resolve) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._books: dict[tuple[str, int], Addresses] = {}

    def begin(self, url: str) -> tuple[str, str] | None:
        """The address for a request, and the value of CURLOPT_CONNECT_TO; it is owed an `end`. None: no choice."""
        place = place_of(url)
        if place is None:
            return None
        with self._lock:
            book = self._books.get(place)
            chosen = book.begin(time.monotonic()) if book is not None else None
        if chosen is None:
            return None
        host, port = place
        return chosen, f"{host}:{port}:{f'[{chosen}]' if is_ipv6(chosen) else chosen}:{port}"

    def end(self, url: str, address: str | None, *, answered_by: str = "", unreachable: bool = False) -> None:
        """A request has ended. address: the one of `begin`, if any. answered_by: the address that answered, if any."""
        place = place_of(url)
        if place is None:
            return
        now = time.monotonic()
        with self._lock:
            book = self._books.setdefault(place, Addresses())
            if answered_by:
                book.reached(answered_by)
            if address is not None:
                book.end(address, now, unreachable=unreachable)
            if not answered_by or not book.is_due(now):
                return
            book.looked_up_at = now
        with contextlib.suppress(RuntimeError):  # at the interpreter's end, or at a limit: there is no choice then
            threading.Thread(target=self._find, args=(*place, book), name="s3am-names", daemon=True).start()

    def _find(self, host: str, port: int, book: Addresses) -> None:
        try:
            found = list(self._look_up(host, port))
        except OSError:
            return  # libcurl's own look-up has worked: what is known stays
        with self._lock:
            book.found(found, time.monotonic())


def place_of(url: str) -> tuple[str, int] | None:
    """(host, port) of an http(s) URL whose host is a name to look up, with no proxy in between; None: it is not."""
    place = _place(origin(url))  # first, since it is cached, and the environment is slow to read
    return None if place is None or any(os.environ.get(name) for name in PROXY_VARIABLES) else place


@functools.lru_cache(maxsize=256)
def _place(name: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(name)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    host = parts.hostname or ""
    if not port or not host or host == "localhost" or parts.scheme not in PORTS:
        return None
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host, port
    return None
