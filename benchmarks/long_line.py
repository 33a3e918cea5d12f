"""Makes loopback a long line: a TCP proxy with delay, rates, slow start, jitter and resets, in one thread.

    python -m benchmarks.long_line HOST:PORT --round-trip 80 --per-connection 2MB --total 60MB

It prints its port. The round trip is in milliseconds, rates are per second and in each direction. Every connection
begins with a window of 10 segments that doubles per round trip (RFC 6928, RFC 5681) up to its rate, again after a
pause; its first byte waits a round trip longer, for the handshake. All connections share the total fairly. `--resets
0.01` cuts a connection for every 100 MB in the mean.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import select
import socket
import struct
import time
from collections import deque

from s3amfs.core.sizes import parse_size

TICK = 0.004
SEGMENT = 1460
FIRST_WINDOW = 10 * SEGMENT
PAUSE_SECONDS = 1.0
RECEIVE_BUFFER = 128 * 1024


class Line:
    """What all connections have in common; rates in bytes per second, times in seconds."""

    def __init__(self, round_trip: float, per_connection: float, total: float, jitter: float, resets: float) -> None:
        self.round_trip, self.per_connection, self.total = round_trip, per_connection, total
        self.jitter, self.resets = jitter, resets
        self.random = random.Random(1)


class Way:
    """One direction of a connection."""

    def __init__(self, line: Line, source: socket.socket, target: socket.socket, up: int) -> None:
        self._line = line
        self.source, self.target = source, target
        self.up = up
        """0: to the server, 1: back; each has the line's whole rate."""
        self.readable = False
        self._queue: deque[tuple[float, memoryview]] = deque()
        self._due = 0.0
        self._window = float(FIRST_WINDOW)
        self._credit = 0.0
        self._fresh = up == 0
        self._last = 0.0

    def grant(self, seconds: float, now: float) -> float:
        """Bytes that the connection's own window and rate allow in this tick."""
        if now - self._last > PAUSE_SECONDS:
            self._window = float(FIRST_WINDOW)
        rate = min(self._line.per_connection, self._window / max(self._line.round_trip, 0.001))
        self._credit = min(self._credit + rate * seconds, rate * 4 * TICK + SEGMENT)
        return self._credit

    def take(self, most: int, now: float) -> int:
        """Receives up to `most` bytes, to be delivered half a round trip later."""
        try:
            data = self.source.recv(most)
        except BlockingIOError:
            self.readable = False
            return 0
        if not data:
            self.readable = False  # the empty piece says that it has ended
        self._credit -= len(data)
        self._last = now
        self._window = min(self._window + len(data), self._line.per_connection * self._line.round_trip + FIRST_WINDOW)
        wait = self._line.round_trip / 2 + self._line.random.random() * self._line.jitter
        if self._fresh:
            self._fresh = False
            wait += self._line.round_trip
        self._due = max(self._due, now + wait)
        self._queue.append((self._due, memoryview(data)))
        return len(data)

    def deliver(self, now: float) -> bool:
        """Sends what is due; False at the end of the stream. Raises OSError."""
        while self._queue and self._queue[0][0] <= now:
            due, data = self._queue[0]
            if not data:
                self.target.shutdown(socket.SHUT_WR)
                self._queue.popleft()
                return False
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                return True
            if sent == len(data):
                self._queue.popleft()
            else:
                self._queue[0] = (due, data[sent:])
        return True


class Proxy:
    def __init__(self, line: Line, server: tuple[str, int]) -> None:
        self._line, self._server = line, server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._ways: dict[int, Way] = {}
        self._last = time.monotonic()
        self._spare = [0.0, 0.0]
        self._turn = 0

    def run(self) -> None:
        while True:
            pause = TICK - (time.monotonic() - self._last)
            if pause > 0:
                time.sleep(pause)
            for fd, _ in self._epoll.poll(0 if self._ways else None):
                if fd == self._listener.fileno():
                    self._accept()
                elif fd in self._ways:
                    self._ways[fd].readable = True
            now = time.monotonic()
            seconds, self._last = min(now - self._last, 0.05), now
            for direction in (0, 1):
                self._move(
                    [w for w in self._ways.values() if w.readable and w.up == direction], direction, seconds, now
                )
            for way in list(self._ways.values()):
                try:
                    way.deliver(now)
                except OSError:
                    self._drop(way)

    def _move(self, ways: list[Way], direction: int, seconds: float, now: float) -> None:
        """Shares the total among those that have something: first evenly, then what is left."""
        budget = min(self._spare[direction], self._line.total * 4 * TICK) + self._line.total * seconds
        self._turn += 1
        wants = sorted(((way.grant(seconds, now), way) for way in ways), key=lambda item: item[0])
        wants = [(most, way) for most, way in wants if most >= SEGMENT]
        least = max(1, int(budget / SEGMENT))
        if len(wants) > least:  # a line carries whole segments: then not all have a turn each time
            first = self._turn * least % len(wants)
            wants = (wants[first:] + wants[:first])[:least]
        left = len(wants)
        for most, way in wants:
            share = int(min(most, max(SEGMENT, budget / left)))
            left -= 1
            if budget < 1:
                break
            try:
                budget -= way.take(share, now)
            except OSError:
                self._drop(way)
                continue
            if self._line.resets and self._line.random.random() < self._line.resets * share / 1e6:
                self._drop(way)
        self._spare[direction] = budget

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                server.connect(self._server)
                for source, target, up in ((client, server, 0), (server, client, 1)):
                    source.setblocking(False)
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._ways[source.fileno()] = Way(self._line, source, target, up)
                    self._epoll.register(source, select.EPOLLIN | select.EPOLLET)

    def _drop(self, way: Way) -> None:
        """Resets both sides."""
        for sock in (way.source, way.target):
            if self._ways.pop(sock.fileno(), None) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_line", description=__doc__)
    parser.add_argument("server", help="HOST:PORT to pass everything on to")
    parser.add_argument("--round-trip", type=float, default=80.0, help="milliseconds")
    parser.add_argument("--per-connection", type=parse_size, default=1 << 40, help="bytes per second")
    parser.add_argument("--total", type=parse_size, default=1 << 40, help="bytes per second")
    parser.add_argument("--jitter", type=float, default=0.0, help="milliseconds, added to each way at random")
    parser.add_argument("--resets", type=float, default=0.0, help="per MB, for each connection")
    args = parser.parse_args()
    line = Line(args.round_trip / 1000, args.per_connection, args.total, args.jitter / 1000, args.resets)
    host, _, port = args.server.rpartition(":")
    proxy = Proxy(line, (host, int(port)))
    print(proxy.port, flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
