"""`copy`: from S3 to S3 without a byte through the client. One CopyObject where that is quicker, else parallel parts.

Content headers, user metadata and tags are kept unless the options say otherwise. Where the server can't copy (some
know no UploadPartCopy under customer keys) `upload` relays the bytes through this machine, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.events import TransferResult
from ..core.failures import Kind
from ..core.locations import S3Location
from ..core.parts import MAX_SINGLE, Plan, copy_part_size
from ..core.sizes import MIB
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.targets import MultipartTarget
from ..errors import ChecksumMismatch, SourceChanged, Unsupported, UsageError
from ..transfers.job import Job
from ..transfers.multipart import Begun
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import part_size_of
from ..transfers.send_parts import Content, Movement, SendParts, WholeCrc
from ..transfers.source import identity_of
from ..transfers.speed import Speed
from ..transfers.target import skips_existing, with_kept
from ..wire.failures import to_error
from ..wire.s3 import api as s3api

SINGLE_BYTES = 128 * MIB
"""Up to this one CopyObject is quicker than create, parts and complete."""


def copy(
    source: S3Location,
    target: S3Location,
    client: S3Client,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> TransferResult:
    """Copies inside one S3 service. Raises what the contract's exit codes name; parts stay for resumption.

    Raises Unsupported where the server can't copy this object by itself: `upload` then relays it.
    """
    report = Report("copy", source.url, target.url, on_event)
    if skips_existing(client, target, options):
        return report.result(size=None, skipped=True)
    info = client.head(source.bucket, source.key, version_id=source.version_id, customer_key=options.source_key)
    if (source.bucket, source.key) == (target.bucket, target.key) and source.version_id is None:
        _check_onto_itself(source, options)
    if options.expect:
        raise UsageError("--expect-… needs the bytes, which a copy inside S3 never sees: use 's3am verify --against'")
    return _Copy(source, info, Job(client, target, with_kept(client, source, info, options), report, gate)).run()


def _check_onto_itself(source: S3Location, options: UploadOptions) -> None:
    if options.object == s3api.ObjectOptions() and options.source_key is None:
        raise UsageError(f"{source.url} is source and target: give other metadata, another class or another key")


class _Copy:
    """One run of `copy`, after a look at its source."""

    def __init__(self, source: S3Location, info: s3api.ObjectInfo, job: Job) -> None:
        self._location = source
        self._info = info
        self._job = job
        self._client = job.client
        self._target = job.target
        self._options = job.options
        self._report = job.report
        self._source = s3api.CopySource(
            source.bucket,
            source.key,
            version_id=source.version_id,
            if_match=info.strong_etag,
            customer_key=job.options.source_key,
        )

    def run(self) -> TransferResult:
        size = self._info.size
        wanted = self._options.part_size
        single = size <= (SINGLE_BYTES if wanted is None else min(wanted, MAX_SINGLE))
        if self._options.dry_run:
            parts = 1 if single else len(Plan(size, copy_part_size(size, wanted)))
            return self._report.result(size=size, parts=parts, dry_run=True)
        sending = SendParts(self._job, self._content())
        try:
            begun = sending.find()
            if begun is None and single:
                return self._copy_object()
            return self._copy_parts(sending, begun)
        finally:
            sending.leave()

    def _content(self) -> Content:
        speed = Speed(slots=self._options.upload_slots, direction="copy", bucket=self._target.bucket)
        return Content(
            "copy",
            identity_of(self._location, self._info),
            f"copy of {self._location.url}",
            Movement(self._move, speed),
            copied_from=self._location.url,
            check=self._check_source,
        )

    def _move(self, target: MultipartTarget) -> Move:
        return lambda part, attempt: target.copy(part, self._source)

    def _copy_object(self) -> TransferResult:
        size = self._info.size
        self._report.started(size, size, 1)
        request = s3api.copy_object(
            self._target.bucket, self._target.key, self._source, self._options.object, replace_metadata=True
        )
        reply, failure = self._client.attempt(request)
        if failure is not None and failure.kind is Kind.CONDITION:
            raise to_error(replace(failure, kind=Kind.CHANGED), self._location.url)
        if failure is not None and failure.kind is Kind.FATAL and failure.status in (501, 405):
            raise Unsupported(failure.message)
        if failure is not None:
            raise to_error(failure, f"copy of {self._location.url}")
        stored = s3api.parse_copied(reply)
        proof = self._prove(stored.checksums, stored.etag)
        return self._result(stored, 1, _named(stored.checksums), proof)

    def _prove(self, checksums: Mapping[str, str], etag: str) -> str:
        """Compares what the copy has with what the source had. Raises ChecksumMismatch."""
        for name, value in self._info.checksums.items():
            if "-" in value or (self._info.checksum_type or "FULL_OBJECT") != "FULL_OBJECT" or name not in checksums:
                continue
            if checksums[name] != value:
                raise ChecksumMismatch(
                    f"{self._target.url}: the copy's {name} is not that of {self._location.url}: copy again"
                )
            return f"{name} of the whole object, equal to the source's"
        if etag and etag == self._info.etag:
            return "ETag equal to the source's"
        return "size, and the source's ETag at every request"

    def _copy_parts(self, sending: SendParts, begun: Begun | None) -> TransferResult:
        size = self._info.size
        taken_up = part_size_of(begun, size) if begun is not None else None
        plan = Plan(size, copy_part_size(size, self._options.part_size, taken_up=taken_up))
        if begun is not None:
            sending.take_up(plan, None)
        else:
            sending.begin(plan.part_size)
        self._report.started(size, plan.part_size, len(plan))
        try:
            done = sending.install(plan, size)
        except Unsupported:
            sending.abort()
            raise
        name, _, value = done.checksum.partition(":")
        proof = self._prove({name: value} if value else done.stored.checksums, done.stored.etag)
        return self._result(done.stored, len(plan), done.checksum, proof)

    def _check_source(self, crc: WholeCrc) -> None:
        """For servers that ignore x-amz-copy-source-if-match: the source is still what it was."""
        now = self._client.head(
            self._location.bucket,
            self._location.key,
            version_id=self._location.version_id,
            customer_key=self._options.source_key,
        )
        if now.etag != self._info.etag:
            raise SourceChanged(f"{self._location.url} changed while it was copied: use --force to start afresh")

    def _result(self, stored: s3api.StoredInfo, parts: int, checksum: str, proof: str) -> TransferResult:
        return self._report.result(
            size=self._info.size,
            parts=parts,
            etag=stored.etag,
            version_id=stored.version_id,
            checksum=checksum,
            proof=proof,
        )


def _named(checksums: Mapping[str, str]) -> str:
    return next((f"{name}:{value}" for name, value in checksums.items() if "-" not in value), "")
