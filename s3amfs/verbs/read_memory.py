"""What readers hold in memory: pieces of objects, bounded all together, the least useful given up first.

A piece is a range of one object, in memory or on its way. Threads and readers may share a memory; `lock` is held while
pieces are looked for, begun or given up, never while somebody waits for bytes.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate

from ..core.checksums import Crc
from ..engine.quick import Quick
from ..errors import TransferError
from ..wire.streams import Chunks
from .ranges import Pinned, read_whole


class Piece:
    """Bytes [start, end) of the object `pinned`, from now on. crc_name: of the checksum that is wanted of them."""

    def __init__(self, pinned: Pinned, start: int, end: int, crc_name: str | None = None) -> None:
        self.start = start
        self.end = end
        self.given_up = False
        """No longer counted: who has it may use it, nobody else."""
        self.stopped = False
        self.crc: int | None = None
        """Of its bytes, once they are here."""
        self._crc_name = crc_name
        self._pinned = pinned
        self._chunks: list[bytes] | None = None
        self._ends: list[int] = []
        self._came = threading.Event()
        self._again = threading.Lock()
        self._quick: Quick = pinned.begin(start, end - start, self._told)

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def under_way(self) -> bool:
        return not self._came.is_set()

    def _told(self, chunks: Chunks | None) -> None:
        if chunks is not None:
            self._keep(chunks)
        self._came.set()

    def _keep(self, chunks: list[bytes]) -> None:
        if self._crc_name is not None:
            crc = Crc(self._crc_name)
            crc.update_all(chunks)
            self.crc = crc.value
        self._ends = list(accumulate(map(len, chunks)))
        self._chunks = chunks

    def stop(self) -> None:
        """Cuts what is on its way: who waits for it gets an error."""
        self.stopped = True
        self._quick.cut()

    def wait(self) -> None:
        """Until the bytes are here. Raises SourceChanged, TransferError."""
        self._came.wait()
        if self._chunks is None:
            with self._again:
                if self.stopped:
                    raise TransferError(f"{self._pinned.location.url}: the reading was stopped")
                if self._chunks is None:
                    self._keep([read_whole(self._pinned, self.start, self.end)])

    def bytes_of(self, start: int, end: int) -> list[bytes | memoryview]:
        """[start, end) of the object, cut to what is in this piece, in order."""
        first, last = max(start, self.start) - self.start, min(end, self.end) - self.start
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


class ReadMemory:
    """limit: bytes of all pieces. keeps: what has been read stays as long as there is room, for who reads it again."""

    def __init__(self, limit: int, *, keeps: bool = False) -> None:
        self.lock = threading.Lock()
        self.limit = limit
        self.held = 0
        self._keeps = keeps
        self._unread: OrderedDict[Piece, list[Piece]] = OrderedDict()
        """Each with the list of its reader, where it is as well."""
        self._read: OrderedDict[Piece, list[Piece]] = OrderedDict()

    # All of these with the lock held.

    def add(self, piece: Piece, pieces: list[Piece]) -> None:
        """`piece` is one more of its reader's `pieces`."""
        pieces.append(piece)
        self._unread[piece] = pieces
        self.held += piece.size
        self._make_room()

    def used(self, piece: Piece, *, read_up: bool) -> None:
        """Somebody has read from it; read_up: to its end."""
        pieces = self._unread.get(piece)
        if piece in self._read:
            self._read.move_to_end(piece)
        elif pieces is not None and not read_up:
            self._unread.move_to_end(piece)
        elif pieces is not None and self._keeps:
            self._read[piece] = self._unread.pop(piece)
        elif pieces is not None:
            self.give_up(piece)

    def give_up(self, piece: Piece) -> None:
        pieces = self._unread.pop(piece, None) or self._read.pop(piece, None)
        if pieces is not None:
            self.held -= piece.size
            pieces.remove(piece)
            piece.given_up = True

    def _make_room(self) -> None:
        """What has been read goes first, then what has waited longest for a reader."""
        while self.held > self.limit and self._read:
            self.give_up(next(iter(self._read)))
        if self.held > self.limit:
            for piece in [piece for piece in self._unread if not piece.under_way]:
                if self.held <= self.limit:
                    return
                self.give_up(piece)
