"""Unfinished uploads of a key: refuse, continue or abort them, as the contract says (exit codes 4 and 13)."""

from __future__ import annotations

from ..core.failures import Kind
from ..core.locations import S3Location
from ..core.manifest import Manifest
from ..engine.client import S3Client
from ..engine.uploads import abort_upload, list_parts, uploads_of
from ..errors import (
    AccessDenied,
    BadCredentials,
    NotFound,
    SeveralUnfinishedUploads,
    UnfinishedUploadExists,
    Unsupported,
    UploadGone,
)
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from .options import Unfinished
from .report import Report

CLOCK_SECONDS = 1.0
"""How exact times of listings are."""


def list_unfinished(client: S3Client, target: S3Location) -> list[s3api.UploadInfo] | None:
    """Unfinished uploads of exactly `target`; None where the server can't list or the user may not."""
    capabilities = client.session.capabilities(target.bucket)
    if capabilities.list_uploads is False:
        return None
    try:
        found = uploads_of(client, target.bucket, target.key)
    except Unsupported:
        capabilities.list_uploads = False
        return None
    except BadCredentials:
        raise
    except PermissionError:
        return None
    capabilities.list_uploads = True
    return found


def settle(
    client: S3Client, target: S3Location, mode: Unfinished, manifest: Manifest | None, report: Report
) -> s3api.MultipartUpload | None:
    """The upload to go on with, None to begin a new one.

    Raises UnfinishedUploadExists or SeveralUnfinishedUploads, as `mode` wants it.
    """
    ours = _ours(target, manifest)
    if mode == "continue" and ours is None:
        return None  # only what a manifest knows is continued: no listing is needed
    found = list_unfinished(client, target)
    if found is None:
        report.warn("the server does not list unfinished uploads: only one that began here can be continued")
    uploads = {upload.upload_id: _upload(target, upload) for upload in found or ()}
    if ours is not None and ours.upload_id not in uploads and is_alive(client, ours):
        uploads[ours.upload_id] = ours  # listings may lag behind, or not exist
    if mode == "restart":
        for upload in uploads.values():
            abort(client, upload, report)
        return None
    if mode == "continue":
        return ours if ours is not None and ours.upload_id in uploads else None
    if len(uploads) > 1:
        raise SeveralUnfinishedUploads(
            f"there are {len(uploads)} unfinished uploads of {target.url} ('s3am pending' lists them): "
            "remove them with 's3am cancel', or use --force to remove them all and start over"
        )
    if uploads and mode == "refuse":
        raise _refusal(target)
    return next(iter(uploads.values()), None)


def abort(client: S3Client, upload: s3api.MultipartUpload, report: Report) -> None:
    """Aborts `upload`; a server that can't is warned of. Raises TransferError."""
    try:
        abort_upload(client, upload)
    except Unsupported:  # s3rver: 405; nobody can remove it
        report.warn(f"the server cannot abort uploads: the parts of {upload.upload_id} stay there")


def _refusal(target: S3Location) -> UnfinishedUploadExists:
    return UnfinishedUploadExists(
        f"there is an unfinished upload of {target.url}: use --resume to continue it, or --force to start over"
    )


def abort_orphans(client: S3Client, ours: s3api.MultipartUpload, known: set[str], seconds: float) -> None:
    """Removes what a CreateMultipartUpload has left whose answer was lost: as old as ours, by the same user, and empty.

    known: ids of uploads that were there before. seconds: since the first try to begin ours. Another host's upload of
    the same key stays: it would have to be begun by the same user, within these seconds, and still have no part.
    """
    target = S3Location(ours.bucket, ours.key)
    listed = list_unfinished(client, target) or ()
    own = next((found for found in listed if found.upload_id == ours.upload_id), None)
    if own is None or own.initiated is None:
        return
    for found in listed:
        if found is own or found.upload_id in known or found.initiated is None or found.initiator != own.initiator:
            continue
        if own.initiated - seconds - CLOCK_SECONDS <= found.initiated <= own.initiated:
            _abort_if_empty(client, _upload(target, found))


def _abort_if_empty(client: S3Client, upload: s3api.MultipartUpload) -> None:
    try:
        if not list_parts(client, upload):
            abort_upload(client, upload)
    except (AccessDenied, NotFound, Unsupported, UploadGone):
        return  # it is no more, or it can't be seen or removed: no reason to fail


def _upload(target: S3Location, found: s3api.UploadInfo) -> s3api.MultipartUpload:
    return s3api.MultipartUpload(
        target.bucket, target.key, found.upload_id, found.checksum_algorithm, found.checksum_type
    )


def _ours(target: S3Location, manifest: Manifest | None) -> s3api.MultipartUpload | None:
    if manifest is None or manifest.upload is None:
        return None
    upload = manifest.upload
    return s3api.MultipartUpload(
        target.bucket, target.key, upload.upload_id, upload.checksum_algorithm, upload.checksum_type
    )


def is_alive(client: S3Client, upload: s3api.MultipartUpload) -> bool:
    """Whether the server still has `upload`. Raises TransferError where its answer leaves that open."""
    _, failure = client.attempt(s3api.list_parts(upload, max_parts=1))
    if failure is None or failure.kind in (Kind.DENIED, Kind.UNSUPPORTED):
        return True  # where parts can't be listed, nothing says that it is gone
    if failure.kind in (Kind.GONE, Kind.MISSING):
        return False
    raise to_error(failure, f"the unfinished upload of s3://{upload.bucket}/{upload.key}")
