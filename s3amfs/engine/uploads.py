"""Multipart uploads of one service that are not completed: which there are, which parts they have, and their end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..core.failures import Kind
from ..core.ssec import CustomerKey
from ..errors import UploadGone
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from ..wire.s3.xml import MalformedXml
from .client import S3Client

PROBE = b"\0"
"""The part that `transfers/etag_probe.py` sends before the real one of its number."""
_PROBE_ETAG = hashlib.md5(PROBE, usedforsecurity=False).hexdigest()


def list_uploads(client: S3Client, bucket: str, prefix: str = "") -> Iterator[s3api.UploadInfo]:
    """Unfinished uploads of all keys that begin with `prefix`."""
    after: tuple[str, str] | None = None
    while True:
        page = _uploads_page(client, bucket, prefix, after)
        yield from page.uploads
        before, after = after, page.next_markers
        if after is None:
            return
        s3api.must_advance(after != before, "ListMultipartUploads")


def _uploads_page(client: S3Client, bucket: str, prefix: str, after: tuple[str, str] | None) -> s3api.UploadsPage:
    def ask(escaped: bool) -> s3api.UploadsPage:
        request = s3api.list_multipart_uploads(bucket, prefix=prefix, after=after, escaped=escaped)
        return s3api.parse_uploads(client.call(request, f"s3://{bucket}/{prefix}"))

    try:
        return ask(escaped=False)
    except UploadGone:  # gofakes3, of a bucket that has had no upload yet: 404 NoSuchUpload
        if after is not None:
            raise  # what follows is not known
        return s3api.UploadsPage(())
    except MalformedXml:  # a key with a character that XML can't hold
        return ask(escaped=True)


def uploads_of(client: S3Client, bucket: str, key: str) -> list[s3api.UploadInfo]:
    """Unfinished uploads of exactly `key`, oldest first."""
    return sorted((u for u in list_uploads(client, bucket, key) if u.key == key), key=lambda u: u.initiated or 0.0)


def list_parts(
    client: S3Client, upload: s3api.MultipartUpload, *, after: int = 0, customer_key: CustomerKey | None = None
) -> list[s3api.PartInfo]:
    """All parts behind number `after` that the server has of `upload`. Raises UploadGone, or NotFound."""
    return list(look_at(client, upload, behind=after, customer_key=customer_key).parts)


def look_at(
    client: S3Client, upload: s3api.MultipartUpload, *, behind: int = 0, customer_key: CustomerKey | None = None
) -> s3api.PartsPage:
    """Returns the ListParts description of `upload`, with all its parts that have a number above `behind`.

    Raises UploadGone, or NotFound.
    """
    found: list[s3api.PartInfo] = []
    after = behind or None
    while True:
        request = s3api.list_parts(upload, after=after, customer_key=customer_key)
        page = s3api.parse_parts(client.call(request, f"the unfinished upload of s3://{upload.bucket}/{upload.key}"))
        found += page.parts
        before, after = after, page.next_marker
        if after is None:
            return replace(page, parts=one_of_each(found))
        s3api.must_advance(before is None or after > before, "ListParts")


def one_of_each(listed: Iterable[s3api.PartInfo]) -> tuple[s3api.PartInfo, ...]:
    """Returns one entry for each part number of `listed`, in order.

    Some servers (SeaweedFS) list a part once for each time that it was sent. The last upload of a number is the part
    (S3 API, UploadPart); times are in seconds, and of two at the same one the earlier is a `PROBE`, or the byte of part
    1 that a split upload begins with. Where the entries differ otherwise and their times do not show the last one, it
    has no ETag and no checksum (its size is 0 if they differ in that, too): nothing says what it is.
    """
    by_number: dict[int, list[s3api.PartInfo]] = {}
    for part in listed:
        by_number.setdefault(part.number, []).append(part)
    return tuple(_the_part(by_number[number]) for number in sorted(by_number))


def _the_part(entries: list[s3api.PartInfo]) -> s3api.PartInfo:
    """Returns the part that all `entries` are about."""
    times = [entry.last_modified for entry in entries]
    newest = max((time for time in times if time is not None), default=None)
    last = [entry for entry in entries if None in times or entry.last_modified == newest]
    last = [entry for entry in last if not _is_trial(entry)] or last
    first, checksums = last[0], {name: value for entry in last for name, value in entry.checksums.items()}
    if all(
        (entry.size, entry.etag) == (first.size, first.etag) and {**checksums, **entry.checksums} == checksums
        for entry in last
    ):
        return replace(first, checksums=checksums)
    return s3api.PartInfo(first.number, first.size if len({entry.size for entry in last}) == 1 else 0, "")


def _is_trial(entry: s3api.PartInfo) -> bool:
    """Whether an entry beside others was sent before the real part. Part 1 of several never has one byte."""
    return entry.size == len(PROBE) and (entry.number == 1 or entry.etag == _PROBE_ETAG)


def abort_upload(client: S3Client, upload: s3api.MultipartUpload) -> None:
    """Aborts `upload`; one that is no more is fine."""
    _, failure = client.attempt(s3api.abort_multipart_upload(upload))
    if failure is not None and failure.kind not in (Kind.GONE, Kind.MISSING):
        raise to_error(failure, f"the unfinished upload of s3://{upload.bucket}/{upload.key}")
