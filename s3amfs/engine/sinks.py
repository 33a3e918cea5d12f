"""Where the bytes of a part from a remote source go on this machine: a file at an offset, or memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from ..core.checksums import Crc
from ..core.continuation import tail
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..wire.messages import Reply
from .attempt import PartResult
from .file_io import write_all_at, write_pieces_at
from .joining import mark_of
from .part_problem import PartProblem
from .sources import ZEROS

WRITE_BYTES = 512 * 1024
"""Written in one go: the fewer, the less the loops are in each other's way."""
TLS_WRITE_BYTES = WRITE_BYTES // 2
"""Through TLS bytes come slower, and its connections need memory of their own."""
HELD_BYTES, LEAST_WRITE_BYTES = 16 * 1024 * 1024, 64 * 1024
"""Of all parts of a download together, and of one: with many slots each of them writes less at a time."""
_MOST_PIECES = 1024
"""Linux takes no more in one write (IOV_MAX)."""
_HELD = 1.5
"""Times what is written in one go is held while another thread writes to the same file; then it has to wait."""


class _CountedSink:
    """Counts and hashes; subclasses say where the bytes go. Implements operation.PartSink."""

    def __init__(self, part: Part, accept: Callable[[Reply], None], crc: str | None) -> None:
        self._part = part
        self._accept = accept
        self._crc = Crc(crc) if crc else None
        self._etag = self.mark = ""
        self.last = b""
        self.moved = 0

    def begin(self, reply: Reply) -> None:
        self._accept(reply)
        self._etag, self.mark = reply.headers.get("etag", ""), mark_of(reply)

    def write(self, data: bytes) -> None:
        if self.moved + len(data) > self._part.length:
            raise self._too_much()
        self._store(data, self.moved)
        self.moved += len(data)
        self.last = tail(self.last, data)

    def _too_much(self) -> PartProblem:
        return PartProblem(Failure(Kind.CORRUPT, "the source sent more bytes than the range asked for"))

    def _hash(self, data: bytes | memoryview) -> None:
        """Every byte, in order."""
        if self._crc is not None:
            self._crc.update(data)

    def _store(self, data: bytes, at: int) -> None:
        raise TypeError("a subclass says where")

    def settle(self) -> None:
        """Nothing is held."""

    def finish(self) -> PartResult:
        if self.moved != self._part.length:
            raise PartProblem(
                Failure(Kind.NETWORK, f"the source ended {self._part.length - self.moved} bytes too early")
            )
        crc = self._crc.value if self._crc is not None else None
        return PartResult(self._part.number, self._part.length, etag=self._etag, crc=crc)


class FileSink(_CountedSink):
    """Writes a part into an open file at the part's offset, minus `base` (the file's offset 0 in the source).

    turn: shared by all sinks of one file. The kernel lets one thread at a time write to a file and has the others spin;
    here they go on receiving instead, which saves a sixth of the system time of a download over two loops.
    """

    def __init__(
        self,
        fd: int,
        part: Part,
        accept: Callable[[Reply], None],
        crc: str | None = "crc64nvme",
        base: int = 0,
        turn: threading.Lock | None = None,
        write_bytes: int = WRITE_BYTES,
    ) -> None:
        super().__init__(part, accept, crc)
        self._fd = fd
        self._write_bytes, self._most_held = write_bytes, int(write_bytes * _HELD)
        self._at = part.offset - base
        self._turn = turn if turn is not None else threading.Lock()
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        # libcurl hands out 16 KiB at most (CURL_MAX_WRITE_SIZE): many of them make one write. So this is called 65,536
        # times per GiB with the interpreter's lock held, and all in one place.
        self.moved += len(data)
        if self.moved > self._part.length:
            raise self._too_much()
        self._held.append(data)
        self._held_bytes += len(data)
        self.last = tail(self.last, data)
        full = self._held_bytes >= self._most_held or len(self._held) == _MOST_PIECES
        if full or (self._held_bytes >= self._write_bytes and not self._turn.locked()):
            self._flush()

    def _flush(self) -> None:
        held, length = self._held, self._held_bytes
        self._held, self._held_bytes = [], 0
        if self._crc is not None:
            self._crc.update_all(held)
        with self._turn:
            self._write(held, length, self._at)
        self._at += length

    def _write(self, held: list[bytes], length: int, at: int) -> None:
        written = write_pieces_at(self._fd, held, at)
        if written < length:  # a nearly full disk takes less first and raises ENOSPC next
            write_all_at(self._fd, memoryview(b"".join(held))[written:], at + written)

    def settle(self) -> None:
        if self._held:
            self._flush()

    def finish(self) -> PartResult:
        self.settle()
        return super().finish()


class SparseFileSink(FileSink):
    """Leaves out what is all zeros: for a file that has a hole there, and its size already."""

    def _write(self, held: list[bytes], length: int, at: int) -> None:
        for is_zero, chunks in groupby(held, _is_zero):
            run = list(chunks)
            size = sum(map(len, run))
            if not is_zero:
                super()._write(run, size, at)
            at += size


def _is_zero(data: bytes) -> bool:
    return data == ZEROS[: len(data)] if len(data) <= len(ZEROS) else not any(data)


class HashSink(_CountedSink):
    """Keeps nothing: CRC and MD5 of a part, the latter as the result's ETag."""

    def __init__(self, part: Part, accept: Callable[[Reply], None], crc: str) -> None:
        super().__init__(part, accept, crc)
        self._md5 = hashlib.md5(usedforsecurity=False)

    def _store(self, data: bytes, at: int) -> None:
        self._md5.update(data)
        self._hash(data)

    def finish(self) -> PartResult:
        return replace(super().finish(), etag=self._md5.hexdigest())


class MemorySink(_CountedSink):
    """Writes a part into `buffer`, which has room for exactly the part."""

    def __init__(self, buffer: memoryview, part: Part, accept: Callable[[Reply], None], crc: str | None = None) -> None:
        super().__init__(part, accept, crc)
        self._buffer = buffer

    def _store(self, data: bytes, at: int) -> None:
        self._buffer[at : at + len(data)] = data

    def finish(self) -> PartResult:
        if self.moved == self._part.length:
            self._hash(self._buffer)  # one call for all of it costs less than one for each 16 KiB
        return super().finish()
