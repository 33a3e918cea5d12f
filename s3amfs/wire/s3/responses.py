"""One function per S3 answer: a successful `Reply` in, frozen data out. Pure; any thread.

Failures are `replies.find_failure`'s business, called first. Here a reply that says success but makes no sense raises
TransferError (retryable by the caller's policy as a server's fault).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from ...core.http import parse_content_range
from ...errors import TransferError
from ..messages import Reply
from . import xml
from .model import (
    CONTENT_HEADERS,
    BucketsPage,
    DeleteFailure,
    ListedObject,
    ListPage,
    MultipartUpload,
    ObjectAttributes,
    ObjectInfo,
    PartInfo,
    PartsPage,
    StoredInfo,
    UploadInfo,
    UploadsPage,
    bare_etag,
    is_weak_etag,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    Decoder = Callable[[str], str]

_BARE_ETAG = re.compile(rb"<ETag>\s*(?!W/|[\"\s<]|&quot;|&#34;|&#x22;)")
SSE = "x-amz-server-side-encryption"
CHECKSUMS = ("crc64nvme", "crc32c", "crc32", "sha1", "sha256")
_CHECKSUM_HEADERS = {name: f"x-amz-checksum-{name}" for name in CHECKSUMS}
_CONTENT_HEADERS = {name: header.lower() for name, header in CONTENT_HEADERS.items()}


def _without_framing(coding: str | None) -> str | None:
    """`aws-chunked` is how a body was sent; some servers keep it as if the object were encoded so."""
    kept = [token for token in (coding or "").split(",") if token.strip().lower() not in ("aws-chunked", "")]
    return ",".join(kept) or None


def has_bare_etag(reply: Reply) -> bool:
    """Whether an ETag is there, in a header or in XML, without the quotes that belong to it.

    That of GetObjectAttributes has none on AWS either.
    """
    header = reply.headers.get("etag", "").strip()
    if header:
        return not header.endswith('"')
    body = reply.body
    if body.count(b"<ETag>&quot;") + body.count(b'<ETag>"') == body.count(b"<ETag>"):  # a listing has thousands
        return False
    return b"<GetObjectAttributes" not in body and _BARE_ETAG.search(body) is not None


def parse_object(reply: Reply) -> ObjectInfo:
    """HeadObject, or the headers of GetObject."""
    headers = reply.headers
    first, length, size = _extent(reply)
    plain = {name: _text(headers[header]) for name, header in _CONTENT_HEADERS.items() if header in headers}
    if "content_encoding" in plain:
        plain["content_encoding"] = _without_framing(plain["content_encoding"])
    return ObjectInfo(
        size=size,
        etag=bare_etag(headers.get("etag", "")),
        weak_etag=is_weak_etag(headers.get("etag", "")),
        last_modified=http_time(headers.get("last-modified")),
        version_id=_version(headers.get("x-amz-version-id")),
        **plain,
        metadata=_metadata(headers),
        checksums=_checksum_headers(headers),
        checksum_type=headers.get("x-amz-checksum-type"),
        storage_class=headers.get("x-amz-storage-class"),
        sse=headers.get(SSE),
        sse_kms_key_id=headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
        bucket_key=_maybe_flag(headers.get("x-amz-server-side-encryption-bucket-key-enabled")),
        customer_key_md5=headers.get("x-amz-server-side-encryption-customer-key-md5"),
        parts_count=_maybe_number(headers.get("x-amz-mp-parts-count")),
        tags_count=_maybe_number(headers.get("x-amz-tagging-count")) or 0,
        locked="x-amz-object-lock-mode" in headers or headers.get("x-amz-object-lock-legal-hold") == "ON",
        accept_ranges=headers.get("accept-ranges", "").strip().lower() == "bytes",
        first=first,
        length=length,
    )


def parse_stored(reply: Reply) -> StoredInfo:
    """Parses the headers of PutObject and UploadPart. Raises TransferError if there is no ETag."""
    headers = reply.headers
    if not (etag := headers.get("etag")):
        raise TransferError("the server stored the data but sent no ETag: it is not a usable S3 server or proxy")
    return StoredInfo(
        etag=bare_etag(etag),
        checksums=_checksum_headers(headers),
        checksum_type=headers.get("x-amz-checksum-type"),
        version_id=_version(headers.get("x-amz-version-id")),
        sse=headers.get(SSE),
    )


def parse_copied(reply: Reply, *, may_lack_etag: bool = False) -> StoredInfo:
    """Parses the body of CopyObject, UploadPartCopy and CompleteMultipartUpload. Raises MalformedXml."""
    root = xml.parse(reply.body, "CopyObjectResult", "CopyPartResult", "CompleteMultipartUploadResult")
    etag = xml.text(root, "ETag") or reply.headers.get("etag", "")
    if not etag and not may_lack_etag:
        raise xml.MalformedXml("the server's answer names no ETag")
    return StoredInfo(
        etag=bare_etag(etag),
        checksums=_checksums(root) or _checksum_headers(reply.headers),
        checksum_type=xml.text(root, "ChecksumType") or reply.headers.get("x-amz-checksum-type"),
        version_id=_version(reply.headers.get("x-amz-version-id")),
        source_version_id=_version(reply.headers.get("x-amz-copy-source-version-id")),
        last_modified=iso_time(xml.text(root, "LastModified")),
        sse=reply.headers.get(SSE),
    )


def parse_created(reply: Reply, bucket: str, key: str) -> MultipartUpload:
    """Parses CreateMultipartUpload; bucket and key are the request's, since servers escape them in various ways.

    Raises MalformedXml.
    """
    root = xml.parse(reply.body, "InitiateMultipartUploadResult")
    upload_id = xml.text(root, "UploadId").strip()
    if not upload_id:
        raise xml.MalformedXml("the server began an upload but named no UploadId")
    algorithm = reply.headers.get("x-amz-checksum-algorithm") or xml.text(root, "ChecksumAlgorithm")
    kind = reply.headers.get("x-amz-checksum-type") or xml.text(root, "ChecksumType") or None
    return MultipartUpload(bucket, key, upload_id, algorithm.lower() or None, kind, reply.headers.get(SSE))


def parse_parts(reply: Reply) -> PartsPage:
    """Parses ListParts. Raises MalformedXml."""
    root = xml.parse(reply.body, "ListPartsResult", "ListPartsResponse")
    parts = tuple(
        PartInfo(
            number=xml.number(part, "PartNumber"),
            size=xml.number(part, "Size"),
            etag=bare_etag(xml.text(part, "ETag")),
            checksums=_checksums(part),
            last_modified=iso_time(xml.text(part, "LastModified")),
        )
        for part in xml.children(root, "Part")
    )
    following = None
    if xml.flag(root, "IsTruncated"):
        following = xml.number(root, "NextPartNumberMarker") or (parts[-1].number if parts else 0)
        must_advance(following > xml.number(root, "PartNumberMarker"), "ListParts")
    return PartsPage(
        parts=parts,
        next_marker=following,
        checksum_algorithm=xml.text(root, "ChecksumAlgorithm").lower() or None,
        checksum_type=xml.text(root, "ChecksumType") or None,
    )


def parse_uploads(reply: Reply) -> UploadsPage:
    """Parses ListMultipartUploads. Raises MalformedXml."""
    root = xml.parse(reply.body, "ListMultipartUploadsResult")
    decode = decoder(root)
    uploads = tuple(
        UploadInfo(
            key=decode(xml.text(item, "Key")),
            upload_id=xml.text(item, "UploadId").strip(),
            initiated=iso_time(xml.text(item, "Initiated")),
            storage_class=xml.text(item, "StorageClass") or None,
            checksum_algorithm=xml.text(item, "ChecksumAlgorithm").lower() or None,
            checksum_type=xml.text(item, "ChecksumType") or None,
            initiator=xml.text(item, "Initiator/DisplayName") or xml.text(item, "Initiator/ID"),
        )
        for item in xml.children(root, "Upload")
    )
    following = None
    if xml.flag(root, "IsTruncated"):
        following = (decode(xml.text(root, "NextKeyMarker")), xml.text(root, "NextUploadIdMarker"))
        before = (decode(xml.text(root, "KeyMarker")), xml.text(root, "UploadIdMarker"))
        # SeaweedFS says no key, only the upload after which it goes on.
        must_advance(any(following) and following != before, "ListMultipartUploads")
    return UploadsPage(uploads, prefixes(root, decode), following)


def parse_objects(reply: Reply) -> ListPage:
    """Parses ListObjectsV2. Raises MalformedXml."""
    root = xml.parse(reply.body, "ListBucketResult")
    following = None
    if xml.flag(root, "IsTruncated"):
        following = xml.text(root, "NextContinuationToken")
        must_advance(bool(following) and following != xml.text(root, "ContinuationToken"), "ListObjectsV2")
    return ListPage(listed_objects(root), prefixes(root, decoder(root)), following)


def listed_objects(root: Element) -> tuple[ListedObject, ...]:
    """The objects of a page of ListObjectsV2. Raises MalformedXml."""
    decode = decoder(root)
    return tuple(
        ListedObject(
            key=decode(xml.text(item, "Key")),
            size=xml.number(item, "Size"),
            etag=bare_etag(xml.text(item, "ETag")),
            last_modified=iso_time(xml.text(item, "LastModified")),
            storage_class=xml.text(item, "StorageClass") or None,
        )
        for item in xml.children(root, "Contents")
    )


def parse_buckets(reply: Reply) -> BucketsPage:
    root = xml.parse(reply.body, "ListAllMyBucketsResult")
    buckets = tuple(
        (xml.text(item, "Name"), iso_time(xml.text(item, "CreationDate"))) for item in root.findall("Buckets/Bucket")
    )
    return BucketsPage(buckets, xml.text(root, "ContinuationToken") or None)


def parse_deleted(reply: Reply) -> tuple[DeleteFailure, ...]:
    """DeleteObjects: the keys that were not deleted; () is success."""
    root = xml.parse(reply.body, "DeleteResult")
    return tuple(
        DeleteFailure(
            key=xml.text(item, "Key"),
            code=xml.text(item, "Code"),
            message=xml.text(item, "Message"),
            version_id=_version(xml.text(item, "VersionId")),
        )
        for item in xml.children(root, "Error")
    )


def parse_attributes(reply: Reply) -> ObjectAttributes:
    """Parses GetObjectAttributes. Raises MalformedXml."""
    root = xml.parse(
        reply.body, "GetObjectAttributesResponse", "GetObjectAttributesOutput", "GetObjectAttributesResult"
    )
    whole, pages = root.find("Checksum"), root.find("ObjectParts")
    parts: tuple[PartInfo, ...] = ()
    following = count = None
    if pages is not None:
        count = xml.number(pages, "TotalPartsCount") or xml.number(pages, "PartsCount") or None
        parts = tuple(
            PartInfo(xml.number(part, "PartNumber"), xml.number(part, "Size"), "", _checksums(part))
            for part in xml.children(pages, "Part")
        )
        if xml.flag(pages, "IsTruncated"):
            following = xml.number(pages, "NextPartNumberMarker")
            must_advance(following > xml.number(pages, "PartNumberMarker"), "GetObjectAttributes")
    return ObjectAttributes(
        size=xml.number(root, "ObjectSize") if root.find("ObjectSize") is not None else None,
        etag=bare_etag(xml.text(root, "ETag")),
        checksums=_checksums(whole) if whole is not None else {},
        checksum_type=(xml.text(whole, "ChecksumType") or None) if whole is not None else None,
        storage_class=xml.text(root, "StorageClass") or None,
        version_id=_version(reply.headers.get("x-amz-version-id")),
        last_modified=http_time(reply.headers.get("last-modified")),
        parts_count=count,
        parts=parts,
        next_marker=following,
    )


def parse_location(reply: Reply) -> str:
    """GetBucketLocation: the LocationConstraint as it stands, '' for us-east-1 ('EU' is eu-west-1)."""
    root = xml.parse(reply.body, "LocationConstraint", "CreateBucketConfiguration", "GetBucketLocationOutput")
    inner = root.text if root.tag == "LocationConstraint" else xml.text(root, "LocationConstraint")
    return (inner or "").strip()


def parse_region(reply: Reply) -> str | None:
    """The region of the bucket that any answer about it, also a failed one, may name."""
    return reply.headers.get("x-amz-bucket-region") or None


def parse_tags(reply: Reply) -> dict[str, str]:
    root = xml.parse(reply.body, "Tagging")
    return {xml.text(tag, "Key"): xml.text(tag, "Value") for tag in root.findall("TagSet/Tag")}


@lru_cache(maxsize=1024)
def http_time(value: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date (RFC 9110 section 5.6.7); None when it is none."""
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def iso_time(value: str) -> float | None:
    """Seconds since the epoch of S3's `2026-01-31T12:00:00.000Z`; None when it is none."""
    from datetime import datetime, timezone

    value = value.strip()
    whole, _, fraction = value.rstrip("Zz").partition(".")
    try:
        moment = datetime.fromisoformat(whole)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp() + (int(fraction[:6].ljust(6, "0")) / 1e6 if fraction[:6].isdigit() else 0.0)
    except (ValueError, OverflowError):
        return None


