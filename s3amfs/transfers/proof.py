"""Proves that bytes are those of an object, from what S3 stores about it: a CRC of the whole, or an ETag made of MD5s.

`Stored` is what there is to compare with. Reading the other side is the caller's; S3 is asked for part sizes only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol

from ..core.checksums import CRC_WIDTHS, combine, decode, etag_parts, multipart_etag
from ..core.define import define
from ..core.locations import S3Location
from ..core.parts import Part
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.file_io import hash_range
from ..engine.upload_body import looks_like_md5
from ..errors import ChecksumMismatch, Unsupported
from ..wire.aws.capabilities import Capabilities
from ..wire.s3 import api as s3api
from .options import ChecksumChoice
from .report import Report


@define(frozen=True, slots=True)
class Stored:
    """Checksums and ETag that S3 stores for an object's content."""

    crc_name: str | None
    """'crc64nvme', 'crc32c' or 'crc32' of the whole; None: there is none."""
    crc: int | None
    etag: str
    """MD5 or 'MD5-N'; '' where the ETag is neither."""

    @property
    def text(self) -> str:
        if self.crc_name is not None:
            return f"{self.crc_name} of the whole object, as S3 stores it"
        return "ETag, recomputed from the MD5 of its parts" if "-" in self.etag else "ETag, which is the MD5"


