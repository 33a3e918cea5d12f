"""`split`: one object moved by many processes on any machines, which share nothing but a job file and the S3 service.

`start` begins the multipart upload and shows with a byte what the server can; `move` moves one share of the
parts, then helps with what is missing; `finish` proves and completes. ListParts says which parts
have moved: any process may die at any time, and any may be run again. Downloads are in split_download.py.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from functools import partial
from typing import Literal

from ..core.checksums import decode
from ..core.define import define
from ..core.events import TransferResult
from ..core.locations import LocalPath, Location, S3Location, Stdin, Url, parse_s3_url
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import Part
from ..core.split_job import Share, SplitJob, format_job, parse_job
from ..engine.client import S3Client
from ..engine.journal import sync_folder
from ..engine.uploads import list_parts
from ..errors import InvalidSource, NotFound, S3AMError, TransferError, UploadGone, UsageError
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import SendParts
from ..transfers.target import skips_existing
from ..verbs.upload import upload
from ..wire.s3 import api as s3api
from .split_begin import begin, split_job
from .split_completed import completed, stands_at
from .split_ends import SplitEnds
from .split_look import Look
from .split_moves import Moves, keep_records, moved_record
from .split_pace import Pace
from .split_records import Records


@define(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    parts: int
    missing: tuple[int, ...]
    bytes_moved: int
    size: int
    finished: bool = False


def load(path: str) -> SplitJob:
    """The job in the file at `path`. Raises NotFound, UsageError."""
    try:
        with open(path, encoding="utf-8") as file:
            return parse_job(file.read(), path)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist: make it with 's3am split start SRC DST -o {path}'") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a job file: make it with 's3am split start'") from None


def save(job: SplitJob, path: str, *, new: bool) -> None:
    """Writes the job file, whole or not at all. new: Raises UsageError if there is one."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")  # machines may have the same name and process id
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(format_job(job))
            file.flush()
            os.fsync(descriptor)
        if new:
            os.link(temporary, path)
        else:
            os.replace(temporary, path)
    except FileExistsError:
        raise UsageError(f"{path} exists: give another file, or finish that job first") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    sync_folder(folder)


def check_new(path: str) -> None:
    """Raises UsageError if `path` can't become a job file."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.lexists(path):
        raise UsageError(f"{path} exists: give another file, or finish that job first")
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} is not a directory: make it first, or give another file")


def shown_source(source: Location) -> str:
    """`source` as a job file holds it. Raises InvalidSource where it is a secret, or can't be read in parts."""
    if isinstance(source, Stdin):
        raise InvalidSource("standard input has no parts that several processes could read: give a file or URL")
    if isinstance(source, LocalPath):
        return os.path.abspath(source.path)
    if isinstance(source, Url) and str(source) != source.url:
        raise InvalidSource(
            f"{source} holds a password or signature, which a job file would show to others: put the password in "
            "~/.netrc on each machine"
        )
    return source.url


# -- uploads and copies -----------------------------------------------------------------------------------------------


def start_upload(
    source: Location,
    target: S3Location,
    client: S3Client,
    options: UploadOptions,
    path: str,
    *,
    reader: S3Client | None = None,
    keys: Callable[[SplitJob], SplitJob] = lambda job: job,
    on_event: OnEvent = ignore,
) -> SplitJob:
    """Begins the upload of `source` to `target`, moves its first part and writes the job file at `path`.

    reader: reads an S3 source of another service. keys: adds the names of key files to the job.
    Raises what `upload` raises, and UsageError where `path` exists.
    """
    check_new(path)
    text = shown_source(source)
    kind: Literal["copy", "upload"] = "copy" if isinstance(source, S3Location) and reader is None else "upload"
    report = Report(f"split start: {kind}", text, target.url, on_event)
    asked = Job(client, target, options, report)
    if skips_existing(client, target, options):
        job = replace(split_job(asked, text, SourceIdentity(text)), finished={"skipped": "the object existed"})
        save(job, path, new=True)
        return job
    if options.unfinished in ("resume", "continue"):
        raise UsageError("a split job begins its own upload: 's3am split move JOB I/N' continues it")
    ends = SplitEnds.open(source, asked, reader=reader)
    done: list[PartRecord] = []
    sending = SendParts(ends.job, ends.content(), lambda part: done.append(moved_record(part)), manifest=False)
    try:
        try:
            empty = replace(split_job(asked, text, ends.identity, kind=kind), version_id=ends.version_id)
            replaces = stands_at(asked)
            begun = empty if _is_empty_copy(empty) else begin(ends, sending, text)
            job = keys(replace(begun, replaces=replaces))
            save(job, path, new=True)
        except BaseException:
            sending.abort()
            raise
        with Records(job, path) as records:
            keep_records(records, done[-1:], report)
        drop_late_records(job, path)
        return job
    finally:
        ends.close()


