"""The rest of a range whose answer was cut: its request, and the sink that joins it to what came before.

Joined are only answers of the same state of the source: the request has the condition of the whole, the answer is
judged like any other, it has to carry the very mark (ETag, else modification time) that the first one carried, and it
begins with the last bytes of that one (core/continuation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..core.continuation import rest_of, seam_bytes
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..wire.curl.streams import PAUSE, Sink
from ..wire.messages import HttpRequest, Reply
from .part_problem import PartProblem
from .sources import RangedSource


class Joinable(Sink, Protocol):
    """A sink that takes the bytes of a part in order, of one answer or of several."""

    @property
    def moved(self) -> int:
        """Bytes so far."""

    @property
    def mark(self) -> str:
        """Of the answer that it began with (`mark_of`)."""

    @property
    def last(self) -> bytes:
        """The bytes that it took last."""


def mark_of(reply: Reply) -> str:
    """By what an answer can be joined to another one of the same content: its ETag, else its time; '': by nothing."""
    if not reply.is_http:
        return f"time {reply.filetime}" if reply.filetime >= 0 else ""
    etag, modified = reply.headers.get("etag"), reply.headers.get("last-modified")
    return f"etag {etag}" if etag else f"time {modified}" if modified else ""


def can_be_joined(sink: Joinable, part: Part) -> bool:
    """Whether the rest of `part` may be requested."""
    return bool(sink.mark) and 0 < sink.moved < part.length


def continued(sink: Joinable, part: Part, source: RangedSource) -> tuple[HttpRequest, Continuation]:
    """Returns the request for what is missing of `part`, and the sink for its answer."""
    count = seam_bytes(len(sink.last), part.length - sink.moved)
    rest = rest_of(part, sink.moved, count)
    return source.request(rest), Continuation(sink, source.accept(rest), sink.last[len(sink.last) - count :])


class Continuation:
    """Hands on to `sink` what follows `seam`, the bytes that it has already.

    accept: judges the answer. Another mark or another seam is a PartProblem, Kind.CORRUPT: the whole is needed.
    """

    def __init__(self, sink: Joinable, accept: Callable[[Reply], None], seam: bytes) -> None:
        self._sink = sink
        self._accept = accept
        self._seam = seam

    def begin(self, reply: Reply) -> None:
        self._accept(reply)
        if mark_of(reply) != self._sink.mark:
            raise PartProblem(Failure(Kind.CORRUPT, "the source does not say whether it is what it was"))

    def write(self, data: bytes) -> object | None:
        seam = self._seam
        if not seam:
            return self._sink.write(data)
        count = min(len(seam), len(data))
        if data[:count] != seam[:count]:
            raise PartProblem(Failure(Kind.CORRUPT, "the end of a cut answer was not what the source has there"))
        if count < len(data) and self._sink.write(data[count:]) is PAUSE:
            return PAUSE  # all of `data` comes again
        self._seam = seam[count:]
        return None