def _extent(reply: Reply) -> tuple[int, int, int]:
    """First byte and length of this answer, and size of the whole object."""
    value = reply.headers.get("content-range")
    if value is not None and reply.status == 206:
        found = parse_content_range(value)
        if found is None or found.total is None or not found.length:
            raise TransferError(f"the server's Content-Range makes no sense: {value[:60]!r}")
        return found.start, found.length, found.total
    length = _maybe_number(reply.headers.get("content-length"))
    if length is None and reply.content_length >= 0:
        length = reply.content_length
    if length is None:
        raise TransferError("the server does not say how large the object is")
    return 0, length, length


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-amz-meta-"
    return {name[len(prefix) :]: _ascii(value) for name, value in headers.items() if name.startswith(prefix)}


def _ascii(value: str) -> str:
    """Metadata with other than ASCII in the form in which AWS answers it (RFC 2047), so that a copy can send it on."""
    if value.isascii():
        return value
    from base64 import b64encode

    return f"=?UTF-8?B?{b64encode(_as_utf8(value)).decode()}?="


def _text(value: str | None) -> str | None:
    """A header that S3 gives back in the UTF-8 it was sent in; as latin-1 where it is none."""
    return value if value is None or value.isascii() else _as_utf8(value).decode()


def _as_utf8(value: str) -> bytes:
    raw = value.encode("latin-1", "replace")  # header bytes come decoded as latin-1
    try:
        raw.decode("utf-8")
        return raw
    except UnicodeDecodeError:
        return value.encode("utf-8", "replace")


