"""Digests that the whole source must have: given by the user (--expect-md5, ...) or told by the source itself.

What can be joined from parts (CRCs) is compared after the parts have moved; what needs the bytes in order (MD5,
SHA-256) is only taken where the user asks for it, since that makes a parallel transfer a sequential one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.checksums import Hasher, decode, hasher
from ..errors import ChecksumMismatch
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .upload_source import ByteStream

READ_BYTES = 1024 * 1024


class Expectation:
    """expect: (digest name, hex) from the user. said: digest name -> bytes, as the source tells them."""

    def __init__(self, expect: tuple[tuple[str, str], ...], said: Mapping[str, bytes], report: Report) -> None:
        self._hashers: list[tuple[str, str, Hasher]] = [(name, text.lower(), hasher(name)) for name, text in expect]
        self._said = said
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

    def check(self, target: str) -> None:
        """Raises ChecksumMismatch unless every digest the user gave is that of the bytes read."""
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
            raise ChecksumMismatch(
                f"{target} was not stored: the {crc[0]} that the source tells is not that of its bytes: read it again"
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
