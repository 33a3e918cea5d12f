"""Where the bytes of a part from a remote source go on this machine: a file at an offset, or memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace

from ..core.checksums import Crc
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..wire.requests import Reply
from .operation import PartProblem, PartResult

WRITE_BYTES = 256 * 1024


class _CountedSink:
    """Counts and hashes; subclasses say where the bytes go. Implements operation.PartSink."""

    def __init__(self, part: Part, accept: Callable[[Reply], None], crc: str | None) -> None:
        self._part = part
        self._accept = accept
        self._crc = Crc(crc) if crc else None
        self._etag = ""
        self.moved = 0

    def begin(self, reply: Reply) -> None:
        self._accept(reply)
        self._etag = reply.headers.get("etag", "")

    def write(self, data: bytes) -> None:
        if self.moved + len(data) > self._part.length:
            raise PartProblem(Failure(Kind.CORRUPT, "the source sent more bytes than the range asked for"))
        self._store(data, self.moved)
        self.moved += len(data)

    def _hash(self, data: bytes) -> None:
        """Every byte, in order."""
        if self._crc is not None:
            self._crc.update(data)

    def _store(self, data: bytes, at: int) -> None:
        raise TypeError("a subclass says where")

    def finish(self) -> PartResult:
        if self.moved != self._part.length:
            raise PartProblem(
                Failure(Kind.NETWORK, f"the source ended {self._part.length - self.moved} bytes too early")
            )
        crc = self._crc.value if self._crc is not None else None
        return PartResult(self._part.number, self._part.length, etag=self._etag, crc=crc)


class FileSink(_CountedSink):
    """Writes a part into an open file at the part's offset, minus `base` (the file's offset 0 in the source)."""

    def __init__(
        self, fd: int, part: Part, accept: Callable[[Reply], None], crc: str | None = "crc64nvme", base: int = 0
    ) -> None:
        super().__init__(part, accept, crc)
        self._fd = fd
        self._at = part.offset - base
        self._held: list[bytes] = []
        self._held_bytes = 0

    def _store(self, data: bytes, at: int) -> None:
        # libcurl hands out 16 KiB at most (CURL_MAX_WRITE_SIZE): many of them make one write.
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= WRITE_BYTES:
            self._flush()

    def _flush(self) -> None:
        """One CRC and one write of joined bytes: each lets go of the interpreter, which costs more than a copy."""
        data = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        self._hash(data)
        written = os.pwrite(self._fd, data, self._at)
        while written < len(data):  # a nearly full disk takes less first and raises ENOSPC next
            written += os.pwrite(self._fd, data[written:], self._at + written)
        self._at += len(data)

    def finish(self) -> PartResult:
        if self._held:
            self._flush()
        return super().finish()


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
        self._hash(data)
