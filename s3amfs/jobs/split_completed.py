"""Whether the object at the target is the one that the upload of a split job has made, once that upload is gone.

A `finish` that was killed, or one on another machine, completes the upload without this job file saying so. An upload
that was aborted is gone just the same, and the object that stood there before may have as many bytes and parts.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.locations import parse_s3_url
from ..core.manifest import PartRecord
from ..core.split_job import SplitJob
from ..engine.client import S3Client
from ..errors import S3AMError
from ..transfers.checksum_choice import whole_crc, whole_etag
from ..transfers.job import Job
from ..transfers.options import ObjectInfo, UploadOptions


def stands_at(job: Job) -> str | None:
    """Returns the ETag of the object at the target of `job`, '' if there is none, None if that cannot be seen."""
    try:
        found = job.client.find(job.target.bucket, job.target.key, customer_key=job.options.object.customer_key)
    except S3AMError:
        return None
    return found.etag if found is not None else ""


def completed(
    job: SplitJob, client: S3Client, options: UploadOptions, records: Mapping[int, PartRecord]
) -> ObjectInfo | None:
    """Returns the object that the upload of `job` has made; None: there is no such object.

    records: of the parts, as far as their movers' are seen here. Raises AccessDenied, TransferError.
    """
    target = parse_s3_url(job.target)
    found = client.find(target.bucket, target.key, customer_key=options.object.customer_key)
    return found if found is not None and is_made_by(job, found, records) else None


def is_made_by(job: SplitJob, found: ObjectInfo, records: Mapping[int, PartRecord]) -> bool:
    """Whether the upload of `job` has made the object `found`.

    By its CRC or ETag where every part has a record; else it must at least be another one than stood there when the job
    was started, with as many bytes and parts.
    """
    if found.size != job.size or not found.etag.endswith(f"-{len(job.plan)}"):
        return False
    parts = [records[part.number] for part in job.plan if part.number in records]
    if len(parts) == len(job.plan):
        if whole_etag([part.etag for part in parts]) == found.etag:
            return True
        name = job.checksum_algorithm or ""
        crc, said = whole_crc(parts, name or None), found.checksums.get(name, "")
        if crc and said and (found.checksum_type or "FULL_OBJECT") == "FULL_OBJECT" and "-" not in said:
            return crc == said
    if job.replaces is None:
        return job.exists != "overwrite"
    return found.etag != job.replaces
