"""Tasks of a cluster's worker: move some parts of a job, up or down, or send blocks that it holds as one part.

Tasks are functions of plain data. They may run twice, or be given to another worker half-way: parts that the server has
are compared with the source and not sent again, and a part's number says what its bytes are.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..core.define import define
from ..core.locations import parse_s3_url
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import Part
from ..core.split_job import SplitJob
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.connect import S3Config, connect
from ..engine.part_buffer import PartBuffer
from ..engine.sources import MemorySource
from ..engine.targets import MultipartTarget, send
from ..errors import NotFound, UsageError
from ..transfers.job import Job
from ..transfers.options import DownloadOptions, UploadOptions
from ..transfers.partial_file import PartialFile
from ..transfers.report import Report, ignore
from ..transfers.resume import record_of
from ..transfers.send_parts import Content, Movement, SendParts
from ..transfers.speed import Speed
from .split import listed_parts, options_for, stored_record, upload_of
from .split_download import RangeMover, look_at, source_of
from .split_ends import SplitEnds
from .split_moves import moved_record


@define(frozen=True, slots=True)
class Settings:
    """Settings that a worker receives beside the job; the worker has its own credentials."""

    config: S3Config
    """Without keys."""
    slots: int | None = None
    bwlimit: int = 0
    """Bytes per second of this worker."""
    verify_tls: bool | str = True
    reader: S3Config | None = None
    """Of an s3:// source in another service; without keys."""
    mark: bytes = b""
    """First line of the manifest beside the partial file of a download: it is the file that the client sees."""


@define(frozen=True, slots=True)
class Moved:
    """The outcome of a batch."""

    records: list[PartRecord]
    sent: tuple[int, ...]
    """Numbers of the parts that this task has moved; the others were there."""


@lru_cache(maxsize=8)
def _client(config: S3Config) -> S3Client:
    """One client for all tasks of this process: it keeps what it knows of the service, and the credentials."""
    return connect(config)


_EARLIER_SECONDS = 60.0
"""So long a transfer waits for tasks of a client that is gone; what they have in hand after that may move twice."""
_change = threading.Condition()
_moving = Counter[str]()
"""Target -> tasks of this process that move parts of it."""


@contextmanager
def _under_way(job: SplitJob) -> Iterator[None]:
    with _change:
        _moving[job.target] += 1
    try:
        yield
    finally:
        with _change:
            _moving[job.target] -= 1
            _change.notify_all()


async def wait_for_earlier(target: str, seconds: float = _EARLIER_SECONDS) -> None:
    """Returns once no task of this worker moves parts of `target`, or after so many seconds.

    A worker finishes what it has in hand when the client of that is killed: the next client looks after that at what is
    there. Not in the thread of the worker's own loop, which has to answer meanwhile.
    """
    from asyncio import to_thread

    await to_thread(_wait_for_earlier, target, seconds)


def _wait_for_earlier(target: str, seconds: float) -> None:
    with _change:
        _change.wait_for(lambda: not _moving[target], seconds)


def look_at_source(job: SplitJob, settings: Settings) -> None:
    """Raises what `move_parts` would raise of the source, before anything is begun."""
    _ends(job, _client(settings.config), settings).close()


def look_at_file(job: SplitJob, settings: Settings) -> None:
    """Raises what `fetch_parts` would raise of the object and the partial file."""
    look_at(job, _client(settings.config), DownloadOptions())
    os.close(_open_partial(job, settings))


