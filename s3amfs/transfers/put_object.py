"""An object stored with one PutObject, with the checks, fall-backs and conditions that uploads in parts have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.checksums import encode
from ..core.failures import Kind
from ..core.locations import S3Location
from ..core.parts import Part
from ..engine.attempt import Move, PartResult
from ..engine.client import S3Client
from ..engine.targets import PutTarget, Target
from ..errors import ChecksumMismatch, S3AMError
from ..wire.s3 import api as s3api
from . import checksum_choice
from .job import Job
from .options import UploadOptions
from .speed import Speed, make_transfer, move_all

DAMAGED_TRIES = 5
"""How often an object that arrived damaged is replaced; a wire that always damages will not stop doing so."""
MoveTo = Callable[[Target], Move]
"""Given a target: how the bytes get there (upload_source.UploadSource.move)."""


def put_single(
    job: Job, length: int, move: MoveTo, *, others: tuple[S3Client, ...] = ()
) -> tuple[s3api.StoredInfo, str, str]:
    """Stores `length` bytes; `move` says how they get to a target. Returns what is stored, its checksum and the proof.

    others: further clients whose credentials sign requests.
    Raises ObjectExists (also where another writer was faster), SourceChanged, TransferError.
    """
    client, target, options, report = job.client, job.target, job.options, job.report
    capabilities = job.can
    object_options = _with_condition(options, capabilities.conditional_writes)
    tries = 0
    while True:
        tries += 1
        checks = checksum_choice.choose(options.checksum, capabilities, object_options)
        put = PutTarget(client.session, target.bucket, target.key, object_options, checks.parts)
        results: list[PartResult] = []
        transfer = make_transfer(
            client,
            move(put),
            target.url,
            Speed(slots=1, bwlimit=options.bwlimit, bucket=target.bucket),
            report,
            on_part=results.append,
            others=others,
            gate=job.gate,
            total=length,
        )
        try:
            move_all(transfer, [Part(1, 0, length)])
        except S3AMError:
            failure = transfer.failure
            if failure is not None and failure.kind is Kind.CONDITION and (transfer.retries or put.sent_twice):
                found = _ours(client, target, options, put, length)
                if found is not None:
                    return found, "", "ETag of the object"
            if failure is not None and failure.kind is Kind.CONDITION and put.damaged and tries < DAMAGED_TRIES:
                object_options = replace(object_options, if_none_match=None, if_match=put.damaged)
                continue
            if failure is not None and failure.kind is Kind.UNSUPPORTED and object_options is not options.object:
                capabilities.conditional_writes, object_options = False, options.object
                continue
            if checksum_choice.should_fall_back(failure, options.checksum, capabilities):
                capabilities.trailers = False
                report.warn("the server takes no checksum trailers: content is checked by ETags")
                continue
            if put.damaged:
                raise _remove_damaged(client, target, options, put) from None
            raise
        assert put.stored is not None
        if checks.parts.trailer is not None:
            capabilities.trailers = True
        return put.stored, _checksum(checks.parts.crc, results[0].crc), checks.proof_of_whole


def _with_condition(options: UploadOptions, conditional_writes: bool | None) -> s3api.ObjectOptions:
    """Where no object may be replaced, the server is told so, unless it is known not to understand."""
    implied = options.exists == "refuse" and options.object.if_none_match is None
    if implied and conditional_writes is not False:
        return replace(options.object, if_none_match="*")
    return options.object


def _checksum(name: str | None, crc: int | None) -> str:
    return f"{name}:{encode(name, crc)}" if name and crc is not None else ""


def _remove_damaged(client: S3Client, target: S3Location, options: UploadOptions, put: PutTarget) -> ChecksumMismatch:
    """What was stored with other bytes than were sent does not stay. Returns the error to raise."""
    found = client.find(target.bucket, target.key, customer_key=options.object.customer_key)
    if found is not None and found.etag == put.damaged:
        client.delete(target.bucket, target.key)
    return ChecksumMismatch(f"{target.url}: bytes arrived damaged again and again: check the network and its devices")


def _ours(
    client: S3Client, target: S3Location, options: UploadOptions, put: PutTarget, length: int
) -> s3api.StoredInfo | None:
    """The object that an attempt whose answer was lost has stored, if it is that: told by its checksum or ETag."""
    found = client.find(target.bucket, target.key, customer_key=options.object.customer_key)
    if found is None or found.size != length or not put.is_content_of(found.etag, found.checksums):
        return None
    return s3api.StoredInfo(found.etag, found.checksums, found.checksum_type, found.version_id)
