"""The beginning of an upload that several processes share: part size, multipart upload, first part, job."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ..core.manifest import SourceIdentity
from ..core.parts import Plan, choose_part_size, copy_part_size
from ..core.split_job import Kind, SplitJob
from ..transfers.job import Job
from ..transfers.resume import part_size_of
from ..transfers.send_parts import SendParts
from ..wire.s3 import api as s3api
from .split_ends import SplitEnds

_UNWRITTEN = ("customer_key", "extra_headers")
"""May be secrets."""


def begin(ends: SplitEnds, sending: SendParts, source: str) -> SplitJob:
    """Continues the unfinished upload that `sending` finds, or begins one; returns its job.

    An upload without parts gets the first byte of part 1 from here, or what S3 copies as part 1: that shows in which
    form the server takes them, and until then the upload may be begun again in another. More of the part would be moved
    by one machine while the others wait. source: the source's name as a job holds it, without a secret.
    Raises what `upload` raises; the upload stays, and `sending` leaves or aborts it.
    """
    job, size = ends.job, ends.size
    options = job.options
    kind: Kind = "copy" if ends.copies else "upload"
    ends.warn_of_lost()
    begun = sending.find()
    taken_up = part_size_of(begun, size) if begun is not None else None
    choose = copy_part_size if ends.copies else choose_part_size
    plan = Plan(size, choose(size, options.part_size, taken_up=taken_up))
    if begun is not None:
        sending.take_up(plan, ends.hashes)
    else:
        sending.begin(plan.part_size)
    job.report.started(size, plan.part_size, len(plan))
    if not sending.records and (ends.copies or len(plan) == 1):
        sending.move_all([plan.part(1)])
    elif not sending.records:
        sending.try_out(plan.part(1))
    assert sending.begun is not None
    return replace(
        split_job(job, source, ends.identity, kind=kind, upload=sending.begun.upload),
        size=size,
        part_size=plan.part_size,
        version_id=ends.version_id,
    )


def split_job(
    job: Job,
    source: str,
    identity: SourceIdentity,
    *,
    kind: Kind = "upload",
    upload: s3api.MultipartUpload | None = None,
) -> SplitJob:
    """Returns `job` as the processes that share it get it, of no bytes.

    source: its name, without a secret. upload: the one that all send to; None: none is begun yet.
    """
    options = job.options
    return SplitJob(
        kind,
        source,
        job.target.url,
        job.client.session.endpoint_id(job.target.bucket),
        identity,
        size=0,
        part_size=1,
        upload_id=upload.upload_id if upload is not None else "",
        checksum_algorithm=upload.checksum_algorithm if upload is not None else None,
        checksum_type=upload.checksum_type if upload is not None else None,
        exists=options.exists,
        checksum=options.checksum,
        expect=options.expect,
        asked=asked_in(options.object),
    )


def asked_in(options: s3api.ObjectOptions) -> dict[str, Any]:
    """Returns what `options` ask for, for a job file; nothing that may be secret."""
    found = asdict(replace(options, customer_key=None, extra_headers=()))
    return {name: value for name, value in found.items() if value and name not in _UNWRITTEN}
