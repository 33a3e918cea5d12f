"""Digests that the whole source must have: given by the user (--expect-md5, ...) or sent by the source itself.

Digests that can be joined from parts (CRCs) are compared after the parts have moved. Digests that need the bytes in
order (MD5, SHA-256) are only computed where the user asks for them, since that makes a parallel transfer sequential,
and where the source is one stream anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.checksums import Hasher, decode, hasher
from ..errors import ChecksumMismatch
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .source import ByteStream

READ_BYTES = 1024 * 1024
CHEAPEST_FIRST = ("crc64nvme", "crc32c", "crc32", "md5", "md5-content", "sha1", "sha256", "sha512", "sha256-content")


class Expectation:
    """expect: (digest name, hex) from the user. said: digest name -> bytes, as the source sent them."""

    def __init__(self, expect: tuple[tuple[str, str], ...], said: Mapping[str, bytes], report: Report) -> None:
        self._hashers: list[tuple[str, str, Hasher]] = [(name, text.lower(), hasher(name)) for name, text in expect]
        self._said = said
        self._own: tuple[str, Hasher] | None = None
        self._report = report

    @property
    def needs_order(self) -> bool:
        return bool(self._hashers)

    def hash(self, stream: ByteStream) -> None:
        """Reads the whole source for its digests."""
        watched = self.watching(stream)
        while watched.read(READ_BYTES):
            continue

    def watching(self, stream: ByteStream) -> ByteStream:
        """`stream`, whose bytes are hashed as they are read."""
        hashers = [running for _, _, running in self._hashers]
        return _Watched(stream, hashers) if hashers else stream

    def watching_all(self, stream: ByteStream) -> ByteStream:
        """`watching`, and the cheapest of the digests that the source sent of itself."""
        name = next((name for name in CHEAPEST_FIRST if name in self._said), None)
        if name is None:
            return self.watching(stream)
        self._own = (name, hasher(name.removesuffix("-content")))
        return _Watched(self.watching(stream), [self._own[1]])

    def check(self, target: str) -> None:
        """Raises ChecksumMismatch unless every digest the user gave is that of the bytes read."""
        if self._own is not None:
            name, running_own = self._own
            if running_own.hexdigest() != self._said[name].hex():
                raise _differs(target, name.removesuffix("-content"))
        for name, expected, running in self._hashers:
            found = running.hexdigest()
            if found != expected:
                raise ChecksumMismatch(
                    f"{target} was not stored: the source's {name} is {found} and not {expected}: check both"
                )

    def check_whole(self, crc: tuple[str, str] | None, target: str) -> None:
        """Compares the joined CRC (name, base64) with what the source says of itself. Raises ChecksumMismatch."""
        if crc is None or crc[0] not in self._said:
            return
        if int.from_bytes(self._said[crc[0]], "big") != decode(*crc):
            raise _differs(target, crc[0])


def _differs(target: str, name: str) -> ChecksumMismatch:
    return ChecksumMismatch(
        f"{target} was not stored: the {name} that the source sent is not that of its bytes: read it again"
    )


class _Watched:
    def __init__(self, stream: ByteStream, hashers: list[Hasher]) -> None:
        self._stream = stream
        self._hashers = hashers

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        for running in self._hashers:
            running.update(data)
        return data
