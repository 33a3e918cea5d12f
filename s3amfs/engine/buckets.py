"""The requests about buckets instead of objects: the location of one, and the names of all."""

from __future__ import annotations

from ..core.failures import Kind
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from .client import S3Client


def location_of(client: S3Client, bucket: str) -> str | None:
    """The bucket's LocationConstraint as GetBucketLocation says it; '' where it is empty; None where denied."""
    reply, failure = client.attempt(s3api.get_bucket_location(bucket))
    if failure is not None and failure.kind in (Kind.DENIED, Kind.UNSUPPORTED):
        return None
    if failure is not None:
        raise to_error(failure, f"s3://{bucket}")
    return s3api.parse_location(reply)


def list_buckets(client: S3Client) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while True:
        page = s3api.parse_buckets(client.call(s3api.list_buckets(token=token), "the list of buckets"))
        found += [name for name, _ in page.buckets]
        before, token = token, page.next_token
        if token is None:
            return found
        s3api.must_advance(token != before, "ListBuckets")