def _checksum_headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers[header].strip() for name, header in _CHECKSUM_HEADERS.items() if header in headers}
    return {name: value for name, value in found.items() if value}


def _checksums(element: Element) -> dict[str, str]:
    found = {name: xml.text(element, f"Checksum{name.upper()}").strip() for name in CHECKSUMS}
    return {name: value for name, value in found.items() if value}


def prefixes(root: Element, decode: Decoder) -> tuple[str, ...]:
    return tuple(decode(xml.text(item, "Prefix")) for item in xml.children(root, "CommonPrefixes"))


def decoder(root: Element) -> Decoder:
    """Keys are escaped only if the server says so: some ignore the wish for encoding-type=url."""
    return unquote_plus if xml.text(root, "EncodingType").strip().lower() == "url" else str


def must_advance(advances: bool, operation: str) -> None:
    """Raises MalformedXml for a truncated page that doesn't say where the next one begins."""
    if not advances:
        raise xml.MalformedXml(f"the server's {operation} says that more follows, but not where")


def _version(value: str | None) -> str | None:
    return value if value and value != "null" else None


def _maybe_number(value: str | None) -> int | None:
    value = (value or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else None


def _maybe_flag(value: str | None) -> bool | None:
    return None if value is None else value.strip().lower() == "true"
