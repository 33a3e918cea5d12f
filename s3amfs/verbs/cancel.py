"""`cancel`: aborts unfinished uploads, and drops changes that a mount could not publish."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..core.locations import S3Location
from ..engine.client import S3Client
from ..engine.journal import Journal
from ..engine.uploads import abort_upload, list_uploads
from ..errors import InvalidDestination, TransferLocked
from ..objects.unpublished import discard, left_changes
from ..wire.s3 import api as s3api
from .pending import Pending, is_old, look_at_upload, manifest_path


def cancel(
    target: S3Location,
    client: S3Client,
    *,
    prefix: bool = False,
    older_than: float | None = None,
    dry_run: bool = False,
    state: str | None = None,
) -> Iterator[Pending]:
    """Aborts unfinished uploads of `target` (prefix: of all keys that begin with it) and yields each.

    Unpublished changes of them are removed, too.

    Raises InvalidDestination, NotFound (no such bucket), AccessDenied, TransferError.
    """
    if not prefix and (not target.key or target.key.endswith("/")):
        raise InvalidDestination(
            f"{target.url} names no object: give a key, or --prefix for all keys that begin with it"
        )
    client.check_bucket(target.bucket)
    uploads = list(list_uploads(client, target.bucket, target.key))
    for upload in uploads:
        if not prefix and upload.key != target.key:
            continue
        found = look_at_upload(client, target.bucket, upload, state, with_parts=False)
        if found is None or not is_old(found, older_than):
            continue
        if not dry_run:
            abort_upload(client, s3api.MultipartUpload(target.bucket, upload.key, upload.upload_id))
            _forget(client, target.bucket, upload, state)
        yield found
    for left in list(left_changes(client, target.bucket, target.key, state)):
        if (prefix or left.key == target.key) and is_old(left, older_than):
            if not dry_run:
                discard(client, left, state)
            yield left


def _forget(client: S3Client, bucket: str, upload: s3api.UploadInfo, state: str | None) -> None:
    """Removes the manifest of an upload that is no more, unless a transfer is using it."""
    path = manifest_path(client, bucket, upload.key, state)
    if not os.path.exists(path):
        return
    with contextlib.suppress(TransferLocked, OSError):
        journal = Journal.open(path)
        manifest = journal.manifest
        if manifest is None or manifest.upload is None or manifest.upload.upload_id == upload.upload_id:
            journal.remove()
        else:
            journal.close()
