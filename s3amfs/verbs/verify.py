"""`verify`: the checksum of an object's content, and the proof that object and file (or URL) are equal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from ..core.checksums import combine, etag_parts, hasher, multipart_etag
from ..core.define import define
from ..core.events import BytesMoved
from ..core.locations import Location, S3Location
from ..core.parts import Part, Plan
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.url_source import UrlStream
from ..errors import ChecksumMismatch, UsageError
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader
from ..transfers.options import UploadOptions
from ..transfers.proof import Stored, part_sizes, parts_of, stored_of
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.s3_source import S3Source
from ..transfers.source import RangedUpload, UploadSource, open_source
from ..wire.s3 import api as s3api

READ_BYTES = 1024 * 1024
RANGE_BYTES = 8 * 1024 * 1024


@define(frozen=True, slots=True)
class Proof:
    """That two contents are equal."""

    text: str
    """The comparison that was made."""
    size: int


def verify(
    source: S3Location,
    client: S3Client,
    *,
    checksum: str = "md5",
    customer_key: CustomerKey | None = None,
    on_event: OnEvent = ignore,
) -> str:
    """The digest, in hex, of the bytes that S3 has, read in parallel ranges.

    Raises InvalidChecksumAlgorithm, NotFound, SourceChanged, TransferError; ChecksumMismatch if what came is not what
    S3 stores a checksum of.
    """
    running = hasher(checksum)
    info = client.head(source.bucket, source.key, version_id=source.version_id, customer_key=customer_key)
    reader = ObjectReader(Pinned(client, source, info, customer_key))
    done = 0
    try:
        while data := reader.pread(done, READ_BYTES):
            running.update(data)
            done += len(data)
            on_event(BytesMoved(done, info.size))
    finally:
        reader.close()
    return running.hexdigest()


def verify_against(
    source: S3Location,
    other: Location,
    client: S3Client,
    *,
    customer_key: CustomerKey | None = None,
    verify_tls: bool | str = True,
    on_event: OnEvent = ignore,
) -> Proof:
    """Proves that `source` and `other` have the same bytes; S3's are not downloaded where it stores a checksum.

    Raises ChecksumMismatch if they differ, SourceChanged if `other` changes meanwhile, UsageError where it can't be
    read twice.
    """
    info = client.head(source.bucket, source.key, version_id=source.version_id, customer_key=customer_key)
    report = Report("verify", source.url, str(other), on_event)
    options = UploadOptions(verify_tls=verify_tls)
    opened = open_source(other, client, options, source_client=client, report=report)
    try:
        if opened.size is not None and opened.size != info.size:
            raise ChecksumMismatch(
                f"{source.url} has {info.size} bytes and {other} has {opened.size}: they are not the same"
            )
        return _Comparison(source, info, opened, str(other), client, customer_key, report).run()
    finally:
        opened.close()


class _Comparison:
    def __init__(
        self,
        source: S3Location,
        info: s3api.ObjectInfo,
        other: UploadSource,
        other_name: str,
        client: S3Client,
        customer_key: CustomerKey | None,
        report: Report,
    ) -> None:
        self._source = source
        self._info = info
        self._other = other
        self._other_name = other_name
        self._client = client
        self._key = customer_key
        self._report = report

    def run(self) -> Proof:
        stored = stored_of(self._info)
        if not self._other.ranged:
            return self._by_stream(stored)
        if stored.crc_name is not None:
            crc = self._crc_of(self._other, stored.crc_name)
            return self._judge(crc == stored.crc, stored.text)
        if stored.etag:
            sizes = self._sizes(stored)
            if sizes is not None:
                equal = self._etag_of(sizes, stored.etag) == stored.etag
                if equal or self._etag_is_md5:
                    return self._judge(equal, stored.text)
        ranges = S3Source(self._client, self._source, self._info, UploadOptions(source_key=self._key))
        endpoint = self._client.endpoint(self._source.bucket)
        mine = RangedUpload(ranges, self._no_stream, None, endpoint=endpoint, clients=(self._client,))
        equal = self._crc_of(mine, "crc64nvme") == self._crc_of(self._other, "crc64nvme")
        return self._judge(equal, "crc64nvme of both, the object downloaded for that")

    def _no_stream(self) -> UrlStream:
        raise UsageError("not read as a stream")

    def _sizes(self, stored: Stored) -> list[int] | None:
        if etag_parts(stored.etag) is None:
            return [self._info.size]
        return part_sizes(self._client, self._source.bucket, self._source.key, self._info, self._key)

    def _crc_of(self, opened: UploadSource, name: str) -> int:
        plan = Plan(self._info.size, RANGE_BYTES)
        hashes = self._hashes(opened, plan, name)
        return combine(name, [(hashes[part.number][0], part.length) for part in plan if part.length])

    def _etag_of(self, sizes: list[int], etag: str) -> str:
        parts = parts_of(sizes)
        hashes = self._hashes(self._other, parts, "crc64nvme")
        digests = [bytes.fromhex(hashes[part.number][1]) for part in parts if part.length]
        if not digests:
            digests = [hashlib.md5(b"", usedforsecurity=False).digest()]
        return multipart_etag(digests) if "-" in etag else digests[0].hex()

    def _hashes(self, opened: UploadSource, parts: Iterable[Part], name: str) -> dict[int, tuple[int, str]]:
        wanted = [part for part in parts if part.length]
        return opened.hashes(wanted, name, self._client, self._report) if wanted else {}

    def _by_stream(self, stored: Stored) -> Proof:
        """`other` can be read once, from beginning to end."""
        if stored.crc_name is None and etag_parts(stored.etag) is not None:
            raise UsageError(f"{self._other_name} can be read only once, which is not enough here: save it to a file")
        name = stored.crc_name or "md5"
        running = hasher(name)
        stream = self._other.stream()
        size = 0
        while data := stream.read(READ_BYTES):
            running.update(data)
            size += len(data)
        expected = stored.etag
        if stored.crc_name is not None and stored.crc is not None:
            expected = f"{stored.crc:0{len(running.hexdigest())}x}"
        proof = stored.text
        if not expected or (expected != running.hexdigest() and stored.crc_name is None and not self._etag_is_md5):
            expected = verify(self._source, self._client, checksum=name, customer_key=self._key)
            proof = f"{name} of both, the object downloaded for that"
        return self._judge(size == self._info.size and running.hexdigest() == expected, proof)

    @property
    def _etag_is_md5(self) -> bool:
        """Whether ETags of this server are known to be MD5s: else one that differs says nothing."""
        return self._client.session.capabilities(self._source.bucket).etag_md5 is True

    def _judge(self, equal: bool, proof: str) -> Proof:
        self._other.check()  # what changed while it was read is neither the one nor the other
        if not equal:
            raise ChecksumMismatch(
                f"{self._source.url} and {self._other_name} differ: their checksums are not the same"
            )
        return Proof(proof, self._info.size)
