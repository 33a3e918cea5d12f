"""A recording proxy before an S3 server that can do damage (faults.py says which, and when).

What it is: a reverse proxy for HTTP/1.1, one thread per client connection and one upstream connection for each; bodies
flow through a 256 KiB buffer, never held whole. The Host header stays as the client sent it, so SigV4 signatures hold.
What it is not: an HTTP implementation for anything but tests. Threading: `rules` and `requests` may be used from the
test's thread while transfers run; decisions are taken under one lock.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from tests.support.faults import SECRET_HEADERS, Chaos, Fault, Headers, Match, Recorded, Rule, kind_of
from tests.support.relay import Connection, Cut, Stream


class FaultProxy:
    """`with FaultProxy(s3.endpoint_url) as proxy:` then point the client at `proxy.endpoint_url`.

    tls: context with which the proxy itself speaks TLS to clients (`certs.server_context()`); upstream is plain HTTP.
    seed: for random places inside bodies.
    """

    def __init__(self, upstream: str, *, tls: ssl.SSLContext | None = None, seed: int = 0) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._tls = tls
        self.seed = seed
        self.rules: list[Rule] = []
        self.chaos: list[Chaos] = []
        self.requests: list[Recorded] = []
        self._watched: dict[str, list[str | None]] = {}
        self.connections = 0
        """Client connections accepted so far."""
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._open: set[Stream] = set()
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    def start(self) -> None:
        self.up()

    def up(self) -> None:
        """Listens (again), always on the same port."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        """The network is away: connects are refused and every open connection is reset, until `up()`."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            self._listener.close()
            self._listener = None
        with self._changed:
            streams, self._open = self._open, set()
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.sock.shutdown(socket.SHUT_RDWR)  # wakes its thread, which closes it

    def stop(self) -> None:
        self._stopping.set()
        self.down()

    def __enter__(self) -> FaultProxy:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # What the test asks

    def fail_rate(self, p: float, seed: int, match: Match = "*", faults: tuple[Fault, ...] = ()) -> None:
        """From now on a share `p` of the matching requests meets one of `faults` (default: COMMON). 0 ends it."""
        self.chaos = [Chaos(p, seed, match, faults)] if p else []

    def of(self, *kinds: str) -> list[Recorded]:
        """The requests of these classes so far (all without one), in the order in which they came."""
        with self._changed:
            return [r for r in self.requests if not kinds or r.kind in kinds]

    def count(self, *kinds: str, status: int | None = None) -> int:
        """How many requests of these classes came; with `status`, how many were answered so."""
        return sum(status is None or r.status == status for r in self.of(*kinds))

    def most_at_a_time(self, *kinds: str) -> int:
        """How many requests of these classes were under way at once, at the most."""
        ends = [(r.started + (r.answered_after or r.seconds), -1) for r in self.of(*kinds)]
        now = most = 0
        for _, change in sorted([*((r.started, 1) for r in self.of(*kinds)), *ends]):
            now += change
            most = max(most, now)
        return most

    def wait_for(self, condition: Callable[[], bool], timeout: float = 60.0) -> bool:
        """Waits until `condition()` holds, asked whenever a request arrives, is answered or ends."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def watch(self, header: str) -> list[str | None]:
        """What every request from now on bears as `header` (None: it has none); also what records leave out."""
        with self._changed:
            return self._watched.setdefault(header.lower(), [])

    def clear(self) -> None:
        """Forgets requests, rules and chaos."""
        with self._changed:
            self.requests.clear()
            self.rules.clear()
            self.chaos.clear()

    def parts_sent_again(self, *, told: bool = True) -> list[Recorded]:
        """Part uploads with a body byte that began after the same part of the same upload was stored.

        told: only where the client had been told so (status 200); False: wherever the server had it, even if the
        answer was lost.
        """
        parts = self.of("UploadPart", "CopyPart")
        again = []
        for later in parts:
            same = (r for r in parts if (r.upload_id, r.part_number) == (later.upload_id, later.part_number))
            had = (r for r in same if r is not later and r.done and r.started + r.seconds <= later.started)
            had = (r for r in had if not _is_trial(r))
            if any((r.status if told else r.upstream_status) == 200 for r in had):
                again.append(later)
        return again

    # The relay

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # closed by down()
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client = Stream(self._tls.wrap_socket(sock, server_side=True) if self._tls else sock)
        except OSError:  # a client that does not trust the certificate hangs up
            sock.close()
            return
        with self._changed:
            self._open.add(client)
        polite = False
        relay = Connection(self, client, number)
        try:
            while relay.one_request():
                pass
            polite = True
        except Cut as cut:
            polite = cut.polite
        except OSError:
            pass  # one of the two ends went away; the other learns it by the reset below
        finally:
            with self._changed:
                self._open.discard(client)
            relay.drop_upstream()
            if polite:
                client.close()
            else:
                client.reset()
            self.touched()

    def touched(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def note(self, first: str, headers: Headers, connection: int) -> tuple[Recorded, Fault | None]:
        """Records the request and decides what happens to it."""
        method, target, _ = first.split(" ", 2)
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        seen = {name.lower(): value for name, value in headers if name.lower() not in SECRET_HEADERS}
        path = target.partition("?")[0]
        with self._changed:
            request = Recorded(
                number=len(self.requests) + 1,
                kind=kind_of(method, path, query, seen),
                method=method,
                path=path,
                query=query,
                headers=seen,
                connection=connection,
                started=time.monotonic(),
            )
            self.requests.append(request)
            for header, values in self._watched.items():
                values.append(next((value for name, value in headers if name.lower() == header), None))
            draw = random.Random(f"{self.seed}:{request.number}")
            decided = (rule.decide(request, draw) for rule in self.rules)
            fault = next((f for f in decided if f), None) or next(
                (f for c in self.chaos if (f := c.decide(request))), None
            )
            request.fault = fault.name if fault else ""
            self._changed.notify_all()
        return request, fault

    def connect(self) -> Stream:
        sock = socket.create_connection(self._upstream, timeout=30)
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = Stream(sock)
        with self._changed:
            self._open.add(stream)
        return stream

    def forget(self, stream: Stream) -> None:
        with self._changed:
            self._open.discard(stream)

    def pause(self, seconds: float) -> None:
        """Stands still, but not longer than the proxy lives."""
        if self._stopping.wait(seconds):
            raise Cut


def _is_trial(request: Recorded) -> bool:
    """Whether a part upload has one byte, which asks what ETags are (transfers/etag_probe.py) or which form of parts
    works (`SendParts.try_out`): the real part follows. Beside the byte a body may have a trailer."""
    return request.body_length <= 1 or (request.part_number == 1 and request.body_length < 200)
