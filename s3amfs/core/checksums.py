"""Checksums: running CRCs, joining those of parts, ETags of multipart uploads, digests for `verify`.

Sole importer of awscrt, at first use (importing it costs 0.1 s; `s3am --help` needs none of it). Its CRC functions
release the interpreter lock and take any C-contiguous buffer without copying it.
A `Crc` or hasher belongs to one thread at a time; the functions are pure.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import InvalidChecksumAlgorithm

if TYPE_CHECKING:
    from collections.abc import Mapping

    Buffer = bytes | bytearray | memoryview

CRC_WIDTHS: Final[Mapping[str, int]] = {"crc64nvme": 8, "crc32c": 4, "crc32": 4}
"""Bytes of each CRC that S3 stores for a whole object (ChecksumType FULL_OBJECT), by name."""
_HASHES: Final = (
    "md5",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sha3_224",
    "sha3_256",
    "sha3_384",
    "sha3_512",
    "blake2b",
    "blake2s",
)
DIGEST_SIZES: Final[Mapping[str, int]] = {**CRC_WIDTHS, "md5": 16, "sha1": 20, "sha256": 32}
"""Bytes of each checksum that S3 knows (x-amz-checksum-*, Content-MD5), by name."""


def known() -> tuple[str, ...]:
    """Names that `hasher` takes."""
    return (*_HASHES, *CRC_WIDTHS)


@functools.cache
def _crc_function(name: str) -> Callable[[Buffer, int], int]:
    if name == "crc32":
        return zlib.crc32
    from awscrt import checksums

    function: Callable[[Buffer, int], int] = {"crc64nvme": checksums.crc64nvme, "crc32c": checksums.crc32c}[name]
    return function


def _combine_function(name: str) -> Callable[[int, int, int], int]:
    from awscrt import checksums

    function: Callable[[int, int, int], int] = {
        "crc64nvme": checksums.combine_crc64nvme,
        "crc32c": checksums.combine_crc32c,
        "crc32": checksums.combine_crc32,
    }[name]
    return function


class Crc:
    """A running CRC: 'crc64nvme', 'crc32c' or 'crc32' of the bytes given to `update`, and their number."""

    __slots__ = ("_function", "length", "name", "value")

    name: str
    value: int
    """CRC so far, unsigned."""
    length: int
    """Bytes so far."""

    def __init__(self, name: str = "crc64nvme") -> None:
        if name not in CRC_WIDTHS:
            raise InvalidChecksumAlgorithm(f"{name!r} is not a CRC that S3 knows: use one of {', '.join(CRC_WIDTHS)}")
        self.name = name
        self.value = 0
        self.length = 0
        self._function = _crc_function(name)

    def update(self, data: Buffer, /) -> None:
        """Take in `data`, a C-contiguous buffer; it is not copied."""
        # awscrt would take a str and checksum its UTF-8: memoryview() refuses it.
        view = memoryview(data)
        self.value = self._function(view, self.value)
        self.length += view.nbytes

    def update_all(self, pieces: Iterable[bytes]) -> None:
        """`update` with each of them, at less cost where they are many and small."""
        function, value, length = self._function, self.value, 0
        for piece in pieces:
            value = function(piece, value)
            length += len(piece)
        self.value = value
        self.length += length

    @property
    def base64(self) -> str:
        """The CRC as S3 writes it, see `encode`."""
        return encode(self.name, self.value)

    def digest(self) -> bytes:
        """The CRC as big-endian bytes."""
        return self.value.to_bytes(CRC_WIDTHS[self.name], "big")

    def hexdigest(self) -> str:
        return self.digest().hex()

    def __repr__(self) -> str:
        return f"Crc({self.name} {self.hexdigest()} of {self.length} bytes)"


def crc(name: str, data: Buffer) -> int:
    """CRC of `data` in one go."""
    running = Crc(name)
    running.update(data)
    return running.value


def combine(algorithm: str, parts: Iterable[tuple[int, int]]) -> int:
    """CRC of the whole from (CRC, length in bytes) of its parts, in the order in which they lie in the object."""
    join = _combine_function(algorithm)
    whole = 0
    for value, length in parts:
        whole = join(whole, value, length)
    return whole


def encode(algorithm: str, value: int) -> str:
    """`value` as S3 writes it in x-amz-checksum-*: big-endian, base64."""
    return base64.b64encode(value.to_bytes(CRC_WIDTHS[algorithm], "big")).decode("ascii")


def decode(algorithm: str, text: str) -> int | None:
    """The value of x-amz-checksum-*: of a CRC; None where `text` is none (hostile or of another type)."""
    raw = decode_base64(text, CRC_WIDTHS[algorithm])
    return None if raw is None else int.from_bytes(raw, "big")


def decode_base64(text: str, size: int) -> bytes | None:
    """The `size` bytes of which `text` is the base64 form; None if it is not."""
    try:
        raw = base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if len(raw) == size else None


class Hasher(Protocol):
    """The interface that `hashlib` objects and `Crc` have in common."""

    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def hasher(name: str) -> Hasher:
    """A running digest by name, upper case and hyphens allowed ('SHA-256'). Raises `InvalidChecksumAlgorithm`."""
    wanted = name.strip().lower()
    # Upper case, '-' and '_' are ways to write one name: 'SHA-256', 'sha3-256', 'CRC64-NVME'.
    for own in known():
        if wanted.replace("-", "").replace("_", "") == own.replace("_", ""):
            # These digests find damage, they protect no secret: so a FIPS build of OpenSSL must not refuse md5.
            return Crc(own) if own in CRC_WIDTHS else hashlib.new(own, usedforsecurity=False)
    for other in hashlib.algorithms_available:  # what else this OpenSSL has, as in S3AM 2
        if wanted == other.lower():
            try:
                found = hashlib.new(other, usedforsecurity=False)
            except ValueError:  # listed, but switched off
                break
            if found.digest_size:
                return found
    raise InvalidChecksumAlgorithm(f"checksum {name[:40]!r} is not known: use one of {', '.join(known())}")


def multipart_etag(digests: Iterable[bytes]) -> str:
    """ETag (without quotes) that S3 gives to a multipart upload of parts with these MD5 digests: 'hex-N'.

    Holds for objects without SSE-KMS, SSE-C and DSSE; S3 API, "Object" data type, ETag.
    """
    parts = list(digests)
    return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"


def etag_parts(etag: str) -> int | None:
    """Number of parts that a multipart ETag (quoted or not) names; None if it is not a multipart ETag."""
    digest, dash, count = etag.strip().strip('"').rpartition("-")
    if not dash or len(digest) != 32 or not count.isascii() or not count.isdigit() or not 1 <= len(count) <= 5:
        return None
    if not set(digest) <= set("0123456789abcdefABCDEF"):
        return None
    return int(count) or None
