"""A piece is a range of one object, in memory or in flight: a fragment by one request, a block by many at a time."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ..core.checksums import Crc
from ..engine import waiting
from ..engine.interruptible import holding, wait_for
from ..engine.one_shot import OneShot
from ..errors import S3AMError, TransferError
from ..wire.curl.streams import Chunks
from .ranges import Pinned, make_room, read_whole, release, split

RangeCrc = tuple[int, int, int]
"""Offset in the object, length, CRC."""


class Piece(ABC):
    """Bytes [start, end) of an object, from now on. Any thread may wait for them, or read them once they are here."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.given_up = False
        """No longer counted: who has it may use it, nobody else."""
        self.stopped = False
        self.crcs: list[RangeCrc] = []
        """Of its bytes, once they are here, where they are wanted for a proof."""

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    @abstractmethod
    def under_way(self) -> bool: ...

    @property
    @abstractmethod
    def is_here(self) -> bool:
        """Whether its bytes can be taken without waiting."""

    @abstractmethod
    def stop(self) -> None:
        """Aborts requests in flight: threads that wait for them get an error."""

    @abstractmethod
    def wait(self) -> None:
        """Until the bytes are here. Raises SourceChanged, TransferError."""

    @abstractmethod
    def bytes_of(self, start: int, end: int) -> list[bytes | memoryview]:
        """[start, end) of the object, cut to what is in this piece, in order."""

    def _take_crc(self, name: str | None, chunks: list[bytes]) -> None:
        if name is not None:
            crc = Crc(name)
            crc.update_all(chunks)
            self.crcs = [(self.start, self.size, crc.value)]

    def _within(self, start: int, end: int) -> tuple[int, int]:
        """[start, end) of the object, as places in this piece."""
        return max(start, self.start) - self.start, min(end, self.end) - self.start


class Fragment(Piece):
    """By one request: what is read next waits for little, and small reads take few of its chunks."""

    def __init__(self, pinned: Pinned, start: int, end: int, crc_name: str | None = None) -> None:
        super().__init__(start, end)
        self._crc_name = crc_name
        self._pinned = pinned
        self._chunks: list[bytes] | None = None
        self._ends: list[int] = []
        self._came = threading.Event()
        self._again = threading.Lock()
        self._one_shot: OneShot = pinned.begin(start, end - start, self._on_bytes)

    @property
    def under_way(self) -> bool:
        return not self._came.is_set()

    def _on_bytes(self, chunks: Chunks | None) -> None:
        if chunks is not None:
            self._keep(chunks)
        self._came.set()

    def _keep(self, chunks: list[bytes]) -> None:
        self._take_crc(self._crc_name, chunks)
        self._ends = list(accumulate(map(len, chunks)))
        self._chunks = chunks

    @property
    def is_here(self) -> bool:
        return self._chunks is not None

    def stop(self) -> None:
        self.stopped = True
        self._one_shot.cut()

    def wait(self) -> None:
        if not wait_for(self._came, waiting.WAIT_SECONDS):
            waiting.report(f"bytes of {self._pinned.location.url}")
            wait_for(self._came)
        if self._chunks is None:
            with holding(self._again):
                if self.stopped:
                    raise TransferError(f"{self._pinned.location.url}: reading was stopped")
                if self._chunks is None:
                    self._keep([read_whole(self._pinned, self.start, self.end)])

    def bytes_of(self, start: int, end: int) -> list[bytes | memoryview]:
        first, last = self._within(start, end)
        found: list[bytes | memoryview] = []
        chunks = self._chunks or []
        at = bisect_right(self._ends, first)
        begin = self._ends[at - 1] if at else 0
        while begin < last:
            chunk = chunks[at]
            whole = first <= begin and begin + len(chunk) <= last
            found.append(chunk if whole else memoryview(chunk)[max(0, first - begin) : last - begin])
            begin += len(chunk)
            at += 1
        return found


class _Crcs(list[RangeCrc]):
    """Those of the ranges of one block, for the proof that all reads share."""

    def __init__(self, crc_name: str | None) -> None:
        super().__init__()
        self.crc_name = crc_name

    def add(self, start: int, length: int, crc: int) -> None:
        self.append((start, length, crc))


class Block(Piece):
    """By many requests at a time, which put the bytes where they are wanted: who reads all of it gets no copy.

    missing: the ranges to fetch, None: all of it; `put` gives it the others, before `wait`.
    """

    def __init__(
        self,
        pinned: Pinned,
        start: int,
        end: int,
        crc_name: str | None = None,
        missing: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(start, end)
        self._pinned = pinned
        self._room = make_room(end - start)
        self._view = self._room.getbuffer()
        ranges = missing or [(start, end)]
        self._parts = [self._view[first - start : last - start] for first, last in ranges]
        self._pieces = [
            piece for (first, _), part in zip(ranges, self._parts, strict=True) for piece in split(first, part)
        ]
        self._arrived = _Crcs(crc_name)
        self._bytes: bytes | None = None
        self._one_waits = threading.Lock()
        self._transfer = pinned.fetch(self._pieces, proof=self._arrived)

    @property
    def under_way(self) -> bool:
        return not self._transfer.over

    @property
    def is_here(self) -> bool:
        return self._bytes is not None

    def stop(self) -> None:
        self.stopped = True
        self._transfer.stop()

    def put(self, at: int, buffer: bytes | memoryview) -> None:
        """Bytes that somebody has, and their offset in the object."""
        self._view[at - self.start : at - self.start + len(buffer)] = buffer

    def wait(self) -> None:
        with holding(self._one_waits):
            if self._bytes is not None:
                return
            unseen = self._transfer.over
            try:
                self._transfer.wait()
            except BaseException as error:
                self._release()
                if self.stopped or not unseen or not isinstance(error, S3AMError):
                    raise
                self._fetch_again()  # it failed while nobody waited: that may have been long ago
                return
            self._release()
            self.crcs = list(self._arrived)
            self._bytes = self._room.getvalue()

    def _release(self) -> None:
        release((*(piece for _, piece in self._pieces), *self._parts, self._view))
        self._pieces, self._parts = [], []

    def _fetch_again(self) -> None:
        found = read_whole(self._pinned, self.start, self.end)
        self._take_crc(self._arrived.crc_name, [found])
        self._bytes = found

    def bytes_of(self, start: int, end: int) -> list[bytes | memoryview]:
        first, last = self._within(start, end)
        assert self._bytes is not None
        return [self._bytes if last - first == self.size else memoryview(self._bytes)[first:last]]