def fetch_parts(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
    """Fetches these ranges of `job` into the partial file. Raises SourceChanged, NotFound, TransferError."""
    s3 = _client(settings.config)
    options = DownloadOptions(download_slots=settings.slots, bwlimit=settings.bwlimit)
    info = look_at(job, s3, options)
    report = Report("part", job.source, job.target, ignore)
    with _under_way(job):
        fd = _open_partial(job, settings)
        try:
            mover = RangeMover(s3, source_of(job), info, options, report)
            records = mover.fetch(fd, [job.plan.part(number) for number in numbers], job.checksum_algorithm)
        finally:
            os.close(fd)
    return Moved(records, tuple(numbers))


def _open_partial(job: SplitJob, settings: Settings) -> int:
    """Opens the partial file that the client has made. Raises NotFound where another one, or none, is seen here."""
    file = PartialFile(job.target)
    try:
        with open(file.progress, "rb") as progress:
            same = progress.readline() == settings.mark
        if same:
            return os.open(file.partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        same = False
    raise NotFound(f"{file.partial} is not the file that the client has made: give a DST that all workers share")


def move_parts(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
    """Moves these parts of `job`. Raises SourceChanged, NotFound (the source is not seen here), TransferError."""
    with _under_way(job):
        return _move_parts(job, numbers, settings)


def _move_parts(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
    s3 = _client(settings.config)
    ends = _ends(job, s3, settings)
    try:
        done = _there(job, numbers, s3, ends)
        wanted = [job.plan.part(number) for number in numbers if number not in {record.number for record in done}]
        sending = SendParts(
            ends.job, ends.content(), lambda part: done.append(moved_record(part)), shared=upload_of(job)
        )
        if wanted:
            sending.move_all(wanted)
        ends.check()
        return Moved(done, tuple(part.number for part in wanted))
    finally:
        ends.close()


def _ends(job: SplitJob, s3: S3Client, settings: Settings) -> SplitEnds:
    reader = _client(settings.reader) if settings.reader is not None else None
    return SplitEnds.open(job.location, _job(job, s3, settings), job, reader)


def _there(job: SplitJob, numbers: Sequence[int], s3: S3Client, ends: SplitEnds) -> list[PartRecord]:
    """Records of those parts that an earlier try of this task has moved, proven to be the source's."""
    listed = listed_parts(job, s3, UploadOptions())
    plan, name = job.plan, job.checksum_algorithm or "crc64nvme"
    found = [listed[n] for n in numbers if n in listed and listed[n].size == plan.part(n).length and listed[n].etag]
    if not found or job.kind == "copy":
        return [stored_record(part, name, None) for part in found]
    hashes = ends.hashes([plan.part(part.number) for part in found], name)
    records = (record_of(part, name, *hashes[part.number]) for part in found)
    return [record for record in records if record is not None]


def size_of(block: Any) -> int:
    """Bytes of a block. Raises UsageError for what is none."""
    return sum(len(piece) for piece in _pieces(block))


def send_blocks(job: SplitJob, number: int, blocks: Sequence[Any], settings: Settings) -> PartRecord:
    """Sends `blocks`, joined, as part `number`; returns its record."""
    data = b"".join(piece for block in blocks for piece in _pieces(block))
    s3 = _client(settings.config)

    memory = MemorySource()
    memory.put(number, PartBuffer(data))

    def move(target: MultipartTarget) -> Move:
        return lambda part, attempt: send(target, memory, part)

    target = parse_s3_url(job.target)
    content = Content(
        "blocks",
        SourceIdentity("blocks"),
        f"part {number} of {job.target}",
        Movement(move, Speed(bucket=target.bucket)),
    )
    done: list[PartRecord] = []
    sending = SendParts(
        _job(job, s3, settings), content, lambda part: done.append(moved_record(part)), shared=upload_of(job)
    )
    sending.move_all([Part(number, 0, len(data))])
    return done[-1]


def _pieces(block: Any) -> list[bytes]:
    """A block is bytes, or a partition of a bag of bytes."""
    if isinstance(block, bytes | bytearray | memoryview):
        return [bytes(block)]
    if isinstance(block, list | tuple) and all(isinstance(piece, bytes | bytearray | memoryview) for piece in block):
        return [bytes(piece) for piece in block]
    raise UsageError(f"a block must be bytes, or a list of bytes, not {type(block).__name__}")


def _job(job: SplitJob, s3: S3Client, settings: Settings) -> Job:
    given = UploadOptions(
        download_slots=settings.slots,
        upload_slots=settings.slots,
        bwlimit=settings.bwlimit,
        verify_tls=settings.verify_tls,
    )
    report = Report("part", job.source, job.target, ignore)
    return Job(s3, parse_s3_url(job.target), options_for(job, given), report)
