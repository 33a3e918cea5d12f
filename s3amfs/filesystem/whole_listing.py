"""Listings of whole prefixes by the code of `jobs/`: in many places at a time, each page checked, none missing.

s3fs's own listing follows continuation tokens page after page, and takes a listing that breaks off or leads elsewhere
for the whole of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ..core.entries import Entry, Kind
from ..core.merge import OutOfOrder
from ..errors import TransferError
from ..jobs.listing import Listing, ListOptions

if TYPE_CHECKING:
    from ..engine.client import S3Client

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def list_all(client: S3Client, bucket: str, prefix: str) -> list[dict[str, Any]]:
    """The objects whose keys begin with `prefix`, in the order of keys, as s3fs's `ls` describes them. Blocks.

    Raises NotFound (no such bucket), AccessDenied, TransferError (also where the listing ended early).
    """
    try:
        return _rows(client, bucket, ListOptions(prefix=prefix))
    except OutOfOrder:
        return _rows(client, bucket, ListOptions(prefix=prefix, sort=True))


def _rows(client: S3Client, bucket: str, options: ListOptions) -> list[dict[str, Any]]:
    listing = Listing(client, bucket, options)
    try:
        return [_row(bucket, entry) for entry in listing]
    finally:
        listing.close()


def _row(bucket: str, entry: Entry) -> dict[str, Any]:
    if entry.kind is Kind.END:
        raise TransferError(f"s3://{bucket}/{entry.key}: {entry.problem}: repeat the call")
    name = f"{bucket}/{entry.key}"
    return {
        "Key": name,
        "LastModified": _EPOCH + timedelta(microseconds=entry.modified // 1000),
        "ETag": f'"{entry.etag}"',
        "Size": entry.size,
        "StorageClass": entry.storage_class or "STANDARD",
        "type": "file",
        "size": entry.size,
        "name": name,
    }
