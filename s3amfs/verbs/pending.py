"""`pending`: unfinished uploads, what they hold, whether this machine can resume them.

With them go the changes that a mount could not publish (objects/unpublished.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict

from ..core import manifest as m
from ..core.define import define
from ..core.sizes import format_age, format_size
from ..engine.buckets import list_buckets
from ..engine.client import S3Client
from ..engine.journal import Journal, state_dir
from ..engine.uploads import list_parts, list_uploads
from ..errors import NotFound, UploadGone
from ..objects.unpublished import UnpublishedChanges, left_changes
from ..wire.s3 import api as s3api


@define(frozen=True, slots=True)
class PendingUpload:
    """One unfinished upload."""

    bucket: str
    key: str
    upload_id: str
    initiated: float | None
    """Seconds since the epoch."""
    age: float | None
    """Seconds."""
    parts: int
    bytes: int
    resumable: bool
    """A manifest on this machine knows it."""
    owner: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def text(self) -> str:
        age = format_age(self.age) if self.age is not None else "?"
        where = "resumable here" if self.resumable else "not begun here"
        return (
            f"{self.url}  age {age}  {self.parts} parts  {format_size(self.bytes)}  {where}  "
            f"owner {self.owner or '?'}  id {self.upload_id}"
        )

    @property
    def what(self) -> str:
        return f"the unfinished upload {self.upload_id} of {self.url}"

    def json(self) -> dict[str, object]:
        return {"event": "pending", "url": self.url, **asdict(self)}

    def cancelled(self) -> dict[str, object]:
        return {**self.json(), "event": "cancelled"}


Pending = PendingUpload | UnpublishedChanges


def pending(
    client: S3Client,
    bucket: str | None,
    prefix: str = "",
    *,
    older_than: float | None = None,
    state: str | None = None,
) -> Iterator[Pending]:
    """Unfinished uploads, and unpublished changes, of all keys that begin with `prefix`; bucket None: of all buckets.

    older_than: seconds. Raises NotFound, AccessDenied, TransferError.
    """
    for name in [bucket] if bucket is not None else list_buckets(client):
        if bucket is not None:
            client.check_bucket(name)
        for upload in list_uploads(client, name, prefix):
            found = look_at_upload(client, name, upload, state, with_parts=True)
            if found is not None and is_old(found, older_than):
                yield found
    yield from (left for left in left_changes(client, bucket, prefix, state) if is_old(left, older_than))


def is_old(found: Pending, older_than: float | None) -> bool:
    """Whether `found` is at least `older_than` seconds old; None: always."""
    return older_than is None or (found.age is not None and found.age >= older_than)


def look_at_upload(
    client: S3Client, bucket: str, upload: s3api.UploadInfo, state: str | None, *, with_parts: bool
) -> PendingUpload | None:
    """None if it was completed or aborted meanwhile."""
    parts: list[s3api.PartInfo] = []
    if with_parts:
        try:
            parts = list_parts(client, s3api.MultipartUpload(bucket, upload.key, upload.upload_id))
        except (UploadGone, NotFound):
            return None
    manifest = Journal.peek(manifest_path(client, bucket, upload.key, state))
    known = manifest is not None and manifest.upload is not None and manifest.upload.upload_id == upload.upload_id
    return PendingUpload(
        bucket,
        upload.key,
        upload.upload_id,
        upload.initiated,
        max(0.0, time.time() - upload.initiated) if upload.initiated is not None else None,
        len(parts),
        sum(part.size for part in parts),
        known,
        upload.initiator,
    )


def manifest_path(client: S3Client, bucket: str, key: str, state: str | None) -> str:
    """Returns the path of the manifest for uploads to `key`. state: the state folder; None: the default."""
    return os.path.join(state_dir(state), m.manifest_name(client.session.endpoint_id(bucket), bucket, key))
