"""Tasks of a cluster's worker: move some parts of a job, or send blocks that the worker holds as one part.

Tasks are functions of plain data. They may run twice, or be given to another worker half-way: parts that the server has
are compared with the source and not sent again, and a part's number says what its bytes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.locations import parse_s3_url, parse_source
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import Part
from ..core.split_job import SplitJob
from ..engine.attempt import Move
from ..engine.client import S3Client
from ..engine.connect import S3Config, connect
from ..engine.part_buffer import PartBuffer
from ..engine.sources import MemorySource
from ..engine.targets import MultipartTarget, send
from ..errors import UsageError
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import Report
from ..transfers.resume import record_of
from ..transfers.send_parts import Content, Movement, SendParts
from ..transfers.speed import Speed
from .split import listed_parts, moved_record, options_for, stored_record, upload_of
from .split_ends import Ends


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a worker receives beside the job; the worker has its own credentials."""

    config: S3Config
    """Without keys."""
    slots: int | None = None
    bwlimit: int = 0
    """Bytes per second of this worker."""
    verify_tls: bool | str = True


def move_parts(job: SplitJob, numbers: Sequence[int], settings: Settings) -> list[PartRecord]:
    """Moves these parts of `job`; returns their records. Raises SourceChanged, and NotFound (not seen here)."""
    s3 = connect(settings.config)
    ends = Ends.open(parse_source(job.source), _job(job, s3, settings), job)
    try:
        done = _there(job, numbers, s3, ends)
        wanted = [job.plan.part(number) for number in numbers if number not in {record.number for record in done}]
        sending = SendParts(
            ends.job, ends.content(), lambda part: done.append(moved_record(part)), shared=upload_of(job)
        )
        if wanted:
            sending.move_all(wanted)
        ends.check()
        return done
    finally:
        ends.close()


def _there(job: SplitJob, numbers: Sequence[int], s3: S3Client, ends: Ends) -> list[PartRecord]:
    """Records of those parts that an earlier try of this task has moved, proven to be the source's."""
    listed = listed_parts(job, s3, UploadOptions())
    plan, name = job.plan, job.checksum_algorithm or "crc64nvme"
    found = [listed[n] for n in numbers if n in listed and listed[n].size == plan.part(n).length]
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
    s3 = connect(settings.config)

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
    report = Report("part", job.source, job.target, lambda event: None)
    return Job(s3, parse_s3_url(job.target), options_for(job, given), report)
