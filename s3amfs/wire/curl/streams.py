"""Interface of curl's callbacks: a reader gives the bytes of a request, a sink takes those of a reply. Pure."""

from __future__ import annotations

from typing import Final, Protocol

from ..messages import Reply

PAUSE: Final = object()
"""A reader or sink returns this when it has nothing to give or no room; see `curl.Multi.resume`."""


class Reader(Protocol):
    def read(self, size: int) -> bytes | object:
        """At most `size` bytes of the body, b'' at its end, or PAUSE."""

    def rewind(self) -> bool:
        """Back to the first byte (curl asks when a kept connection died before the reply); False: not possible."""


class Sink(Protocol):
    def begin(self, reply: Reply) -> None:
        """Called once before the first body byte of a successful reply; raises when the reply is not what was asked."""

    def write(self, data: bytes) -> object | None:
        """Takes `data`, or returns PAUSE and is given the same bytes again after `Multi.resume`."""


class BytesReader:
    """A small body from memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._view = memoryview(data)
        self._at = 0

    def read(self, size: int) -> bytes:
        chunk = bytes(self._view[self._at : self._at + size])
        self._at += len(chunk)
        return chunk

    def rewind(self) -> bool:
        self._at = 0
        return True


class Chunks(list[bytes]):
    """A short body as it comes, in place of a sink: nothing of ours runs for its pieces.

    most: bytes; a reply that has more is cut.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