def stored_of(info: s3api.ObjectInfo) -> Stored:
    """Returns the checksums and ETag of `info` that a comparison can use."""
    if (info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT":
        for name in CRC_WIDTHS:
            crc = decode(name, info.checksums.get(name, ""))
            if crc is not None:
                return Stored(name, crc, "")
    encrypted = info.customer_key_md5 is not None or (info.sse or "").startswith("aws:kms")
    plain = not encrypted and (looks_like_md5(info.etag) or etag_parts(info.etag) is not None)
    return Stored(None, None, info.etag if plain else "")


def chosen(info: s3api.ObjectInfo, choice: ChecksumChoice | None, url: str) -> Stored:
    """Returns the checksum or ETag that bytes of the object at `url` are compared with.

    choice: the user's; None: whatever S3 stores. Raises Unsupported where S3 stores no such checksum of it.
    """
    found = stored_of(info)
    if choice is None:
        return found
    if choice == "none":
        return Stored(None, None, "")
    if choice == "md5":
        found = stored_of(replace(info, checksums={}))
        if found.etag:
            return found
    else:
        crc = decode(choice, info.checksums.get(choice, ""))
        if crc is not None and (info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT":
            return Stored(choice, crc, "")
    raise Unsupported(f"{url}: S3 stores no {choice} of it to compare with: leave --checksum out")


BY_VERSION = "size, and the object's ETag at every request"
"""The proof where S3 stores nothing that the bytes could be compared with."""


@define(frozen=True, slots=True)
class FileProof:
    """Compares a file with the object at `location`, by what S3 stores of it."""

    client: S3Client
    location: S3Location
    info: s3api.ObjectInfo
    stored: Stored
    customer_key: CustomerKey | None = None
    threads: int = 1
    """That read the file where its MD5s are needed."""

    @property
    def _can(self) -> Capabilities:
        return self.client.session.capabilities(self.location.bucket)

    def prove(self, fd: int, size: int, whole: Callable[[], int]) -> str | None:
        """Returns the proof that the file `fd` of `size` bytes is the object; None: it is not, or another ETag is all
        that speaks against it (`came_alike`). whole: returns the file's CRC, the one that `stored` names."""
        if self.stored.crc is not None:
            return self.stored.text if whole() == self.stored.crc else None
        if not self.stored.etag or self._can.etag_md5 is False:
            return BY_VERSION
        sizes: list[int] | None = [size]
        if "-" in self.stored.etag:
            sizes = part_sizes(self.client, self.location.bucket, self.location.key, self.info, self.customer_key)
        if sizes is None:
            return BY_VERSION
        if not matching_etag(self.stored.etag, sizes, partial(self._md5s, fd)):
            return None
        self._can.etag_md5 = True
        return self.stored.text

    def came_alike(self, report: Report) -> str | None:
        """The proof of bytes that came alike twice, where only the ETag speaks against them: no proof of damage, unless
        this server's ETags are known to be MD5s (then None)."""
        if self.stored.crc is not None or self._can.etag_md5:
            return None
        self._can.etag_md5 = False
        report.warn(
            f"the ETag of {self.location.url} is not the MD5 of its bytes, which two reads agree on: it is not compared"
        )
        return BY_VERSION

    def _md5s(self, fd: int, parts: list[Part]) -> list[bytes]:
        def md5(part: Part) -> bytes:
            running = hashlib.md5(usedforsecurity=False)
            hash_range(fd, part.offset, part.end, running.update)
            return running.digest()

        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(md5, parts))


RANGES_KEPT = 4096


class TakesCrcs(Protocol):
    """Receives the CRC of each range that arrives."""

    crc_name: str | None
    """Which one; None: no CRCs are wanted."""

    def add(self, start: int, length: int, crc: int) -> None: ...


class ReadProof:
    """The CRCs of ranges that were read, until they make up the object: they must combine to what S3 stores of it.

    S3 sends no checksum of a range, so a part of an object is only as good as its connection; TLS finds every change.
    """

    def __init__(self, info: s3api.ObjectInfo, what: str) -> None:
        stored = stored_of(info)
        self.crc_name = stored.crc_name
        """Which CRC the ranges need; None: there is nothing to compare with."""
        self._expected = stored.crc
        self._size = info.size
        self._what = what
        self._begin()

    def _begin(self) -> None:
        self._at = self._crc = 0
        self._waiting: dict[int, tuple[int, int]] = {}

    def add(self, start: int, length: int, crc: int) -> None:
        """A range was read. Raises ChecksumMismatch when it completes an object that is not what it should be."""
        if self.crc_name is None or start < self._at or len(self._waiting) >= RANGES_KEPT:
            return
        self._waiting[start] = (length, crc)
        while (found := self._waiting.pop(self._at, None)) is not None:
            length, crc = found
            self._crc = combine(self.crc_name, [(self._crc, self._at), (crc, length)])
            self._at += length
        if self._at == self._size:
            same = self._crc == self._expected
            self._begin()
            if not same:
                raise ChecksumMismatch(
                    f"{self._what}: the bytes that arrived are not those that are stored (its {self.crc_name} "
                    "differs): read it again"
                )


def part_sizes(
    client: S3Client,
    bucket: str,
    key: str,
    info: s3api.ObjectInfo,
    customer_key: CustomerKey | None = None,
) -> list[int] | None:
    """Sizes in bytes of the parts that a multipart ETag was made of; None if they are unknown.

    Asks for part 1, then guesses that all are alike; `matching_etag` proves the guess right.
    """
    count = etag_parts(info.etag)
    if count is None:
        return None
    if count == 1:
        return [info.size]
    first = _part_length(client, bucket, key, 1, version_id=info.version_id, customer_key=customer_key)
    if first is None or first >= info.size:
        return None
    if -(-info.size // first) == count:
        return [min(first, info.size - offset) for offset in range(0, info.size, first)]
    sizes: list[int] = []
    for number in range(1, count + 1):
        length = _part_length(client, bucket, key, number, version_id=info.version_id, customer_key=customer_key)
        if length is None:
            return None
        sizes.append(length)
    return sizes if sum(sizes) == info.size else None


def _part_length(
    client: S3Client, bucket: str, key: str, number: int, *, version_id: str | None, customer_key: CustomerKey | None
) -> int | None:
    """Bytes of one part of a multipart object; None where the server doesn't say."""
    request = s3api.head_object(bucket, key, version_id=version_id, part_number=number, customer_key=customer_key)
    reply, failure = client.attempt(request)
    if failure is not None or reply.status != 206:
        return None
    length = reply.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def parts_of(sizes: list[int]) -> list[Part]:
    """Returns adjacent parts of these sizes in bytes, the first at offset 0."""
    parts: list[Part] = []
    at = 0
    for number, size in enumerate(sizes, start=1):
        parts.append(Part(number, at, size))
        at += size
    return parts


def matching_etag(etag: str, sizes: list[int], md5_of: Callable[[list[Part]], list[bytes]]) -> bool:
    """Whether bytes, whose MD5s of parts `md5_of` reads, have `etag`."""
    digests = md5_of(parts_of(sizes))
    return multipart_etag(digests) == etag if "-" in etag else digests[0].hex() == etag
