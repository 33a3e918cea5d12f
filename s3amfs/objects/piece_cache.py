"""Pieces of objects that readers hold in memory, bounded all together; the least useful is evicted first.

Threads and readers may share a memory; `lock` is held while
pieces are looked for, begun or given up, never while somebody waits for bytes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from .pieces import Piece


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
        """Evicts pieces that have been read first, then the piece that has waited longest for a reader."""
        while self.held > self.limit and self._read:
            self.give_up(next(iter(self._read)))
        if self.held > self.limit:
            for piece in [piece for piece in self._unread if not piece.under_way]:
                if self.held <= self.limit:
                    return
                self.give_up(piece)
