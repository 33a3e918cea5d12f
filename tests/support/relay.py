"""How the fault proxy relays one connection: sockets with a buffer, HTTP framing, and the place where damage is done.

Threading: all of this belongs to the thread of one client connection; what is shared is in FaultProxy, under its lock.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tests.support.faults import Answer, Fault, Headers, Recorded, Side, Where

if TYPE_CHECKING:
    from tests.support.proxy import FaultProxy

BUFFER = 256 * 1024
HEAD_LIMIT = 256 * 1024


class Cut(Exception):
    """This connection ends here: reset (RST) or, if polite, closed (FIN)."""

    def __init__(self, polite: bool = False) -> None:
        self.polite = polite


class Stream:
    """A socket with a read buffer: heads by line, bodies in pieces of the size they come in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = bytearray()
        self._buffer = bytearray(BUFFER)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; b'' at a clean end before anything came."""
        searched = 0
        while (at := self._rest.find(mark, searched)) < 0:
            searched = max(0, len(self._rest) - len(mark))
            piece = self.sock.recv(65536)
            if not piece or len(self._rest) > HEAD_LIMIT:
                if self._rest:
                    raise Cut
                return b""
            self._rest += piece
        found = bytes(self._rest[: at + len(mark)])
        del self._rest[: at + len(mark)]
        return found

    def read_some(self, limit: int) -> memoryview:
        """The next bytes, at most `limit`; empty at the end. Valid until the next call."""
        if self._rest:
            piece = memoryview(bytes(self._rest[:limit]))
            del self._rest[:limit]
            return piece
        got = self.sock.recv_into(self._buffer, min(limit, BUFFER))
        return memoryview(self._buffer)[:got]

    def readable(self, seconds: float = 0.0) -> bool:
        if self._rest or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def is_left(self) -> bool:
        """Whether the other side has closed its end, as the system does for a process that was killed."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def reset(self) -> None:
        """Closes with RST: linger 0."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()


def parse_head(raw: bytes) -> tuple[str, Headers]:
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def format_head(first: str, headers: Headers) -> bytes:
    return "".join((first, "\r\n", *(f"{name}: {value}\r\n" for name, value in headers), "\r\n")).encode("latin-1")


class Connection:
    """One client connection: requests one after the other, each to the server and back."""

    def __init__(self, proxy: FaultProxy, client: Stream, number: int) -> None:
        self.proxy = proxy
        self.client = client
        self.number = number
        self._upstream: Stream | None = None

    def drop_upstream(self) -> None:
        if self._upstream is not None:
            self.proxy.forget(self._upstream)
            self._upstream.close()
            self._upstream = None

    def one_request(self) -> bool:
        """Relays one request and its answer; False when the connection is to be closed politely."""
        raw = self.client.read_until(b"\r\n\r\n")
        if not raw:
            return False
        first, headers = parse_head(raw)
        request, fault = self.proxy.note(first, headers, self.number)
        try:
            return Exchange(self, request, fault or Fault("")).run(first, headers)
        finally:
            request.seconds = time.monotonic() - request.started
            request.done = True
            self.proxy.touched()

    def upstream(self) -> Stream:
        """A live connection to the server: the one at hand unless the server has closed it."""
        if self._upstream is not None and self._upstream.readable():
            self.drop_upstream()
        if self._upstream is None:
            self._upstream = self.proxy.connect()
        return self._upstream


class Exchange:
    """One request and its answer, with at most one fault."""

    def __init__(self, connection: Connection, request: Recorded, fault: Fault) -> None:
        self.connection = connection
        self.proxy = connection.proxy
        self.client = connection.client
        self.request = request
        self.fault = fault
        self.keep_client = True

    def run(self, first: str, headers: Headers) -> bool:
        self.at("request_head")
        if self.fault.edit_request:
            first, headers = self.fault.edit_request(first, headers)
        expects = any(n.lower() == "expect" for n, _ in headers)
        if self.fault.answer is not None and not self.fault.deliver:
            self._read_body(headers, None, expects)
            return self._make_up(self.fault.answer)
        upstream = self.connection.upstream()
        upstream.sock.sendall(format_head(first, headers))
        status_line, reply = self._send_body(headers, upstream, expects)
        return self._relay_answer(status_line, reply, upstream)

    def at(self, where: Where) -> None:
        """The faults between bodies."""
        if self.fault.stall == where:
            self.proxy.pause(self.fault.seconds)
        if self.fault.reset == where:
            raise Cut(self.fault.close)

    def _send_body(self, headers: Headers, upstream: Stream, expects: bool) -> tuple[str, Headers]:
        """Relays the body and returns the head of the final answer (which may come before the body has ended)."""
        if expects:
            first, reply = self._final_head(upstream, stop_at_100=True)
            if first.split(" ")[1] != "100":
                self.keep_client = False  # refused before the body: the client may or may not send it now
                return first, reply
            self.client.sock.sendall(format_head(first, reply))
        self._read_body(headers, upstream, False)
        return self._final_head(upstream)

    def _final_head(self, upstream: Stream, stop_at_100: bool = False) -> tuple[str, Headers]:
        while True:
            raw = upstream.read_until(b"\r\n\r\n")
            if not raw:
                raise Cut
            first, headers = parse_head(raw)
            status = int(first.split(" ")[1])
            if status >= 200 or stop_at_100:
                return first, headers

    def _read_body(self, headers: Headers, upstream: Stream | None, expects: bool) -> None:
        """Takes the request body from the client, and gives it to the server if there is one to give it to."""
        if expects:
            self.client.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = body_length(headers)
        place = self._place("request", length)
        for piece, payload in body_pieces(self.client, length):
            if payload:
                piece = self._damage("request", piece, self.request.body_length, place)
                self.request.body_length += len(piece)
            if upstream is not None:
                upstream.sock.sendall(piece)
                if (
                    (length or 0) > self.request.body_length and upstream.readable()
                ):  # an answer before the end of the body: an error; sending on is no use
                    self.keep_client = False
                    return

    def _relay_answer(self, first: str, headers: Headers, upstream: Stream) -> bool:
        self.request.upstream_status = status = int(first.split(" ")[1])
        self.proxy.touched()
        bodiless = self.request.method == "HEAD" or status in (204, 304)
        length = 0 if bodiless else body_length(headers, default=None)
        if self.fault.answer is not None:
            for _ in body_pieces(upstream, length):
                pass
            return self._make_up(self.fault.answer)
        self.at("before_response")
        if self.fault.edit_response:
            first, headers = self.fault.edit_response(first, headers)
        self.at("response_head")
        self.request.answered()
        told = not self.client.is_left()
        self.client.sock.sendall(format_head(first, headers))
        place = self._place("response", length)
        for piece, payload in body_pieces(upstream, length):
            if payload:
                piece = self._damage("response", piece, self.request.response_length, place)
                self.request.response_length += len(piece)
            self.request.answered()
            self.client.sock.sendall(piece)
        self.request.status = int(first.split(" ")[1]) if told else 0
        self.at("after_response")
        closing = any(n.lower() == "connection" and v.lower() == "close" for n, v in headers)
        if length is None or closing or not self.keep_client:
            self.connection.drop_upstream()
            return False
        return True

    def _make_up(self, made: Answer | Callable[[Recorded], Answer]) -> bool:
        reply = made(self.request) if callable(made) else made
        headers = [*reply.headers]
        if not any(n.lower() == "content-length" for n, _ in headers):
            headers.append(("Content-Length", str(len(reply.body))))
        self.client.sock.sendall(format_head(f"HTTP/1.1 {reply.status} Made-Up", headers))
        if self.request.method != "HEAD":
            self.client.sock.sendall(reply.body)
            self.request.response_length = len(reply.body)
        self.request.status = reply.status
        return not any(n.lower() == "connection" and v.lower() == "close" for n, v in headers)

    def _place(self, side: Side, length: int | None) -> int | None:
        """Where in this body the fault strikes; None: nowhere. An empty body can't be struck."""
        fault = self.fault
        if side not in (
            fault.flip,
            (fault.reset or "").removesuffix("_body"),
            (fault.stall or "").removesuffix("_body"),
        ):
            return None
        if fault.after is not None:
            return fault.after
        if fault.share is not None and length is not None and length > 0:
            return max(1, int(length * fault.share))
        span = length if length and length > 0 else BUFFER
        return random.Random(f"{self.proxy.seed}:{self.request.number}:{side}").randrange(span)

    def _damage(self, side: Side, piece: memoryview, offset: int, place: int | None) -> memoryview:
        """The piece as it goes on; raises Cut where the fault ends the connection in this body."""
        if self.fault.rate:
            self.proxy.pause(len(piece) / self.fault.rate)
        if place is None or not offset <= place < offset + len(piece):
            return piece
        at = place - offset
        if self.fault.flip == side:
            damaged = bytearray(piece)
            damaged[at] ^= 1
            return memoryview(damaged)
        if self.fault.stall == f"{side}_body":
            self.proxy.pause(self.fault.seconds)
        if self.fault.reset == f"{side}_body":
            self._pass_on(side, piece[:at])
            raise Cut(self.fault.close)
        return piece

    def _pass_on(self, side: Side, piece: memoryview) -> None:
        """The last bytes before a cut."""
        if side == "response":
            self.request.response_length += len(piece)
            self.client.sock.sendall(piece)
        else:
            self.request.body_length += len(piece)


