"""Parts that are holes: S3 copies them from a temporary object of zeros, so that no zeros are sent but its own.

The object lies beside the target, `KEY.s3am-zeros-ID`, and is removed when the parts are there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..core.expected import NOTHING
from ..core.holes import digests_of_zeros, worth_copying
from ..core.locations import S3Location
from ..core.parts import Part
from ..engine.attempt import Move, PartWork
from ..engine.client import S3Client
from ..engine.targets import MultipartTarget
from ..errors import AccessDenied, S3AMError, SourceChanged, Unsupported
from ..transfers.job import Job, stream_job
from ..transfers.options import ObjectOptions, UploadOptions
from ..transfers.report import ignore
from ..transfers.send_parts import Movement, SendParts
from ..transfers.speed import Speed
from ..wire.s3 import api as s3api
from ..wire.s3 import bucket as bucketapi
from ..wire.s3.xml import MalformedXml
from .writer import ObjectWriter

PIECE = bytes(1024 * 1024)


def copy_zeros(sending: SendParts, job: Job, parts: Sequence[Part]) -> None:
    """Has S3 copy `parts`, which are zeros, where that is cheaper than sending them.

    sending: begun. Parts that are not copied are left for `install`: if the server copies no parts or does not prove
    them, or if no temporary object can be stored there. Raises TransferError and what else ends a transfer.
    """
    lengths = [part.length for part in parts]
    if not worth_copying(lengths) or job.can.copies_ranges is False or not _declares_crc64nvme_or_none(sending):
        return
    try:
        with _object_of_zeros(job, max(lengths)) as source:
            sending.move_all(parts, _movement(job, source, set(lengths)))
    except (Unsupported, SourceChanged) as error:
        job.report.warn(f"{job.target.url}: holes are sent as zeros, since S3 can't copy them ({error})")


def _declares_crc64nvme_or_none(sending: SendParts) -> bool:
    return sending.begun is not None and sending.begun.upload.checksum_algorithm in (None, "crc64nvme")


def _movement(job: Job, source: s3api.CopySource, lengths: set[int]) -> Movement:
    digests = {length: digests_of_zeros(length) for length in lengths}  # not in a loop's thread: a GiB takes seconds

    def move(target: MultipartTarget) -> Move:
        def work(part: Part, attempt: int) -> PartWork:
            return target.copy(part, source, 0, digests[part.length])

        return work

    speed = Speed(slots=job.options.upload_slots, direction="copy", bucket=job.target.bucket)
    return Movement(move, speed, optional=True)


@contextmanager
def _object_of_zeros(job: Job, length: int) -> Iterator[s3api.CopySource]:
    """It is there for as long as this lasts. Raises Unsupported where it can't be stored, or not be removed."""
    client, bucket = job.client, job.target.bucket
    _refuse_retention(client, bucket)
    where = S3Location(bucket, f"{job.target.key}.s3am-zeros-{uuid.uuid4().hex[:12]}")
    writer = ObjectWriter(stream_job(client, where, _options(job.options), on_event=ignore, gate=job.gate))
    try:
        while writer.position < length:
            writer.write(PIECE[: length - writer.position])
        stored = writer.close()
    except AccessDenied as error:
        writer.abort()
        raise Unsupported(str(error)) from error
    except BaseException:
        writer.abort()
        raise
    try:
        yield s3api.CopySource(bucket, where.key, if_match=stored.etag, customer_key=job.options.object.customer_key)
    finally:
        try:
            client.delete(bucket, where.key, version_id=stored.version_id)
        except S3AMError as error:
            job.report.warn(f"{where.url}, a temporary object of zeros, could not be removed ({error}): remove it")


def _options(options: UploadOptions) -> UploadOptions:
    """As the target is stored, but for what describes its content."""
    asked = options.object
    kept = ObjectOptions(
        sse=asked.sse,
        sse_kms_key_id=asked.sse_kms_key_id,
        bucket_key=asked.bucket_key,
        customer_key=asked.customer_key,
        extra_headers=asked.extra_headers,
    )
    return UploadOptions(
        unfinished="continue",
        expected=NOTHING,
        upload_slots=options.upload_slots,
        object=kept,
        bwlimit=options.bwlimit,
        state_dir=options.state_dir,
    )


def _refuse_retention(client: S3Client, bucket: str) -> None:
    """Raises Unsupported where each new version is locked: nothing temporary is stored there.

    A server that answers something else has no such setting, as `s3am doctor` sees it.
    """
    reply, failure = client.attempt(bucketapi.get_object_lock(bucket))
    try:
        locked = failure is None and bucketapi.has_default_retention(reply)
    except MalformedXml:
        locked = False
    if locked:
        raise Unsupported(f"s3://{bucket} keeps each object by a default retention")
