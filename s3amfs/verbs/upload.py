"""`upload`: any source into one S3 object, in parallel parts, resumable; docs/architecture.md shows the way.

Modules that only some sources need are imported where they are used: a process starts in less time.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import BinaryIO

from ..core.events import TransferResult
from ..core.locations import LocalPath, Location, S3Location, is_spool
from ..core.parts import MAX_PARTS, Part, Plan, choose_part_size
from ..core.sizes import format_size
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.part_buffer import MEMORY_BYTES
from ..engine.sources import LocalSource
from ..engine.targets import Target, send
from ..errors import InTheClear, ObjectExists, TransferError, Unsupported
from ..transfers import expected_digests
from ..transfers.job import Job
from ..transfers.multipart import Begun
from ..transfers.options import UploadOptions
from ..transfers.put_object import MoveTo, put_single
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import part_size_of
from ..transfers.send_parts import Content, Movement, SendParts, WholeCrc
from ..transfers.source import UploadSource, open_source
from ..transfers.speed import Speed
from ..transfers.target import skips_existing, with_content_type, with_relayed


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
        from .copy import copy

        try:
            return copy(source, target, client, options, on_event=on_event, gate=gate)
        except InTheClear:
            raise  # a relay would be, too
        except Unsupported as error:
            report = Report("copy", source.url, target.url, on_event)
            report.warn(f"the server can't copy this by itself ({error}): it is relayed through this machine")
            source_client = client
    if isinstance(source, LocalPath) and is_spool(source.path):
        from ..objects.unpublished import publish_left

        return publish_left(source.path, target, client, options, on_event)
    report = Report("upload", str(source), target.url, on_event)
    if skips_existing(client, target, options, checks_bucket=False):
        return report.result(size=None, skipped=True)
    opened = open_source(source, client, options, source_client=source_client, stdin=stdin, report=report)
    try:
        options = with_content_type(options, opened.content_type)
        if isinstance(source, S3Location) and source_client is not None and opened.info is not None:
            elsewhere = source_client is not client
            options = with_relayed(source_client, source, opened.info, options, elsewhere=elsewhere)
        job = Job(client, target, options, report, gate)
        return _Upload(opened, job, (source_client,) if source_client is not None else ()).run()
    except ObjectExists:
        if options.exists != "skip":
            raise
        return report.result(size=None, skipped=True)  # another writer was faster, or what is there can't be seen
    finally:
        opened.close()


class _Upload:
    """One run of `upload`, after its source was opened. others: clients that read the source."""

    def __init__(self, source: UploadSource, job: Job, others: tuple[S3Client, ...]) -> None:
        self._source = source
        self._job = job
        self._others = others
        self._expects = expected_digests.Expectation(job.options.expect, source.digests, job.report)

    def run(self) -> TransferResult:
        source, options, report = self._source, self._job.options, self._job.report
        if not source.ranged or source.size is None or (self._expects.needs_order and source.remote):
            return self._run_stream()
        if self._expects.needs_order:
            self._expects.hash(source.stream())
        if options.dry_run:
            part_size = self._part_size(source.size)
            return report.result(size=source.size, parts=len(Plan(source.size, part_size)), dry_run=True)
        if self._needs_digest():
            return self._run_stream()
        try:
            return self._run_ranged(source.size)
        except TransferError:
            if not self._needs_digest():
                raise
        report.warn("the server wants the MD5 of each part before its bytes: the source is read as one stream")
        return self._run_stream()

    def _needs_digest(self) -> bool:
        """Whether bytes must be here before they are sent: their MD5 goes in front, and no trailer is taken."""
        can = self._job.can
        return self._source.remote and can.needs_digest is True and can.trailers is not True

    def _run_stream(self) -> TransferResult:
        if self._job.options.dry_run:
            return self._job.report.result(size=self._source.size, dry_run=True)
        from ..objects.writer import ObjectWriter

        self._require_parts_enough()
        writer = ObjectWriter(self._job, identity=self._source.identity)
        try:
            writer.copy_from(self._expects.watching_all(self._source.stream()))
            self._source.check()
            self._expects.check(self._job.target.url)
            return writer.finish()
        except BaseException:
            writer.abort(keep=True)
            raise

    def _require_parts_enough(self) -> None:
        """10,000 parts of a size that was asked for: known before they are sent. Raises IncompatiblePartSize."""
        part_size, size = self._job.options.part_size, self._source.size
        if part_size is not None and size is not None:
            choose_part_size(size, part_size)
        elif part_size is not None:
            most = format_size(MAX_PARTS * part_size)
            self._job.report.warn(
                f"a stream of more than {most} does not fit into 10,000 parts of {format_size(part_size)}: without "
                "--part-size they grow"
            )

    def _run_ranged(self, size: int) -> TransferResult:
        parts = SendParts(self._job, self._content())
        begun: Begun | None = None
        try:
            begun = parts.find()
            if begun is None and self._fits_one_request(size):
                return self._run_single(size)
            return self._run_parts(parts, begun, size)
        except TransferError:
            if begun is None and self._needs_digest():
                parts.abort()  # begun here; what an earlier run has sent stays, and is taken up by the stream
            raise
        finally:
            parts.leave()

    @property
    def _speed(self) -> Speed:
        source, options = self._source, self._job.options
        slots = options.slots if source.remote else options.upload_slots
        return Speed(slots=slots, bwlimit=options.bwlimit, bucket=self._job.target.bucket, source=source.endpoint)

    def _part_size(self, size: int, taken_up: int | None = None) -> int:
        """For what the parts will move over."""
        line = self._speed.share(self._job.client).outlook()
        return choose_part_size(size, self._job.options.part_size, taken_up=taken_up, line=line)

    def _content(self) -> Content:
        source = self._source
        return Content(
            "upload",
            source.identity,
            f"upload to {self._job.target.url}",
            Movement(source.move, self._speed),
            self._others,
            check=self._check,
        )

    def _check(self, crc: WholeCrc) -> None:
        self._source.check()
        self._expects.check(self._job.target.url)
        self._expects.check_whole(crc, self._job.target.url)

    def _fits_one_request(self, size: int) -> bool:
        """A source that needs a look at its end is held in memory, or sent as the one part of a multipart upload."""
        held = size <= MEMORY_BYTES or not self._source.needs_look
        return held and len(Plan(size, self._part_size(size))) == 1

    def _run_single(self, size: int) -> TransferResult:
        report, source = self._job.report, self._source
        report.started(size, size, 1)
        self._expects.check(self._job.target.url)
        looked = self._job.options.exists != "overwrite" and self._job.options.expected is None
        # The source is compared before its last byte leaves; what becomes of it later is no matter of this object.
        move: MoveTo = source.move
        if source.needs_look:
            held, looked = source.in_memory(self._job.client, report), False
            move = partial(_send_all, held)
        stored, checksum, proof = put_single(self._job, size, move, others=self._others, looked=looked)
        return report.result(
            size=size, parts=1, etag=stored.etag, version_id=stored.version_id, checksum=checksum, proof=proof
        )

    def _run_parts(self, parts: SendParts, begun: Begun | None, size: int) -> TransferResult:
        report = self._job.report
        taken_up = part_size_of(begun, size) if begun is not None else None
        plan = Plan(size, self._part_size(size, taken_up))
        if begun is not None:
            parts.take_up(plan, self._hashes)
        else:
            parts.begin(plan.part_size)
        report.started(size, plan.part_size, len(plan))
        if holes := [hole for hole in self._source.holes(plan) if hole.number not in parts.records]:
            from ..objects.zeros import copy_zeros

            copy_zeros(parts, self._job, holes)
        done = parts.install(plan, size)
        return done.result(report, size, len(plan))

    def _hashes(self, parts: Iterable[Part], crc: str) -> dict[int, tuple[int, str]]:
        return self._source.hashes(parts, crc, self._job.client, self._job.report)


def _send_all(held: LocalSource, target: Target) -> Move:
    """How a source that is held in memory gets to `target`."""
    return lambda part, attempt: send(target, held, part)
