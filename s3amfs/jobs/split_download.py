"""`split` for downloads: many processes write the ranges of one object into one file on a shared file system.

`start` makes the partial file in its full size; `move` writes ranges into it and, after a sync, one record a range
into a file of its own beside the job file; `finish` joins the records, compares the whole with what S3 stores of it,
and gives the file its name. A record that is lost costs its range only.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace

from ..core.checksums import combine, encode
from ..core.events import TransferResult
from ..core.locations import LocalPath, S3Location, parse_s3_url
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import Part, download_part_size
from ..core.split_job import Share, SplitJob
from ..engine.attempt import PartResult, ReceivePart
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.file_io import write_all_at
from ..engine.journal import sync_folder
from ..engine.sinks import WRITE_BYTES, FileSink
from ..errors import ChecksumMismatch, PartialDownloadExists, TransferError
from ..transfers.options import DownloadOptions, UploadOptions
from ..transfers.part_feed import Feed
from ..transfers.partial_file import PartialFile, crc_of
from ..transfers.proof import FileProof, stored_of
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.s3_source import S3Source, identity_of
from ..transfers.speed import Speed, make_transfer, move_all
from ..wire.s3 import api as s3api
from .split import Progress, check_new, drop_late_records, drop_records, finish_once, is_finished, save
from .split_ends import compare
from .split_pace import Pace
from .split_records import Records


def start_download(
    source: S3Location,
    target: LocalPath,
    client: S3Client,
    options: DownloadOptions,
    path: str,
    *,
    key_file: str | None = None,
    is_master: bool = False,
    on_event: OnEvent = ignore,
) -> SplitJob:
    """Makes the partial file of `target` and writes the job file at `path`.

    Raises what `download` raises, and UsageError where `path` exists.
    """
    check_new(path)
    report = Report("split start: download", source.url, target.path, on_event)
    file = PartialFile(target.path)
    skipped = file.check_target(options.file_exists)
    info = client.head(source.bucket, source.key, version_id=source.version_id, customer_key=options.customer_key)
    part_size = download_part_size(info.size, options.part_size)
    job = SplitJob(
        "download",
        source.url,
        file.path,
        client.session.endpoint_id(source.bucket),
        identity_of(source, info),
        info.size,
        part_size,
        exists=options.file_exists,
        key_file=key_file,
        master_keys=(is_master, False),
        upload_id=uuid.uuid4().hex,
        finished={"skipped": "the file existed"} if skipped else {},
        version_id=source.version_id,
    )
    if not skipped:
        _make_partial(file.partial, job, discard=options.download_exists == "discard")
    save(job, path, new=True)
    report.started(info.size, part_size, len(job.plan))
    return job


def move_download(
    job: SplitJob,
    share: Share,
    client: S3Client,
    options: DownloadOptions,
    path: str,
    *,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Moves the ranges of `share`, then those of others that are missing. Raises SourceChanged, TransferError."""
    report = Report("split move", job.source, job.target, on_event)
    location = source_of(job)
    info = look_at(job, client, options)
    plan = job.plan
    report.started(plan.size, plan.part_size, len(plan))
    if plan.size == 0:
        return report.result(size=0, parts=0)
    moved = 0
    with Records(job, path) as records:
        if not {part.number for part in plan} - records.read().keys():  # 'finish' may have been killed after the rename
            return report.result(size=plan.size, parts=0)
        mover = RangeMover(client, location, info, options, report)
        fd = os.open(PartialFile(job.target).partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            _require_own(job, fd)
            pace = Pace(share, len(plan))
            while missing := {part.number for part in plan} - records.read().keys():
                if is_finished(job, path):
                    break
                batch = pace.next_batch(missing)
                if not batch:
                    continue
                records.begin(batch)
                moved += mover.move(job, fd, [plan.part(number) for number in batch], pace, records, path)
        finally:
            os.close(fd)
            drop_late_records(job, path)
    return report.result(size=plan.size, parts=moved, proof="ranges; 's3am split finish' gives the file its name")


def finish_download(
    job: SplitJob, client: S3Client, options: DownloadOptions, path: str, *, on_event: OnEvent = ignore
) -> TransferResult:
    """Proves the file equal to the object and gives it its name. A second call changes nothing.

    Raises TransferError while ranges are missing, ChecksumMismatch (the records are dropped: move again).
    """
    report = Report("split finish", job.source, job.target, on_event)
    return finish_once(job, path, report, lambda: _finish(job, client, options, path, report))


def _finish(job: SplitJob, client: S3Client, options: DownloadOptions, path: str, report: Report) -> TransferResult:
    info = look_at(job, client, options)
    stored = stored_of(info)
    comparison = FileProof(client, source_of(job), info, stored, options.customer_key, min(4, os.cpu_count() or 1))
    with Records(job, path) as records:
        there = records.read() if job.size else {1: PartRecord(1, 0, "", 0, "")}
        missing = [part.number for part in job.plan if part.number not in there]
        if missing:
            raise TransferError(
                f"{len(missing)} of {len(job.plan)} parts are missing (part {missing[0]} is the first): run "
                f"'s3am split move {path} I/N' again"
            )
        report.completing()
        name = stored.crc_name or "crc64nvme"
        crcs = {number: record.crc or 0 for number, record in there.items()}
        whole, proof = _prove(job, name, crcs, records.begun_twice(), comparison)
        if proof is None and records.whole_before() == whole:
            proof = comparison.came_alike(report)
        if proof is None:
            records.drop_but(whole)
            raise ChecksumMismatch(
                f"{job.source}: the ranges are not those of the object ({stored.text}): run 's3am split move {path} "
                "I/N' again"
            )
        _publish(job, name, whole)
    checksum = f"{name}:{encode(name, whole)}"
    save(replace(job, finished={"etag": info.etag, "checksum": checksum}), path, new=False)
    drop_records(job, path)
    return report.result(size=job.size, parts=len(job.plan), etag=info.etag, checksum=checksum, proof=proof)


def _prove(
    job: SplitJob, name: str, crcs: dict[int, int], twice: Collection[int], comparison: FileProof
) -> tuple[int, str | None]:
    """Returns the CRC of the whole and the proof that the file is the object, or None.

    crcs: of the ranges, as recorded. twice: ranges that two processes may have written: one of them may have written
    damaged bytes after the other had recorded the CRC of good ones, so that these are read again.
    """

    def whole() -> int:
        return combine(name, [(crcs[part.number], part.length) for part in job.plan])

    try:
        fd = os.open(PartialFile(job.target).partial, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:  # a 'finish' that was killed has proven the file and given it its name, or it is gone
        _check_published(job, name, whole())
        fd = os.open(job.target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        crcs.update((number, crc_of(fd, job.plan.part(number), name)) for number in sorted(twice))
        return whole(), comparison.prove(fd, job.size, whole)
    finally:
        os.close(fd)


def download_progress(job: SplitJob, path: str) -> Progress:
    """How far a download is."""
    plan = job.plan
    if job.finished:
        return Progress(len(plan), (), job.size, job.size, finished=True)
    with Records(job, path) as records:
        there = records.read()
    missing = tuple(part.number for part in plan if part.number not in there) if job.size else ()
    return Progress(len(plan), missing, job.size - sum(plan.part(number).length for number in missing), job.size)


class RangeMover:
    """Fetches ranges into the file."""

    def __init__(
        self, client: S3Client, location: S3Location, info: s3api.ObjectInfo, options: DownloadOptions, report: Report
    ) -> None:
        self._client = client
        self._location = location
        self._options = options
        self._report = report
        self._ranges = S3Source(client, location, info, UploadOptions(source_key=options.customer_key))
        self._crc = stored_of(info).crc_name or "crc64nvme"

    def move(self, job: SplitJob, fd: int, parts: list[Part], pace: Pace, records: Records, path: str) -> int:
        """Fetches `parts`, which are recorded as begun, and meanwhile further ones; returns how many in all."""
        done: deque[PartRecord] = deque()
        moved = 0

        def keep() -> None:
            nonlocal moved
            new = [done.popleft() for _ in range(len(done))]
            os.fsync(fd)  # before the records: they say that the bytes are on disk
            records.add(new)
            moved += len(new)

        def missing() -> set[int]:
            return {part.number for part in job.plan} - records.read().keys()

        def more(moving: Collection[int]) -> list[Part]:
            keep()
            if is_finished(job, path):
                return []
            batch = pace.next_beside(moving, missing())
            if batch:
                records.begin(batch)
            return [job.plan.part(number) for number in batch]

        feed = Feed(parts, more, missing)

        def arrived(record: PartRecord) -> None:
            done.append(record)
            feed.done(record.number)

        transfer = self._transfer(fd, arrived, self._crc, sum(part.length for part in parts))

        def run() -> None:
            transfer.add(parts, last=False)
            feed.begin(transfer.add, transfer.stop)
            transfer.wait()

        try:
            feed.run(run)
        finally:
            keep()
        return moved

    def fetch(self, fd: int, parts: list[Part], crc: str | None = None) -> list[PartRecord]:
        """Returns the records of `parts`, which are on disk then. crc: its name; None: the one that S3 stores."""
        done: list[PartRecord] = []
        transfer = self._transfer(fd, done.append, crc or self._crc, sum(part.length for part in parts))
        move_all(transfer, parts)
        os.fsync(fd)  # before the records: they say that the bytes are on disk
        return done

    def _transfer(self, fd: int, arrived: Callable[[PartRecord], None], name: str, total: int) -> Transfer:
        """Writes ranges into `fd` and has `arrived` called with each. name: of the CRC. total: bytes, for progress."""
        turn = threading.Lock()

        def move(part: Part, attempt: int) -> ReceivePart:
            sink = FileSink(fd, part, self._ranges.accept(part), name, turn=turn, write_bytes=WRITE_BYTES)
            return ReceivePart(self._ranges.request(part), sink, rest=self._ranges)

        def part_done(result: PartResult) -> None:
            arrived(PartRecord(result.number, result.length, result.etag, result.crc, result.checksum))

        speed = Speed(
            slots=self._options.download_slots,
            bwlimit=self._options.bwlimit,
            direction="down",
            bucket=self._location.bucket,
        )
        return make_transfer(
            self._client,
            move,
            f"download of {self._location.url}",
            speed,
            self._report,
            on_part=part_done,
            total=total,
            receives=True,
        )


def source_of(job: SplitJob) -> S3Location:
    """Returns the place of the object that the job downloads."""
    return replace(parse_s3_url(job.source), version_id=job.version_id)


def look_at(job: SplitJob, client: S3Client, options: DownloadOptions) -> s3api.ObjectInfo:
    """Returns the object that the job downloads. Raises SourceChanged if it is another one by now, NotFound."""
    location = source_of(job)
    info = client.head(location.bucket, location.key, version_id=location.version_id, customer_key=options.customer_key)
    now: SourceIdentity = identity_of(location, info)
    compare(job, now)
    return info


def _make_partial(path: str, job: SplitJob, *, discard: bool) -> None:
    if discard:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise PartialDownloadExists(
            f"{path} is there from an earlier download: use --download-exists discard, or finish that one"
        ) from None
    try:
        os.ftruncate(fd, job.size)
        write_all_at(fd, job.upload_id.encode(), job.size)
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(os.path.dirname(path))


def _is_own(job: SplitJob, fd: int) -> bool:
    """Whether the partial file `fd` is the one that `job` has made: another download may have begun one since."""
    token = job.upload_id.encode()
    return bool(token) and os.pread(fd, len(token) + 1, job.size) == token


def _require_own(job: SplitJob, fd: int) -> None:
    """Raises TransferError for the partial file of another download. A job of version 2 has put no token there."""
    if job.upload_id and not _is_own(job, fd):
        raise TransferError(
            f"the partial file of {job.target} is that of another download: finish that one, or start the job again"
        )


def _publish(job: SplitJob, name: str, whole: int) -> None:
    """Gives the file its name. Raises TransferError if it is not there, ChecksumMismatch.

    An earlier `finish` may have done that before it was killed: then the file has the content already. name, whole: the
    CRC of that.
    """
    file = PartialFile(job.target)
    try:
        if not file.open_there():
            _check_published(job, name, whole)
            return
        if not (_is_own(job, file.fd) or _is_whole(job, file.fd, name, whole)):
            raise TransferError(f"{file.partial} is not the file that the job has made: start the job again")
        os.ftruncate(file.fd, job.size)
        file.publish(replace=job.exists == "overwrite")
    finally:
        file.close()


def _is_whole(job: SplitJob, fd: int, name: str, whole: int) -> bool:
    """Whether a file without a token, which a killed `finish` may have cut off, has the content."""
    return os.fstat(fd).st_size == job.size and crc_of(fd, Part(1, 0, job.size), name) == whole


def _check_published(job: SplitJob, name: str, whole: int) -> None:
    try:
        fd = os.open(job.target, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise TransferError(f"neither {job.target} nor its partial file is there: start the job again") from None
    try:
        if not _is_whole(job, fd, name, whole):
            raise TransferError(f"the partial file of {job.target} is gone: start the job again")
    finally:
        os.close(fd)
