"""`patch`: a changed file becomes a new object; what did not change is copied from the old one inside S3.

The plan is core/patch.py's; here its parts are moved: UploadPartCopy from the pinned base, UploadPart from the spool.
Blocks; one thread.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace

from ..core.failures import Kind
from ..core.manifest import SourceIdentity
from ..core.parts import DEFAULT_PART, Part
from ..core.patch import PatchPlan
from ..engine.attempt import PartWork
from ..engine.limits import SlotGate
from ..engine.sources import FileSource
from ..engine.targets import MultipartTarget, send
from ..errors import S3AMError, SourceChanged
from ..transfers import checksum_choice
from ..transfers.multipart import Begun, MultipartJob, open_journal
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.speed import Speed, make_transfer, move_all
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from .ranges import Pinned


def patch(
    base: Pinned,
    spool: str,
    plan: PatchPlan,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> s3api.StoredInfo:
    """Replaces `base` by what `plan` (not a whole one) makes of it and of the file `spool`, at the same offsets.

    Raises SourceChanged if the base is no longer what it was (then it stays), Unsupported where the server can't copy
    parts, TransferError. What was sent is removed after a failure: only the spool knows what it was for.
    """
    client, location = base.client, base.location
    report = Report("patch", f"changes of {location.url}", location.url, on_event)
    identity = SourceIdentity(url=f"changes:{uuid.uuid4()}", size=plan.size)
    source = FileSource(spool)
    job = MultipartJob(
        "patch", client, location, options, identity, open_journal(client, location, options, report), report
    )
    try:
        job.find()  # aborts what an earlier writer has left
        begun = job.begin(DEFAULT_PART)
        try:
            try:
                _move(base, source, plan, options, job, begun, report, gate)
            except checksum_choice.CopiedWithoutChecksum:
                job.abort_to_begin_again()
                _move(base, source, plan, options, job, job.begin(DEFAULT_PART), report, gate)
            _check_base(base)
            return job.complete(plan.size)[0]
        except BaseException:
            with suppress(S3AMError):  # what matters is why it failed; `s3am pending` finds what could not be removed
                job.abort()
            raise
    finally:
        job.leave()
        source.close()


def _move(
    base: Pinned,
    source: FileSource,
    plan: PatchPlan,
    options: UploadOptions,
    job: MultipartJob,
    begun: Begun,
    report: Report,
    gate: SlotGate | None,
) -> None:
    client, location = base.client, base.location
    target = MultipartTarget(client.session, begun.upload, begun.checks.parts, options.object.customer_key)
    copied = s3api.CopySource(
        location.bucket, location.key, if_match=base.info.etag or None, customer_key=base.customer_key
    )
    copies = {part.number for part in plan.parts if part.kind == "copy"}

    def move(part: Part, attempt: int) -> PartWork:
        return target.copy(part, copied) if part.number in copies else send(target, source, part)

    transfer = make_transfer(
        client,
        move,
        f"patch of {location.url}",
        Speed(slots=options.upload_slots, bwlimit=options.bwlimit, direction="copy", bucket=location.bucket),
        report,
        on_part=job.record,
        gate=gate,
        total=plan.size,
    )
    try:
        move_all(transfer, (Part(part.number, part.offset, part.length) for part in plan.parts))
    except S3AMError:
        if transfer.failure is not None and transfer.failure.kind in (Kind.CONDITION, Kind.MISSING):
            raise to_error(replace(transfer.failure, kind=Kind.CHANGED), location.url) from None
        checksum_choice.check_copied(transfer.failure, begun.checks, client.session.capabilities(location.bucket))
        raise


def _check_base(base: Pinned) -> None:
    """For servers that ignore x-amz-copy-source-if-match, and for changes after the last copy."""
    now = base.client.find(base.location.bucket, base.location.key, customer_key=base.customer_key)
    if now is None or now.etag != base.info.etag:
        raise SourceChanged(f"{base.location.url} was changed by somebody else while it was changed here")
