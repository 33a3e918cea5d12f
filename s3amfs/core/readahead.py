"""Prefetch: a state machine over the reads of one open file.

Reads come in, ranges to fetch ahead come out. Readers that go forward are distinguished from those that jump: several
forward readers of one file at once, reads that the kernel hands over slightly out of order, and steps of equal width
are recognised; everything else is random and gets nothing ahead, so that it moves exactly what it asks for. The read
itself is not part of the answer. Pure, no clock; one instance belongs to one open file and one thread at a time.
"""

from __future__ import annotations

from .define import define
from .sizes import KIB, MIB

FIRST_WINDOW = MIB
"""Fetched ahead once a reader has shown its direction (or has begun at byte 0); doubles while it goes on."""
LARGE = 8 * MIB
"""From this size on, the step after a read is fetched ahead, as it is expected to be asked for."""
LIMIT = 32 * MIB
SLACK = 2 * MIB
"""How far from its place a read may be and still belong to a known forward reader: the kernel has up to a dozen
requests of 128 to 256 KiB under way, answered by several threads."""
MOST_READERS = 16
MOST_CANDIDATES = 32
_RECENT = 64
_STRIDES_AHEAD = 8


@define(slots=True)
class _Reader:
    """One forward reader."""

    end: int
    """The furthest byte it has read, exclusive."""
    ahead: int
    """Everything before this has been asked for."""
    window: int
    used: int
    """Number of the read it last did."""


class ReadAhead:
    """size: bytes of the file. limit: bytes that may be ahead of all readers together."""

    def __init__(self, size: int, *, limit: int = LIMIT) -> None:
        self._size = size
        self.limit = limit
        self._readers: list[_Reader] = []
        self._candidates: list[_Reader] = []
        self._reads = 0
        self._last = (0, 0)
        self._stride = (0, 0)
        self._strided_to = 0

    def limit_to(self, limit: int) -> None:
        """Bytes that may be ahead from now on."""
        self.limit = limit

    def read(self, offset: int, length: int) -> tuple[tuple[int, int], ...]:
        """A read of `length` bytes at `offset`; returns the ranges [start, end) to fetch beyond it, nearest first."""
        end = min(self._size, offset + length)
        if offset >= end:
            return ()
        self._reads += 1
        reader = self._known(offset) or self._promoted(offset, end)
        if reader is not None:
            return self._forward(reader, end, step=length if length >= LARGE else None)
        strided = self._strides(offset, end)
        if strided is not None:
            return strided
        if offset == 0:
            reader = _Reader(end, end, 0, self._reads)
            self._keep(self._readers, reader, MOST_READERS)
            return self._forward(reader, end)
        self._keep(self._candidates, _Reader(end, end, 0, self._reads), MOST_CANDIDATES)
        return ()

    def _known(self, offset: int) -> _Reader | None:
        for reader in self._readers:
            if reader.end - SLACK <= offset <= max(reader.ahead, reader.end + min(SLACK, reader.window)):
                return reader
        return None

    def _promoted(self, offset: int, end: int) -> _Reader | None:
        """A place read once becomes a forward reader when the read that follows it comes."""
        near = 2 * (end - offset) if end - offset > 64 * KIB else 0
        for reader in self._candidates:
            if reader.end <= offset <= reader.end + near:
                self._candidates.remove(reader)
                self._keep(self._readers, reader, MOST_READERS)
                return reader
        return None

    def _keep(self, readers: list[_Reader], reader: _Reader, most: int) -> None:
        if len(readers) >= most:
            readers.remove(min(readers, key=lambda other: other.used))
        readers.append(reader)

    def _forward(self, reader: _Reader, end: int, step: int | None = None) -> tuple[tuple[int, int], ...]:
        reader.used = self._reads
        if end <= reader.end and reader.window:
            return ()
        reader.end = max(reader.end, end)
        reader.ahead = max(reader.ahead, reader.end)
        share = self.limit // self._active()
        if step is not None:
            reader.window = step
        elif not reader.window:
            reader.window = min(FIRST_WINDOW, share)
        elif reader.ahead - reader.end <= reader.window // 2:
            reader.window = min(reader.window * 2, share)
        reader.window = min(reader.window, share)
        target = min(self._size, reader.end + reader.window)
        wanted = target - reader.ahead
        if wanted <= 0 or (wanted < reader.window // 2 and target < self._size):
            return ()
        start, reader.ahead = reader.ahead, target
        return ((start, target),)

    def _active(self) -> int:
        """Forward readers that are still at it."""
        recent = self._reads - _RECENT * len(self._readers)
        return max(1, sum(1 for reader in self._readers if reader.used >= recent))

    def _strides(self, offset: int, end: int) -> tuple[tuple[int, int], ...] | None:
        """Steps of equal width, reads of equal length: after three of them the next ones are known."""
        width, length = offset - self._last[0], end - offset
        same = width != 0 and self._stride[0] == width and self._last[1] == length
        self._stride = (width, self._stride[1] + 1 if same else 1)
        self._last = (offset, length)
        if not same or self._stride[1] < 2:
            self._strided_to = offset
            return None
        steps = min(_STRIDES_AHEAD, max(1, self.limit // length))
        places = [offset + width * step for step in range(1, steps + 1)]
        behind = min if width < 0 else max
        fresh = [at for at in places if behind(at, self._strided_to) == at and at != self._strided_to]
        if fresh:
            self._strided_to = fresh[-1]
        return tuple((at, min(self._size, at + length)) for at in fresh if 0 <= at < self._size)
