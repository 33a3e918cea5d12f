"""`ObjectReader`: an open object, read at any offset; the next ranges are prefetched in parallel.

Memory is bounded (read_memory.py), also for readers that share it. The object is pinned to the version that was opened:
if it is replaced meanwhile, reads raise SourceChanged. Once all of it has been read, its checksum is compared with the
one that S3 stores; if they differ, reads raise ChecksumMismatch from then on. Threads may share a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..core.checksums import Crc
from ..core.readahead import LARGE, LIMIT, ReadAhead
from ..errors import ChecksumMismatch
from .piece_cache import ReadMemory
from .pieces import Block, Fragment, Piece
from .ranges import PIECE_BYTES, Pinned


class ObjectReader:
    """limit: bytes that may be fetched ahead of the readers of this object. memory: shared with others, or its own."""

    def __init__(self, pinned: Pinned, *, limit: int = LIMIT, memory: ReadMemory | None = None) -> None:
        self.pinned = pinned
        self.size = pinned.info.size
        self._ahead = ReadAhead(self.size, limit=limit)
        self._memory = memory if memory is not None else ReadMemory(2 * limit)
        self._pieces: list[Piece] = []
        self._reading: list[Block] = []
        """Of large reads, under way."""
        self._proof = pinned.proof
        self.wrong: ChecksumMismatch | None = None
        """Stays set once found: a kernel tries again in smaller pieces, and some of them had arrived intact."""

    def limit_to(self, limit: int) -> None:
        """Bytes that may be fetched ahead from now on: for readers that share a memory."""
        self._ahead.limit_to(limit)

    @property
    def holds_any(self) -> bool:
        return bool(self._pieces)

    def held(self) -> list[tuple[int, list[bytes | memoryview]]]:
        """(offset, buffers) of all that is in memory: no request is made for it."""
        with self._memory.lock:
            pieces = [piece for piece in self._pieces if piece.is_here]
        return [(piece.start, piece.bytes_of(piece.start, piece.end)) for piece in pieces]

    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the end. Raises SourceChanged, TransferError."""
        end = min(self.size, offset + max(0, size))
        if end - offset >= LARGE:
            with self._memory.lock:
                held = self._holding(offset, end)
            missing = list(_gaps(held, offset, end))
            if sum(stop - start for start, stop in missing) >= LARGE:
                return self._read_large(offset, end, held, missing)
        return b"".join(self.buffers(offset, size))  # of one block that was read ahead: not a copy

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

    def count_as_read(self, start: int, data: bytes, crc64nvme: int) -> None:
        """`data` at `start` was read from elsewhere (a cache): it counts for the proof of the whole.

        crc64nvme: its CRC. Raises ChecksumMismatch as `buffers` does.
        """
        self._refuse_wrong()
        name = self._proof.crc_name
        if name is None:
            return
        if name != "crc64nvme":
            other = Crc(name)
            other.update(data)
            crc64nvme = other.value
        try:
            with self._memory.lock:
                self._proof.add(start, len(data), crc64nvme)
        except ChecksumMismatch as error:
            self.wrong = error
            raise

    def _read_large(self, offset: int, end: int, held: list[Piece], missing: list[tuple[int, int]]) -> bytes:
        self._refuse_wrong()
        with self._memory.lock:
            block = Block(self.pinned, offset, end, self._proof.crc_name, missing)
            self._reading.append(block)
        try:
            with self._memory.lock:
                self._read_ahead(offset, end)
            with self._watching(held):
                for piece in held:
                    piece.wait()
                    at = max(offset, piece.start)
                    for buffer in self._take([piece], offset, end):
                        block.put(at, buffer)
                        at += len(buffer)
                self._arrive([*held, block])
        finally:
            if block.under_way:
                block.stop()
            with self._memory.lock:
                self._reading.remove(block)
        return b"".join(block.bytes_of(offset, end))

    def _refuse_wrong(self) -> None:
        if self.wrong is not None:
            raise self.wrong

    def _read_ahead(self, offset: int, end: int) -> None:
        """Prefetches the next range: in blocks for a reader that reads in large steps."""
        for start, stop in self._ahead.read(offset, end - offset):
            self._cover(start, stop, in_blocks=end - offset >= LARGE)

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

    def _arrive(self, pieces: list[Piece]) -> None:
        """Waits for the pieces. Raises ChecksumMismatch when they complete an object that is not what S3 has."""
        for piece in pieces:
            piece.wait()
        with self._memory.lock:
            for piece in pieces:
                crcs, piece.crcs = piece.crcs, []
                for crc in crcs:
                    self._proof.add(*crc)

    def _take(self, pieces: list[Piece], offset: int, end: int) -> list[bytes | memoryview]:
        """Their bytes in [offset, end)."""
        found = [buffer for piece in pieces for buffer in piece.bytes_of(offset, end)]
        with self._memory.lock:
            for piece in pieces:
                self._memory.used(piece, read_up=end >= piece.end)
        return found

    def rest(self) -> None:
        """Aborts requests in flight, since nobody reads now; pieces that have arrived stay as long as there is room."""
        self._stop(everything=False)

    def close(self) -> None:
        """Nobody will read any more."""
        self._stop(everything=True)

    def _stop(self, *, everything: bool) -> None:
        with self._memory.lock:
            pieces = [piece for piece in self._pieces if everything or piece.under_way]
            for piece in pieces:
                self._memory.give_up(piece)
            reading = list(self._reading)
            self._ahead = ReadAhead(self.size, limit=self._ahead.limit)
        for piece in (*pieces, *reading):
            if piece.under_way:
                piece.stop()

    def _cover(self, start: int, end: int, *, in_blocks: bool = False) -> list[Piece]:
        """Pieces that together hold [start, end), new ones for what no piece holds yet."""
        needed = self._holding(start, end)
        for first, last in list(_gaps(needed, start, end)):
            is_block = in_blocks and last - first >= LARGE
            kind, step = (Block, last - first) if is_block else (Fragment, PIECE_BYTES)
            for at in range(first, last, step):
                piece = kind(self.pinned, at, min(last, at + step), self._proof.crc_name)
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
