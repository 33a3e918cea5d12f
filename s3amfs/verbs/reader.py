"""`ObjectReader`: an open object, read at any place; what comes next is fetched in parallel before it is asked for.

Memory is bounded (read_memory.py), also for readers that share it. The object is pinned to the version that was opened:
if it is replaced meanwhile, reads raise SourceChanged. Who reads all of it reads what S3 has a checksum of, or reads
raise ChecksumMismatch from then on. Threads may share a reader.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.readahead import LIMIT, ReadAhead
from ..errors import ChecksumMismatch
from .ranges import PIECE_BYTES, Pinned
from .read_memory import Piece, ReadMemory


class ObjectReader:
    """limit: bytes that may be fetched ahead of the readers of this object. memory: shared with others, or its own."""

    def __init__(self, pinned: Pinned, *, limit: int = LIMIT, memory: ReadMemory | None = None) -> None:
        self.pinned = pinned
        self.size = pinned.info.size
        self._ahead = ReadAhead(self.size, limit=limit)
        self._memory = memory if memory is not None else ReadMemory(2 * limit)
        self._pieces: list[Piece] = []
        self._proof = pinned.proof
        self.wrong: ChecksumMismatch | None = None
        """What was found out stays true: a kernel tries again in smaller pieces, and some of them had arrived well."""

    def limit_to(self, limit: int) -> None:
        """Bytes that may be fetched ahead from now on: for readers that share a memory."""
        self._ahead.limit_to(limit)

    @property
    def holds_any(self) -> bool:
        return bool(self._pieces)

    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the end. Raises SourceChanged, TransferError."""
        return b"".join(self.buffers(offset, size))

    def buffers(self, offset: int, size: int) -> list[bytes | memoryview]:
        """The same as it lies in memory, without a copy."""
        end = min(self.size, offset + max(0, size))
        if offset >= end:
            return []
        if self.wrong is not None:
            raise self.wrong
        with self._memory.lock:
            needed = self._cover(offset, end)
            for start, stop in self._ahead.read(offset, end - offset):
                self._cover(start, stop)
        try:
            for piece in needed:
                piece.wait()
            with self._memory.lock:
                for piece in needed:
                    self._prove(piece)
        except BaseException as error:
            if isinstance(error, ChecksumMismatch):
                self.wrong = error
            with self._memory.lock:
                for piece in needed:
                    self._memory.give_up(piece)
            raise
        found = [buffer for piece in needed for buffer in piece.bytes_of(offset, end)]
        with self._memory.lock:
            for piece in needed:
                self._memory.used(piece, read_up=end >= piece.end)
        return found

    def _prove(self, piece: Piece) -> None:
        """Raises ChecksumMismatch when it completes an object that is not what S3 has."""
        crc, piece.crc = piece.crc, None
        if crc is not None:
            self._proof.add(piece.start, piece.size, crc)

    def rest(self) -> None:
        """Nobody reads now: what is on its way is cut, what has come stays as long as there is room."""
        self._stop(everything=False)

    def close(self) -> None:
        """Nobody will read any more."""
        self._stop(everything=True)

    def _stop(self, *, everything: bool) -> None:
        with self._memory.lock:
            pieces = [piece for piece in self._pieces if everything or piece.under_way]
            for piece in pieces:
                self._memory.give_up(piece)
            self._ahead = ReadAhead(self.size, limit=self._ahead.limit)
        for piece in pieces:
            if piece.under_way:
                piece.stop()

    def _cover(self, start: int, end: int) -> list[Piece]:
        """Pieces that together hold [start, end), new ones for what no piece holds yet."""
        needed = [piece for piece in self._pieces if piece.start < end and start < piece.end]
        for first, last in list(_gaps(needed, start, end)):
            for at in range(first, last, PIECE_BYTES):
                piece = Piece(self.pinned, at, min(last, at + PIECE_BYTES), self._proof.crc_name)
                self._memory.add(piece, self._pieces)
                needed.append(piece)
        return sorted(needed, key=lambda piece: piece.start)


def _gaps(pieces: Iterable[Piece], start: int, end: int) -> Iterable[tuple[int, int]]:
    at = start
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start > at:
            yield at, piece.start
        at = max(at, piece.end)
    if at < end:
        yield at, end
