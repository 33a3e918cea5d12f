"""`ObjectReader`: an open object, read at any place; what comes next is fetched in parallel before it is asked for.

Memory is bounded (read_memory.py), also for readers that share it. The object is pinned to the version that was opened:
if it is replaced meanwhile, reads raise SourceChanged. Who reads all of it reads what S3 has a checksum of, or reads
raise ChecksumMismatch from then on. Threads may share a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from ..core.readahead import LIMIT, ReadAhead
from ..engine.transfer import Transfer
from ..errors import ChecksumMismatch
from .ranges import PIECE_BYTES, Pinned, make_room, split
from .read_memory import Piece, ReadMemory

LARGE_BYTES = 2 * PIECE_BYTES
"""From this size on a read is worth a transfer of its own, which puts the bytes where they are wanted: no copy."""


class _Crcs(list[tuple[int, int, int]]):
    """Those of the ranges (start, length, CRC) of one large read, for the proof that all reads share."""

    def __init__(self, crc_name: str | None) -> None:
        super().__init__()
        self.crc_name = crc_name

    def add(self, start: int, length: int, crc: int) -> None:
        self.append((start, length, crc))


class ObjectReader:
    """limit: bytes that may be fetched ahead of the readers of this object. memory: shared with others, or its own."""

    def __init__(self, pinned: Pinned, *, limit: int = LIMIT, memory: ReadMemory | None = None) -> None:
        self.pinned = pinned
        self.size = pinned.info.size
        self._ahead = ReadAhead(self.size, limit=limit)
        self._memory = memory if memory is not None else ReadMemory(2 * limit)
        self._pieces: list[Piece] = []
        self._transfers: list[Transfer] = []
        """Of large reads, under way."""
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
        end = min(self.size, offset + max(0, size))
        if end - offset >= LARGE_BYTES:
            with self._memory.lock:
                held = self._holding(offset, end)
            missing = list(_gaps(held, offset, end))
            if sum(stop - start for start, stop in missing) >= LARGE_BYTES:
                return self._read_large(offset, end, held, missing)
        return b"".join(self.buffers(offset, size))

    def buffers(self, offset: int, size: int) -> list[bytes | memoryview]:
        """The same as it lies in memory, without a copy."""
        end = min(self.size, offset + max(0, size))
        if offset >= end:
            return []
        self._refuse_wrong()
        with self._memory.lock:
            needed = self._cover(offset, end)
            self._read_ahead(offset, end)
        with self._watching(needed):
            self._arrive(needed)
        return self._take(needed, offset, end)

    def _read_large(self, offset: int, end: int, held: list[Piece], missing: list[tuple[int, int]]) -> bytes:
        self._refuse_wrong()
        room, crcs = make_room(end - offset), _Crcs(self._proof.crc_name)
        with room.getbuffer() as view, ExitStack() as views:
            parts = [(start, views.enter_context(view[start - offset : stop - offset])) for start, stop in missing]
            pieces = [(at, views.enter_context(piece)) for start, part in parts for at, piece in split(start, part)]
            with self._watching(held), self._fetching(pieces, crcs) as transfer:
                with self._memory.lock:
                    self._read_ahead(offset, end)
                transfer.wait()
                self._arrive(held, crcs)
            for piece in held:
                at = max(offset, piece.start) - offset
                for buffer in self._take([piece], offset, end):
                    view[at : at + len(buffer)] = buffer
                    at += len(buffer)
        return room.getvalue()

    @contextmanager
    def _fetching(self, pieces: list[tuple[int, memoryview]], crcs: _Crcs) -> Iterator[Transfer]:
        """Nothing fills the pieces any more afterwards, whatever happens."""
        with self._memory.lock:
            transfer = self.pinned.fetch(pieces, proof=crcs)
            self._transfers.append(transfer)
        try:
            yield transfer
        finally:
            if not transfer.over:
                transfer.stop()
            with self._memory.lock:
                self._transfers.remove(transfer)

    def _refuse_wrong(self) -> None:
        if self.wrong is not None:
            raise self.wrong

    def _read_ahead(self, offset: int, end: int) -> None:
        for start, stop in self._ahead.read(offset, end - offset):
            self._cover(start, stop)

    @contextmanager
    def _watching(self, pieces: list[Piece]) -> Iterator[None]:
        """After any trouble nobody else uses the pieces."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, ChecksumMismatch):
                self.wrong = error
            with self._memory.lock:
                for piece in pieces:
                    self._memory.give_up(piece)
            raise

    def _arrive(self, pieces: list[Piece], crcs: Iterable[tuple[int, int, int]] = ()) -> None:
        """Waits for the pieces. Raises ChecksumMismatch when they, or the ranges with `crcs`, complete an object that
        is not what S3 has."""
        for piece in pieces:
            piece.wait()
        with self._memory.lock:
            for crc in crcs:
                self._proof.add(*crc)
            for piece in pieces:
                if piece.crc is not None:
                    self._proof.add(piece.start, piece.size, piece.crc)
                    piece.crc = None

    def _take(self, pieces: list[Piece], offset: int, end: int) -> list[bytes | memoryview]:
        """Their bytes in [offset, end)."""
        found = [buffer for piece in pieces for buffer in piece.bytes_of(offset, end)]
        with self._memory.lock:
            for piece in pieces:
                self._memory.used(piece, read_up=end >= piece.end)
        return found

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
            transfers = list(self._transfers)
            self._ahead = ReadAhead(self.size, limit=self._ahead.limit)
        for piece in pieces:
            if piece.under_way:
                piece.stop()
        for transfer in transfers:
            transfer.stop()

    def _cover(self, start: int, end: int) -> list[Piece]:
        """Pieces that together hold [start, end), new ones for what no piece holds yet."""
        needed = self._holding(start, end)
        for first, last in list(_gaps(needed, start, end)):
            for at in range(first, last, PIECE_BYTES):
                piece = Piece(self.pinned, at, min(last, at + PIECE_BYTES), self._proof.crc_name)
                self._memory.add(piece, self._pieces)
                needed.append(piece)
        return sorted(needed, key=lambda piece: piece.start)

    def _holding(self, start: int, end: int) -> list[Piece]:
        return [piece for piece in self._pieces if piece.start < end and start < piece.end]


def _gaps(pieces: Iterable[Piece], start: int, end: int) -> Iterable[tuple[int, int]]:
    at = start
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start > at:
            yield at, piece.start
        at = max(at, piece.end)
    if at < end:
        yield at, end
