"""`ObjectReader`: an open object, read at any place; what comes next is fetched in parallel before it is asked for.

Memory is bounded: what has been read is forgotten, and no more than a few dozen MiB are ahead. The object is pinned to
the version that was opened: if it is replaced meanwhile, reads raise SourceChanged. Who reads all of it reads what S3
has a checksum of, or reads raise ChecksumMismatch from then on. Threads may share a reader.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..core.readahead import LIMIT, ReadAhead
from ..engine.transfer import Transfer
from ..errors import ChecksumMismatch
from .proof import ReadProof
from .ranges import PIECE_BYTES, Pinned


class _Piece:
    """A range that is in memory or on its way."""

    __slots__ = ("buffer", "end", "start", "transfer")

    def __init__(self, pinned: Pinned, start: int, end: int, proof: ReadProof) -> None:
        self.start = start
        self.end = end
        self.buffer = bytearray(end - start)
        self.transfer: Transfer = pinned.fetch([(start, memoryview(self.buffer))], proof=proof)


class ObjectReader:
    """limit: bytes that may be held ahead of the readers of this object."""

    def __init__(self, pinned: Pinned, *, limit: int = LIMIT) -> None:
        self.pinned = pinned
        self.size = pinned.info.size
        self._limit = limit
        self._ahead = ReadAhead(self.size, limit=limit)
        self._pieces: list[_Piece] = []
        self._proof = pinned.proof
        self._wrong: ChecksumMismatch | None = None
        """What was found out stays true: a kernel tries again in smaller pieces, and some of them had arrived well."""
        self._lock = threading.Lock()

    def limit_to(self, limit: int) -> None:
        """Bytes that may be held ahead from now on: for readers that share a memory."""
        with self._lock:
            self._limit = limit
            self._ahead.limit_to(limit)

    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the end. Raises SourceChanged, TransferError."""
        return bytes(self.view(offset, size))

    def view(self, offset: int, size: int) -> memoryview:
        """The same without a copy where one request brought it all."""
        end = min(self.size, offset + max(0, size))
        if offset >= end:
            return memoryview(b"")
        if self._wrong is not None:
            raise self._wrong
        with self._lock:
            needed = self._cover(offset, end)
            for start, stop in self._ahead.read(offset, end - offset):
                self._cover(start, stop)
        try:
            for piece in needed:
                piece.transfer.wait()
        except BaseException as error:
            if isinstance(error, ChecksumMismatch):
                self._wrong = error
            with self._lock:
                self._pieces = [piece for piece in self._pieces if piece not in needed]
            raise
        data = _assemble(needed, offset, end)
        with self._lock:
            self._forget(offset, end)
        return data

    def close(self) -> None:
        """Cuts what is on its way."""
        with self._lock:
            pieces, self._pieces = self._pieces, []
        for piece in pieces:
            if not piece.transfer.over:
                piece.transfer.stop()

    def _cover(self, start: int, end: int) -> list[_Piece]:
        """Pieces that together hold [start, end), new ones for what no piece holds yet."""
        needed = [piece for piece in self._pieces if piece.start < end and start < piece.end]
        for first, last in list(_gaps(needed, start, end)):
            for at in range(first, last, PIECE_BYTES):
                piece = _Piece(self.pinned, at, min(last, at + PIECE_BYTES), self._proof)
                self._pieces.append(piece)
                needed.append(piece)
        return sorted(needed, key=lambda piece: piece.start)

    def _forget(self, offset: int, end: int) -> None:
        """Drops what was read to its end, and the oldest of what is beyond the limit."""
        self._pieces = [
            piece for piece in self._pieces if not (piece.end <= end and piece.start >= offset - PIECE_BYTES)
        ]
        held = sum(len(piece.buffer) for piece in self._pieces)
        while held > 2 * self._limit and self._pieces and self._pieces[0].transfer.over:
            held -= len(self._pieces.pop(0).buffer)


def _gaps(pieces: Iterable[_Piece], start: int, end: int) -> Iterable[tuple[int, int]]:
    at = start
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start > at:
            yield at, piece.start
        at = max(at, piece.end)
    if at < end:
        yield at, end


def _assemble(pieces: list[_Piece], start: int, end: int) -> memoryview:
    if len(pieces) == 1:
        piece = pieces[0]
        return memoryview(piece.buffer)[start - piece.start : end - piece.start]
    joined = bytearray(end - start)
    for piece in pieces:
        first, last = max(start, piece.start), min(end, piece.end)
        joined[first - start : last - start] = memoryview(piece.buffer)[first - piece.start : last - piece.start]
    return memoryview(joined)
