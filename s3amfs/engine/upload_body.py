"""The body of a part that is sent: it hashes the bytes as they pass, frames them, and judges the reply.

Two ways to let the server check a part: a checksum trailer in the same request (aws-chunked, one chunk, so that the
encoded length is known beforehand), or the MD5 that comes back as the part's ETag. `PartChecks` says which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from ..core.capabilities import DOUBT, NO_ECHO
from ..core.checksums import Crc
from ..core.claims import Compared
from ..core.define import define
from ..core.failures import Failure, Kind
from ..wire.curl.streams import PAUSE
from ..wire.messages import Reply
from ..wire.s3 import aws_chunked
from ..wire.s3.api import bare_etag
from .attempt import PartResult
from .part_problem import PartProblem

TOGETHER = 32 * 1024
"""Bytes of a body that leaves with its framing in as few pieces as libcurl has room for."""


@define(frozen=True, slots=True)
class PartChecks:
    """How the parts of one transfer are checked."""

    trailer: str | None = "crc64nvme"
    """Algorithm of the trailer; None: no trailer."""
    compare_etag: bool = False
    """The reply's ETag is compared with the MD5 of the part. Not with SSE-C or SSE-KMS, where it is another thing."""
    etag_known: bool = False
    """The server's ETags are known to be MD5s: then a difference is damage, else only a doubt (`DOUBT`)."""
    crc: str | None = "crc64nvme"
    """Checksum to take of the bytes as they pass, for the journal and the whole object."""
    digest: bool = False
    """Content-MD5 goes before the bytes."""


class InnerReader(Protocol):
    def read(self, size: int) -> bytes | object: ...

    def rewind(self) -> bool: ...


class UploadBody:
    """A part's bytes from `inner`, hashed, framed and counted; implements operation.PartBody."""

    def __init__(self, inner: InnerReader, number: int, length: int, checks: PartChecks) -> None:
        self._inner = inner
        self._number = number
        self._length = length
        self._checks = checks
        self.rewound = False
        """curl sent it again on another connection, so an earlier request may have been executed."""
        self._reset()

    def _reset(self) -> None:
        self.moved = 0
        self._crc = Crc(self._checks.crc) if self._checks.crc else None
        self._md5 = hashlib.md5(usedforsecurity=False) if self._checks.compare_etag else None
        self._head = aws_chunked.prefix(self._length) if self._checks.trailer else b""
        self._tail: bytes | None = None if self._checks.trailer else b""

    def read(self, size: int) -> bytes | object:
        """The next bytes, at most `size`; a small body with its framing at once, for each piece is a packet."""
        if self._length > TOGETHER:
            return self._next(size)
        if self._tail == b"" and self.moved == self._length:
            return b""
        piece = self._next(size)
        if not isinstance(piece, bytes):
            return piece
        pieces = [piece]
        while piece and (size := size - len(piece)) > 0:
            piece = self._next(size)
            if not isinstance(piece, bytes):
                break
            pieces.append(piece)
        return b"".join(pieces)

    def _next(self, size: int) -> bytes | object:
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        if self.moved < self._length:
            data = self._inner.read(min(size, self._length - self.moved))
            if data is PAUSE:
                return PAUSE
            assert isinstance(data, bytes)
            if not data:
                raise PartProblem(Failure(Kind.CHANGED, "the source became shorter while it was read"))
            self.moved += len(data)
            if self.moved == self._length:
                # Before the last byte leaves: what the server has not whole it does not store.
                check = getattr(self._inner, "finish", None)
                if check is not None:
                    check()
            if self._crc is not None:
                self._crc.update(data)
            if self._md5 is not None:
                self._md5.update(data)
            return data
        if self._tail is None:
            assert self._crc is not None and self._checks.trailer is not None
            self._tail = aws_chunked.suffix(self._length, self._checks.trailer, self._crc.base64)
        tail, self._tail = self._tail[:size], self._tail[size:]
        return tail

    def rewind(self) -> bool:
        if self._length and not self._inner.rewind():
            return False
        self.rewound = True
        self._reset()
        return True

    def finish(self, reply: Reply) -> PartResult:
        if self.moved < self._length:
            raise PartProblem(Failure(Kind.NETWORK, "the server answered before it had the whole part"))
        etag = bare_etag(reply.headers.get("etag", ""))
        compared = self._compare(reply, etag)
        name = f"x-amz-checksum-{self._checks.trailer}" if self._checks.trailer else ""
        return PartResult(
            self._number,
            self._length,
            etag=etag,
            crc=self._crc.value if self._crc is not None else None,
            checksum=reply.headers.get(name, "") if name else "",
            compared=compared,
        )

    @property
    def crc_name(self) -> str:
        """Which CRC is taken; '' where none is."""
        return self._checks.crc or ""

    @property
    def crc_of_all(self) -> int | None:
        """CRC of the part once all of it was sent; None before, and where none is taken."""
        return self._crc.value if self._crc is not None and self.moved == self._length else None

    def matches(self, etag: str, checksums: Mapping[str, str]) -> bool:
        """Whether an object with this ETag and these checksums is what was sent; False where that is unknown."""
        if self.moved < self._length:
            return False
        if self._crc is not None and self._crc.name in checksums:
            return checksums[self._crc.name] == self._crc.base64
        return self._md5 is not None and etag == self._md5.hexdigest()

    def _compare(self, reply: Reply, etag: str) -> Compared:
        """How the reply proves that the server has what was sent. Raises PartProblem where it proves the contrary."""
        if self._checks.trailer is not None:
            assert self._crc is not None
            stored = reply.headers.get(f"x-amz-checksum-{self._checks.trailer}")
            if stored is None:
                raise PartProblem(Failure(Kind.UNSUPPORTED, "the server does not know checksum trailers", code=NO_ECHO))
            if stored != self._crc.base64:
                raise PartProblem(Failure(Kind.CORRUPT, "the server stored other bytes than were sent"))
            return Compared.CHECKSUM
        if self._md5 is not None and etag_is_md5(etag, reply.headers):
            if etag != self._md5.hexdigest():
                kind = Kind.CORRUPT if self._checks.etag_known else Kind.FATAL
                message = f"the server's ETag {etag} is not the MD5 of what was sent"
                raise PartProblem(Failure(kind, message, code=DOUBT))
            return Compared.ETAG
        return Compared.DIGEST if self._checks.digest else Compared.NOTHING


def etag_is_md5(etag: str, headers: dict[str, str]) -> bool:
    """Whether the ETag of a part or simple object is its MD5 (S3 API, "Object": not under SSE-C or SSE-KMS)."""
    if "x-amz-server-side-encryption-customer-algorithm" in headers:
        return False
    if headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
        return False
    return looks_like_md5(etag)


def looks_like_md5(etag: str) -> bool:
    """Whether an ETag has the form of an MD5: 32 hex digits in lower case."""
    return len(etag) == 32 and all(c in "0123456789abcdef" for c in etag)