CHUNKED = -1


def body_length(headers: Headers, default: int | None = 0) -> int | None:
    """Bytes of the body that these headers announce; CHUNKED; or `default` (None: until the connection closes)."""
    low = {name.lower(): value for name, value in headers}
    if "chunked" in low.get("transfer-encoding", "").lower():
        return CHUNKED
    return int(low["content-length"]) if "content-length" in low else default


def body_pieces(stream: Stream, length: int | None) -> Iterator[tuple[memoryview, bool]]:
    """(bytes, is it payload) of a body until its end; raises Cut when the stream ends before."""
    if length == CHUNKED:
        yield from chunked_pieces(stream)
        return
    left = length
    while left is None or left > 0:
        piece = stream.read_some(BUFFER if left is None else left)
        if not piece:
            if left is None:
                return
            raise Cut
        if left is not None:
            left -= len(piece)
        yield piece, True


def chunked_pieces(stream: Stream) -> Iterator[tuple[memoryview, bool]]:
    while True:
        line = stream.read_until(b"\r\n")
        if not line:
            raise Cut
        yield memoryview(line), False
        size = int(line.split(b";")[0], 16)
        if size:
            yield from body_pieces(stream, size)
        while (line := stream.read_until(b"\r\n")) not in (b"\r\n", b""):  # trailer fields after the last chunk
            yield memoryview(line), False
        yield memoryview(line), False
        if not size:
            return
