"""CompleteMultipartUpload as a commit: parts become the object, on the condition that what is expected stands there."""

from __future__ import annotations

from dataclasses import replace

from ..core.capabilities import Evidence
from ..core.claims import Compared, claim, compared
from ..core.define import define
from ..core.expected import Expected
from ..core.failures import Kind
from ..core.manifest import PartRecord
from ..errors import AccessDenied, ChecksumMismatch, TransferError
from ..wire.messages import S3Request
from ..wire.s3 import api as s3api
from . import checksum_choice, unfinished
from .commit import Commit
from .job import Job


@define(frozen=True, slots=True)
class Parts:
    """The parts of one upload that are at the server, in order, and how they were checked."""

    upload: s3api.MultipartUpload
    records: list[PartRecord]
    checks: checksum_choice.Checking

    @property
    def size(self) -> int:
        return sum(record.length for record in self.records)

    @property
    def whole(self) -> str:
        """Base64 CRC of the whole; '' where it is not known."""
        name = self.checks.parts.crc
        return checksum_choice.whole_crc(self.records, name) if name else ""

    @property
    def declared(self) -> tuple[str, str] | None:
        """(algorithm, base64) of the whole, which the server compares with what it puts together."""
        algorithm = self.upload.checksum_algorithm
        return (algorithm, self.whole) if algorithm and algorithm == self.checks.parts.crc and self.whole else None

    @property
    def proof(self) -> str:
        """The comparison made for every part, as the result names it."""
        return claim([compared(record.compared) for record in self.records], self.checks.parts.crc)

    @property
    def are_equal(self) -> bool:
        """Whether all but the last have one length, and the last is not longer."""
        lengths = [record.length for record in self.records]
        return len(set(lengths[:-1])) < 2 and (len(lengths) < 2 or lengths[-1] <= lengths[0])


def complete(job: Job, parts: Parts) -> tuple[s3api.StoredInfo, str, str]:
    """Makes the object visible; returns what is stored, 'ALGORITHM:BASE64' of the whole and what is proven.

    An answer that was lost is made up for by looking. Raises ObjectExists or SourceChanged (another object stands there
    than expected: it stays), ChecksumMismatch (the server put together other bytes), TransferError.
    """
    stored = _send(job, parts)
    name, whole = parts.checks.parts.crc, parts.whole
    said = stored.checksums.get(name or "", "")
    full = (stored.checksum_type or "FULL_OBJECT") == "FULL_OBJECT" and "-" not in said
    if whole and said and full and said != whole:
        raise ChecksumMismatch(
            f"{job.target.url}: the server assembled other bytes than were sent (its {name} differs): "
            "remove the object and upload again"
        )
    same = whole and full and said == whole
    proof = claim([Compared.CHECKSUM], name, "the whole object") if same else parts.proof
    return stored, f"{name}:{whole}" if whole else "", proof


def _send(job: Job, parts: Parts) -> s3api.StoredInfo:
    upload, declared, key = parts.upload, parts.declared, job.options.object.customer_key
    listed = [
        s3api.PartInfo(r.number, r.length, r.etag, {declared[0]: r.checksum} if declared and r.checksum else {})
        for r in parts.records
    ]
    commit = Commit(job.client, job.target, job.options.expects, "complete", job.report.warn, customer_key=key)

    def build(condition: Expected) -> S3Request:
        return s3api.complete_multipart_upload(
            upload, listed, checksum=declared, size=parts.size, expected=condition, customer_key=key
        )

    reply, failure = commit.send(build)
    if failure is None:
        if not parts.are_equal:
            job.can.note("unequal_parts", Evidence.WORKED)
        stored = s3api.parse_copied(reply, may_lack_etag=True)
        stored = stored if stored.etag else _with_etag(job, parts, stored)
        commit.after(stored.etag)
        return stored
    # While our upload is there, the object that fails the condition is another one, be it equal or not.
    gone = failure.kind in (Kind.GONE, Kind.MISSING)
    if gone or (commit.is_lost(failure) and not unfinished.is_alive(job.client, upload)):
        found = _find_ours(job, parts)
        if found is not None:
            return found
    if failure.code == "InvalidPart" and not parts.are_equal:
        raise TransferError(
            f"{job.target.url}: {failure.message}: this server may want all parts equal: start again with --part-size "
            "and --force (what was sent has unequal parts)"
        )
    raise commit.error(failure, job.target.url)


def _with_etag(job: Job, parts: Parts, stored: s3api.StoredInfo) -> s3api.StoredInfo:
    """Ceph's gateway (16) answers Complete without an ETag: that of the object, else the one that the parts make."""
    try:
        found = _find_ours(job, parts)
    except AccessDenied:
        found = None
    return found or replace(stored, etag=checksum_choice.whole_etag([record.etag for record in parts.records]))


def _find_ours(job: Job, parts: Parts) -> s3api.StoredInfo | None:
    """The object if it is what these parts make: then an earlier Complete had succeeded and its answer was lost."""
    found = job.client.find(job.target.bucket, job.target.key, customer_key=job.options.object.customer_key)
    if found is None or not is_made_of(found, parts):
        return None
    return s3api.StoredInfo(found.etag, found.checksums, found.checksum_type, found.version_id)


def is_made_of(found: s3api.ObjectInfo, parts: Parts) -> bool:
    """Whether the object `found` is what `parts` make, by its size and its ETag or checksum."""
    if found.size != parts.size:
        return False
    expected = checksum_choice.whole_etag([record.etag for record in parts.records])
    if expected and found.etag == expected:
        return True
    declared, full = parts.declared, found.checksum_type in (None, "FULL_OBJECT")
    return declared is not None and full and found.checksums.get(declared[0], "") == declared[1]
