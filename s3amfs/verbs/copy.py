"""`copy`: from S3 to S3 without a byte through the client. One CopyObject where that is quicker, else parallel parts.

Content headers, user metadata and tags are kept unless the options say otherwise. Where the server can't copy (some
know no UploadPartCopy under customer keys) `upload` relays the bytes through this machine, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core.events import TransferResult
from ..core.locations import S3Location
from ..core.parts import MAX_SINGLE, Plan, copy_part_size
from ..core.sizes import MIB, format_size
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.targets import MultipartTarget
from ..errors import ObjectExists, SourceChanged, Unsupported, UsageError
from ..transfers.copy_object import Original, algorithm_of, copy_object, warn_of_lost
from ..transfers.job import Job
from ..transfers.multipart import Begun
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import part_size_of
from ..transfers.s3_source import identity_of, look_at_source
from ..transfers.send_parts import Content, Copied, Movement, SendParts, WholeCrc
from ..transfers.speed import Speed
from ..transfers.target import changes_headers, skips_existing, with_kept
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
    info = look_at_source(client, source, options)
    if (source.bucket, source.key) == (target.bucket, target.key) and source.version_id is None:
        _check_onto_itself(source, options)
        if info.version_id is not None:
            _warn_of_versions(source, info, client, report)
        if options.expects.kind == "whatever":
            options = replace(options, expected=info.expected)  # of what it replaces it has all but what is changed
    if options.expect:
        raise UsageError("--expect-… needs the bytes, which a copy inside S3 never sees: use 's3am verify --against'")
    warn_of_lost(client, source, info, report.warn, in_parts=False)
    try:
        return _Copy(source, info, Job(client, target, options, report, gate)).run()
    except ObjectExists:
        if options.exists != "skip":
            raise
        return report.result(size=None, skipped=True)  # another writer was faster, or what is there can't be seen


def _check_onto_itself(source: S3Location, options: UploadOptions) -> None:
    if options.object == s3api.ObjectOptions() and options.source_key is None:
        raise UsageError(f"{source.url} is both source and target: give other metadata, another class or another key")


def _warn_of_versions(source: S3Location, info: s3api.ObjectInfo, client: S3Client, report: Report) -> None:
    """Metadata can't be changed in place: a bucket that keeps versions keeps the object once more for each change."""
    name, warned = f"versions of {source.bucket}", client.session.capabilities(source.bucket).warned
    if name not in warned:
        warned.add(name)
        report.warn(
            f"bucket {source.bucket} keeps versions: each change of metadata stores the object once more "
            f"({format_size(info.size)} for {source.url})"
        )


class _Copy:
    """One run of `copy`, after a look at its source."""

    def __init__(self, source: S3Location, info: s3api.ObjectInfo, job: Job) -> None:
        wanted = job.options.part_size
        self._single = info.size <= (SINGLE_BYTES if wanted is None else min(wanted, MAX_SINGLE))
        """Whether one CopyObject does; it keeps headers and tags by itself, whatever they are and who may read them."""
        self._replaces = (
            changes_headers(job.options.object)
            or info.website_redirect is not None
            or not job.options.copy_metadata  # even if nothing is given in its place
        )
        options = with_kept(job.client, source, info, job.options, tags=not self._single)
        self._job = replace(job, options=options)
        self._location = source
        self._info = info
        self._client = job.client
        self._target = job.target
        self._options = options
        self._report = job.report
        self._source = s3api.CopySource(
            source.bucket,
            source.key,
            version_id=source.version_id,
            if_match=info.strong_etag,
            customer_key=options.source_key,
        )
        self._original = Original(source, info, self._source)

    def run(self) -> TransferResult:
        size = self._info.size
        if self._options.dry_run:
            parts = 1 if self._single else len(Plan(size, copy_part_size(size, self._options.part_size)))
            return self._report.result(size=size, parts=parts, dry_run=True)
        sending = SendParts(self._job, self._content())
        try:
            begun = sending.find()
            if begun is None and self._single:
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
            copied=Copied(self._location.url, self._info.size, self._info.checksums),
            algorithm=algorithm_of(self._info),
            check=self._check_source,
        )

    def _move(self, target: MultipartTarget) -> Move:
        return lambda part, attempt: target.copy(part, self._source)

    def _copy_object(self) -> TransferResult:
        size = self._info.size
        self._report.started(size, size, 1)
        stored = copy_object(self._job, self._original, replace_metadata=self._replaces)
        self._report.count_copied(size, in_parts=False)
        proof = self._original.prove(self._job, stored, stored.checksums)
        return self._result(stored, 1, _named(stored.checksums), proof)

    def _copy_parts(self, sending: SendParts, begun: Begun | None) -> TransferResult:
        size = self._info.size
        warn_of_lost(self._client, self._location, self._info, self._report.warn, in_parts=True)
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
        proof = self._original.prove(self._job, done.stored, {name: value} if value else done.stored.checksums)
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
            raise SourceChanged(f"{self._location.url} changed while it was copied: use --force to start over")

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
