"""The readers of a mount's open files: they share one memory, and what was read is there for who opens the file again.

Threads may share them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..objects.piece_cache import ReadMemory
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader

READER_BYTES = 16 * 1024 * 1024
"""Read ahead in one file at most."""
LEAST_READER_BYTES = 128 * 1024
MOST_IDLE = 1000
Version = tuple[str, str, str | None]
"""Of what: key, ETag, version id."""


class Readers:
    """limit: bytes that they all may hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._memory = ReadMemory(limit, keeps=True)
        self._lock = threading.Lock()
        self._users: set[ObjectReader] = set()
        self._idle: OrderedDict[Version, ObjectReader] = OrderedDict()

    @property
    def share(self) -> int:
        """Bytes that each may fetch ahead: half of all is for what has been fetched."""
        return max(LEAST_READER_BYTES, min(READER_BYTES, self._limit // (2 * max(1, len(self._users)))))

    def open(self, pinned: Pinned) -> ObjectReader:
        with self._lock:
            reader = self._idle.pop(_version(pinned), None) or ObjectReader(pinned, memory=self._memory)
            self._users.add(reader)
            return reader

    def close(self, reader: ObjectReader) -> None:
        """All that it has read stays for the next who opens that version, while there is room."""
        if reader.wrong is None:
            reader.rest()
        else:
            reader.close()  # who opens it again reads it again
        with self._lock:
            self._users.discard(reader)
            if not reader.holds_any:
                return
            replaced = self._idle.pop(_version(reader.pinned), None)
            self._idle[_version(reader.pinned)] = reader
            gone = [idle for idle in self._idle.values() if not idle.holds_any]
            if len(self._idle) > MOST_IDLE:
                gone.append(next(iter(self._idle.values())))
            for idle in gone:
                self._idle.pop(_version(idle.pinned), None)
        for idle in [*gone, *([replaced] if replaced is not None else [])]:
            idle.close()


def _version(pinned: Pinned) -> Version:
    return pinned.location.key, pinned.info.etag, pinned.info.version_id
