"""`patch`: a changed file becomes a new object; what did not change is copied from the old one inside S3.

The plan is core/patch.py's; here its parts are moved: UploadPartCopy from the pinned base, UploadPart from the spool;
holes are copied from a temporary object of zeros. Blocks; one thread.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace

from ..core.locations import S3Location
from ..core.manifest import SourceIdentity
from ..core.parts import DEFAULT_PART, Part
from ..core.patch import PatchPlan
from ..engine.attempt import Move, PartWork
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..engine.line import Direction
from ..engine.sources import FileSource
from ..engine.targets import MultipartTarget, send
from ..errors import S3AMError
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import Content, Copied, Movement, SendParts
from ..transfers.speed import Speed
from ..wire.s3 import api as s3api
from .ranges import Pinned
from .zeros import copy_zeros


def patch(
    base: Pinned,
    spool: str,
    plan: PatchPlan,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> s3api.StoredInfo:
    """Replaces `base` by an object of its own ranges and ranges of the file `spool`, at the same offsets.

    plan: which range comes from where; not a whole one. Parts that were sent are removed after a failure,
    since only the spool records their purpose.
    Returns the new object. Raises SourceChanged if the base has changed (then it stays), Unsupported where the server
    can't copy parts, TransferError.
    """
    options = replace(options, expected=base.info.expected)
    return _patch(base.client, base.location, base, spool, plan, options, on_event, gate)


def store_sparse(
    client: S3Client,
    location: S3Location,
    spool: str,
    plan: PatchPlan,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
) -> s3api.StoredInfo:
    """As `patch` for a new object, of the file `spool` and its holes."""
    return _patch(client, location, None, spool, plan, options, on_event, None)


def _patch(
    client: S3Client,
    location: S3Location,
    base: Pinned | None,
    spool: str,
    plan: PatchPlan,
    options: UploadOptions,
    on_event: OnEvent,
    gate: SlotGate | None,
) -> s3api.StoredInfo:
    job = Job(client, location, options, Report("patch", f"changes of {location.url}", location.url, on_event), gate)
    source = FileSource(spool)
    parts = [Part(part.number, part.offset, part.length) for part in plan.parts]
    sending = SendParts(job, _content(job, base, source, plan))
    try:
        sending.find()  # aborts what an earlier writer has left
        sending.begin(DEFAULT_PART)
        copy_zeros(sending, job, [part for part, kind in zip(parts, plan.parts, strict=True) if kind.kind == "zeros"])
        return sending.install(parts, plan.size).stored
    except BaseException:
        with suppress(S3AMError):  # what matters is why it failed; `s3am pending` finds what could not be removed
            sending.abort()
        raise
    finally:
        sending.leave()
        source.close()


def _content(job: Job, base: Pinned | None, source: FileSource, plan: PatchPlan) -> Content:
    copies = {part.number for part in plan.parts if part.kind == "copy"}
    copied = base.copy_source if base is not None else None

    def move(target: MultipartTarget) -> Move:
        def work(part: Part, attempt: int) -> PartWork:
            if copied is not None and part.number in copies:
                return target.copy(part, copied)
            return send(target, source, part)

        return work

    options, bucket = job.options, job.target.bucket
    direction: Direction = "copy" if base is not None else "up"
    speed = Speed(slots=options.upload_slots, bwlimit=options.bwlimit, direction=direction, bucket=bucket)
    identity = SourceIdentity(url=f"changes:{uuid.uuid4()}", size=plan.size)
    content = Content("patch", identity, f"patch of {job.target.url}", Movement(move, speed))
    if base is None:
        return content
    return replace(
        content,
        copied=Copied(base.location.url, base.info.size, base.info.checksums),
        check=lambda crc: base.check("changed here"),
    )
