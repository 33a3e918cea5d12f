"""`upload`: any source into one S3 object, in parallel parts, resumable; docs/architecture.md shows the way."""

from __future__ import annotations

from typing import BinaryIO

from ..core.events import TransferResult
from ..core.locations import LocalPath, Location, S3Location
from ..core.parts import Plan, choose_part_size
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.targets import MultipartTarget
from ..errors import S3AMError, Unsupported
from ..objects.unpublished import is_spool, publish_left
from ..objects.writer import ObjectWriter
from ..transfers import checksum_choice, expected_digests
from ..transfers.multipart import Begun, MultipartJob, open_journal
from ..transfers.options import UploadOptions
from ..transfers.put_object import put_single
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import part_size_of, take_up
from ..transfers.source import UploadSource, open_source
from ..transfers.speed import Speed, make_transfer, move_all
from ..transfers.target import skips_existing, with_content_type
from .copy import copy


def upload(
    source: Location,
    target: S3Location,
    client: S3Client,
    options: UploadOptions,
    *,
    source_client: S3Client | None = None,
    stdin: BinaryIO | None = None,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> TransferResult:
    """Streams `source` into `target`.

    source_client: reads an s3:// source of another service or account, so that it is relayed; without it S3 copies.
    stdin: what `-` reads. on_event: called in this thread. gate: slots shared with other transfers.
    Raises what the contract's exit codes name; after a failure the parts stay, to be resumed.
    """
    if isinstance(source, S3Location) and source_client is None:
        try:
            return copy(source, target, client, options, on_event=on_event, gate=gate)
        except Unsupported as error:
            report = Report("copy", source.url, target.url, on_event)
            report.warn(f"the server can't copy this by itself ({error}): it is relayed through this machine")
            source_client = client
    if isinstance(source, LocalPath) and is_spool(source.path):
        return publish_left(source.path, target, client, options, on_event)
    report = Report("upload", str(source), target.url, on_event)
    if skips_existing(client, target, options):
        return report.result(size=None, skipped=True)
    opened = open_source(source, client, options, source_client=source_client, stdin=stdin, report=report)
    try:
        options = with_content_type(options, opened.content_type)
        return _Upload(opened, target, client, options, report, gate, source_client).run()
    finally:
        opened.close()


class _Upload:
    """One run of `upload`, after its source was opened."""

    def __init__(
        self,
        source: UploadSource,
        target: S3Location,
        client: S3Client,
        options: UploadOptions,
        report: Report,
        gate: SlotGate | None,
        source_client: S3Client | None,
    ) -> None:
        self._source = source
        self._target = target
        self._client = client
        self._options = options
        self._report = report
        self._gate = gate
        self._others = (source_client,) if source_client is not None else ()

    def run(self) -> TransferResult:
        source = self._source
        expects = expected_digests.Expectation(self._options.expect, source.digests, self._report)
        if not source.ranged or source.size is None or (expects.needs_order and source.remote):
            return self._run_stream(expects)
        if expects.needs_order:
            expects.hash(source.stream())
        if self._options.dry_run:
            part_size = choose_part_size(source.size, self._options.part_size)
            return self._report.result(size=source.size, parts=len(Plan(source.size, part_size)), dry_run=True)
        return self._run_ranged(source.size, expects)

    def _run_stream(self, expects: expected_digests.Expectation) -> TransferResult:
        if self._options.dry_run:
            return self._report.result(size=self._source.size, dry_run=True)
        writer = ObjectWriter(
            self._client,
            self._target.bucket,
            self._target.key,
            self._options,
            report=self._report,
            identity=self._source.identity,
            gate=self._gate,
        )
        try:
            writer.copy_from(expects.watching_all(self._source.stream()))
            self._source.check()
            expects.check(self._target.url)
            return writer.finish()
        except BaseException:
            writer.abort(keep=True)
            raise

    def _run_ranged(self, size: int, expects: expected_digests.Expectation) -> TransferResult:
        journal = open_journal(self._client, self._target, self._options, self._report)
        job = MultipartJob(
            "upload", self._client, self._target, self._options, self._source.identity, journal, self._report
        )
        try:
            begun = job.find()
            if begun is None and len(Plan(size, choose_part_size(size, self._options.part_size))) == 1:
                return self._run_single(size, expects)
            return self._run_parts(job, begun, size, expects)
        finally:
            job.leave()

    def _run_single(self, size: int, expects: expected_digests.Expectation) -> TransferResult:
        self._report.started(size, size, 1)
        expects.check(self._target.url)
        stored, checksum, proof = put_single(
            self._client,
            self._target,
            self._options,
            size,
            self._source.move,
            self._report,
            others=self._others,
            gate=self._gate,
        )
        self._source.check()
        return self._report.result(
            size=size, parts=1, etag=stored.etag, version_id=stored.version_id, checksum=checksum, proof=proof
        )

    def _run_parts(
        self, job: MultipartJob, begun: Begun | None, size: int, expects: expected_digests.Expectation
    ) -> TransferResult:
        taken_up = part_size_of(begun, size) if begun is not None else None
        part_size = choose_part_size(size, self._options.part_size, taken_up=taken_up)
        plan = Plan(size, part_size)
        if begun is not None:
            take_up(job, begun, plan, self._hashes, self._target.url, self._report)
        self._report.started(size, part_size, len(plan))
        while True:
            if begun is None:
                begun = job.begin(part_size)
            try:
                self._move(job, begun, plan)
                break
            except _NoTrailers:
                self._report.warn("the server takes no checksum trailers: parts are checked by their ETags")
                job.abort_to_begin_again()
                begun = None
        self._source.check()
        expects.check(self._target.url)
        expects.check_whole(job.whole_crc(), self._target.url)
        stored, checksum, proof = job.complete(size)
        return self._report.result(
            size=size,
            parts=len(plan),
            etag=stored.etag,
            version_id=stored.version_id,
            checksum=checksum,
            proof=proof,
        )

    def _move(self, job: MultipartJob, begun: Begun, plan: Plan) -> None:
        target = MultipartTarget(
            self._client.session, begun.upload, begun.checks.parts, self._options.object.customer_key
        )
        slots = self._options.slots if self._source.remote else self._options.upload_slots
        speed = Speed(
            slots=slots,
            bwlimit=self._options.bwlimit,
            bucket=self._target.bucket,
            source=self._source.endpoint,
        )
        transfer = make_transfer(
            self._client,
            self._source.move(target),
            f"upload to {self._target.url}",
            speed,
            self._report,
            on_part=job.record,
            others=self._others,
            gate=self._gate,
            total=plan.size,
            done_before=self._report.bytes_resumed,
        )
        done = frozenset(job.records)
        try:
            move_all(transfer, (part for part in plan if part.number not in done))
        except S3AMError:
            capabilities = self._client.session.capabilities(self._target.bucket)
            if begun.checks.parts.trailer is not None and checksum_choice.should_fall_back(
                transfer.failure, self._options.checksum, capabilities
            ):
                capabilities.trailers = False
                raise _NoTrailers from None
            raise

    def _hashes(self, parts: object, crc: str) -> dict[int, tuple[int, str]]:
        return self._source.hashes(parts, crc, self._client, self._report)  # type: ignore[arg-type]


class _NoTrailers(Exception):
    """This server takes no checksum trailers: begin again without."""