def move_upload(
    job: SplitJob,
    share: Share,
    client: S3Client,
    options: UploadOptions,
    path: str,
    *,
    reader: S3Client | None = None,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Moves the parts of `share`, then those of others that are missing.

    options: slots, rate limit and keys; the rest is in the job. Raises SourceChanged, UploadGone, TransferError.
    """
    report = Report("split move", job.source, job.target, on_event)
    if _is_empty_copy(job):
        return report.result(size=0, proof="nothing is to be moved; 's3am split finish' copies the object")
    target = parse_s3_url(job.target)
    ends = SplitEnds.open(job.location, Job(client, target, options_for(job, options), report), job, reader)
    try:
        plan, pace = job.plan, Pace(share, len(job.plan))
        report.started(plan.size, plan.part_size, len(plan))
        with Records(job, path) as records:
            moves = Moves(ends, upload_of(job), records, report)
            look = Look(partial(_missing, job, client, options, path))

            def further(moving: Collection[int]) -> list[Part]:
                return [plan.part(number) for number in pace.next_beside(moving, moves.unsent(look()))]

            while missing := look():
                batch = pace.next_batch(moves.unsent(missing))
                if batch:
                    moves.move([plan.part(number) for number in batch], further, look)
            moved = moves.moved
        ends.check()
        return report.result(size=plan.size, parts=moved, proof="parts; 's3am split finish' completes the object")
    finally:
        ends.close()
        drop_late_records(job, path)


def finish_upload(
    job: SplitJob,
    client: S3Client,
    options: UploadOptions,
    path: str,
    *,
    reader: S3Client | None = None,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Proves that all parts are there and makes the object visible. A second call changes nothing.

    Raises TransferError while parts are missing, and what `upload` raises when it completes.
    """
    report = Report("split finish", job.source, job.target, on_event)
    return finish_once(job, path, report, lambda: _finish(job, client, options, path, reader, report))


def _finish(
    job: SplitJob, client: S3Client, options: UploadOptions, path: str, reader: S3Client | None, report: Report
) -> TransferResult:
    target = parse_s3_url(job.target)
    if _is_empty_copy(job):
        given = options_for(job, options)
        done_at_once = upload(job.location, target, client, given, on_event=report.on_event)
        save(replace(job, finished={"etag": done_at_once.etag, "checksum": done_at_once.checksum}), path, new=False)
        drop_records(job, path)
        return done_at_once
    try:
        there = listed_parts(job, client, options)
    except UploadGone:
        return _found(job, client, options, path, report)
    missing = [part.number for part in job.plan if not _fits(job, there, part.number)]
    if missing:
        raise TransferError(
            f"{len(missing)} of {len(job.plan)} parts are missing (part {missing[0]} is the first): run 's3am split "
            f"move {path} I/N' again"
        )
    ends = SplitEnds.open(job.location, Job(client, target, options_for(job, options), report), job, reader)
    try:
        sending = SendParts(ends.job, ends.content(), shared=upload_of(job))
        with Records(job, path) as records:
            known = records.read()
        for part in job.plan:
            sending.keep(stored_record(there[part.number], job.checksum_algorithm or "", known.get(part.number)))
        report.started(job.size, job.part_size, len(job.plan))
        done = sending.complete(job.size)
        save(replace(job, finished={"etag": done.stored.etag, "checksum": done.checksum}), path, new=False)
        drop_records(job, path)
        return done.result(report, job.size, len(job.plan))
    finally:
        ends.close()


def upload_progress(job: SplitJob, client: S3Client, options: UploadOptions, path: str) -> Progress:
    """How far an upload or copy is. Raises UploadGone if it is neither there nor finished."""
    if job.finished or _is_empty_copy(job):
        return Progress(len(job.plan), (), job.size, job.size, finished=bool(job.finished))
    missing = tuple(sorted(_missing(job, client, options, path, 0)))
    moved = job.size - sum(job.plan.part(number).length for number in missing)
    return Progress(len(job.plan), missing, moved, job.size)


def _is_empty_copy(job: SplitJob) -> bool:
    """Whether there is nothing of which S3 could copy a range: `finish` copies the object, which has no bytes."""
    return job.kind == "copy" and job.identity.size == 0 and not job.upload_id


def drop_records(job: SplitJob, path: str) -> None:
    """Removes the records of a finished job, also those that a killed `finish` has left."""
    with Records(job, path) as records:
        records.drop()


def is_finished(job: SplitJob, path: str) -> bool:
    """Whether the job file says that `job` is finished by now; `finish` writes that down before it drops records."""
    try:
        now = load(path)
    except (NotFound, UsageError):
        return False
    return bool(now.finished) and replace(now, finished={}) == replace(job, finished={})


def finish_once(job: SplitJob, path: str, report: Report, finish: Callable[[], TransferResult]) -> TransferResult:
    """Returns the result of `finish`, or of another process that has finished the same job before or meanwhile.

    Raises what `finish` raises, unless the job file says by then that the job is finished.
    """
    if not job.finished:
        try:
            return finish()
        except S3AMError:
            if not is_finished(job, path):
                raise
        job = load(path)
    drop_records(job, path)
    return finished(job, report)


def drop_late_records(job: SplitJob, path: str) -> None:
    """For a process that may have written records after `finish` has dropped them."""
    if is_finished(job, path):
        drop_records(job, path)


def upload_of(job: SplitJob) -> s3api.MultipartUpload:
    """Returns the multipart upload of `job`."""
    target = parse_s3_url(job.target)
    return s3api.MultipartUpload(target.bucket, target.key, job.upload_id, job.checksum_algorithm, job.checksum_type)


_ASKED = {found.name for found in fields(s3api.ObjectOptions)} - {"customer_key", "extra_headers"}


def options_for(job: SplitJob, options: UploadOptions) -> UploadOptions:
    """`options` with the choices that the job was started with."""
    exists = job.exists if job.exists in ("overwrite", "skip") else "refuse"
    checksum = job.checksum if job.checksum in ("crc64nvme", "crc32c", "md5", "none") else None
    return replace(
        options,
        exists="overwrite" if exists == "overwrite" else "refuse",
        checksum=checksum,  # type: ignore[arg-type]
        expect=job.expect,
        object=replace(options.object, **{name: job.asked[name] for name in _ASKED if name in job.asked}),
    )


def listed_parts(job: SplitJob, client: S3Client, options: UploadOptions, after: int = 0) -> dict[int, s3api.PartInfo]:
    """Returns the parts behind number `after` that the server lists. Raises UploadGone, NotFound, TransferError."""
    upload, key = upload_of(job), options.object.customer_key
    return {part.number: part for part in list_parts(client, upload, after=after, customer_key=key)}


def _missing(job: SplitJob, client: S3Client, options: UploadOptions, path: str, after: int) -> set[int]:
    try:
        there = listed_parts(job, client, options, after)
    except UploadGone:
        if _completed(job, client, options, path) is None:
            raise
        return set()  # a 'finish' was killed before it could write that down
    return {part.number for part in job.plan if part.number > after and not _fits(job, there, part.number)}


def _completed(job: SplitJob, client: S3Client, options: UploadOptions, path: str) -> s3api.ObjectInfo | None:
    with Records(job, path) as records:
        return completed(job, client, options, records.read())


def _fits(job: SplitJob, there: dict[int, s3api.PartInfo], number: int) -> bool:
    """Whether the server has the part, and says what it is: `finish` has to name its ETag."""
    return number in there and there[number].size == job.plan.part(number).length and bool(there[number].etag)


def stored_record(part: s3api.PartInfo, name: str, known: PartRecord | None) -> PartRecord:
    """Returns the record that the part's mover kept of these very bytes, else one made from the server's listing."""
    if known is not None and known.etag == part.etag and known.length == part.size:
        return known
    said = part.checksums.get(name, "")
    return PartRecord(part.number, part.size, part.etag, decode(name, said) if said else None, said)


def finished(job: SplitJob, report: Report) -> TransferResult:
    """Returns the result of a job that an earlier `finish` has completed."""
    if "skipped" in job.finished:
        return report.result(size=None, skipped=True)
    return report.result(
        size=job.size,
        parts=len(job.plan),
        etag=job.finished.get("etag", ""),
        checksum=job.finished.get("checksum", ""),
        proof="finished before",
    )


def _found(job: SplitJob, client: S3Client, options: UploadOptions, path: str, report: Report) -> TransferResult:
    """The upload is no more: either the object is what it made, or somebody has aborted it."""
    found = _completed(job, client, options, path)
    if found is None:
        raise UploadGone(f"the upload of {job.target} is gone, and there is no such object: start the job again")
    save(replace(job, finished={"etag": found.etag, "checksum": ""}), path, new=False)
    drop_records(job, path)
    return report.result(
        size=job.size,
        parts=len(job.plan),
        etag=found.etag,
        version_id=found.version_id,
        proof="the object that is there: it was finished before",
    )
