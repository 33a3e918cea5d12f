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
from ..core.parts import MAX_SINGLE, Part, Plan, copy_part_size
from ..core.sizes import MIB
from ..engine.attempt import PartWork
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.targets import MultipartTarget
from ..errors import ChecksumMismatch, S3AMError, SourceChanged, Unsupported, UsageError
from ..transfers import checksum_choice
from ..transfers.multipart import Begun, MultipartJob, open_journal
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import part_size_of, take_up
from ..transfers.source import identity_of
from ..transfers.speed import Speed, make_transfer, move_all
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
    return _Copy(source, info, target, client, with_kept(client, source, info, options), report, gate).run()


def _check_onto_itself(source: S3Location, options: UploadOptions) -> None:
    if options.object == s3api.ObjectOptions() and options.source_key is None:
        raise UsageError(f"{source.url} is source and target: give other metadata, another class or another key")


class _Copy:
    """One run of `copy`, after a look at its source."""

    def __init__(
        self,
        source: S3Location,
        info: s3api.ObjectInfo,
        target: S3Location,
        client: S3Client,
        options: UploadOptions,
        report: Report,
        gate: SlotGate | None,
    ) -> None:
        self._location = source
        self._info = info
        self._target = target
        self._client = client
        self._options = options
        self._report = report
        self._gate = gate
        self._source = s3api.CopySource(
            source.bucket,
            source.key,
            version_id=source.version_id,
            if_match=info.etag or None,
            customer_key=options.source_key,
        )

    def run(self) -> TransferResult:
        size = self._info.size
        wanted = self._options.part_size
        single = size <= (SINGLE_BYTES if wanted is None else min(wanted, MAX_SINGLE))
        if self._options.dry_run:
            parts = 1 if single else len(Plan(size, copy_part_size(size, wanted)))
            return self._report.result(size=size, parts=parts, dry_run=True)
        journal = open_journal(self._client, self._target, self._options, self._report)
        identity = identity_of(self._location, self._info)
        job = MultipartJob("copy", self._client, self._target, self._options, identity, journal, self._report)
        try:
            begun = job.find()
            if begun is None and single:
                return self._copy_object()
            return self._copy_parts(job, begun)
        finally:
            job.leave()

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

    def _copy_parts(self, job: MultipartJob, begun: Begun | None) -> TransferResult:
        size = self._info.size
        taken_up = part_size_of(begun, size) if begun is not None else None
        part_size = copy_part_size(size, self._options.part_size, taken_up=taken_up)
        plan = Plan(size, part_size)
        if begun is not None:
            take_up(job, begun, plan, None, self._target.url, self._report)
        self._report.started(size, part_size, len(plan))
        while True:
            if begun is None:
                begun = job.begin(part_size)
            try:
                self._move(job, begun, plan)
                break
            except checksum_choice.CopiedWithoutChecksum:
                job.abort_to_begin_again()
                begun = None
            except Unsupported:
                job.abort()
                raise
        self._check_source()
        stored, checksum, _ = job.complete(size)
        name, _, value = checksum.partition(":")
        proof = self._prove({name: value} if value else stored.checksums, stored.etag)
        return self._result(stored, len(plan), checksum, proof)

    def _move(self, job: MultipartJob, begun: Begun, plan: Plan) -> None:
        target = MultipartTarget(
            self._client.session, begun.upload, begun.checks.parts, self._options.object.customer_key
        )

        def move(part: Part, attempt: int) -> PartWork:
            return target.copy(part, self._source)

        transfer = make_transfer(
            self._client,
            move,
            f"copy of {self._location.url}",
            Speed(slots=self._options.upload_slots, direction="copy", bucket=self._target.bucket),
            self._report,
            on_part=job.record,
            gate=self._gate,
            total=plan.size,
            done_before=self._report.bytes_resumed,
        )
        done = frozenset(job.records)
        try:
            move_all(transfer, (part for part in plan if part.number not in done))
        except S3AMError:
            if transfer.failure is not None and transfer.failure.kind is Kind.CONDITION:
                raise to_error(replace(transfer.failure, kind=Kind.CHANGED), self._location.url) from None
            if not job.records:
                can = self._client.session.capabilities(self._target.bucket)
                checksum_choice.check_copied(transfer.failure, begun.checks, can)
            raise

    def _check_source(self) -> None:
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
