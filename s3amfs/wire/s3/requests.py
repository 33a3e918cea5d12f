"""One function per S3 operation: arguments in, unsigned `S3Request` out. Pure; any thread.

Query parameters, headers and bodies are those of the S3 API reference; what is sent is compared with botocore's own
client in `tests/wire/aws/test_signing.py`. `session.S3Session.prepare` adds endpoint and signature.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...core.expected import WHATEVER, Expected
from ..messages import S3Request
from . import xml
from .model import (
    Body,
    CopySource,
    Headers,
    MultipartUpload,
    ObjectOptions,
    PartInfo,
    condition_headers,
    key_headers,
    quote_etag,
    source_key_headers,
)

if TYPE_CHECKING:
    from ...core.ssec import CustomerKey

Query = tuple[tuple[str, str], ...]
_DEFAULTS = ObjectOptions()
_EMPTY = Body()


def head_object(
    bucket: str,
    key: str,
    *,
    version_id: str | None = None,
    part_number: int | None = None,
    if_match: str | None = None,
    customer_key: CustomerKey | None = None,
) -> S3Request:
    """HeadObject, with its checksums. A failed HEAD has no body, so no error code: ask again with `get_object`."""
    headers = (*_conditions(if_match), ("x-amz-checksum-mode", "ENABLED"), *key_headers(customer_key))
    return S3Request("HEAD", bucket, key, _version(version_id, part_number), headers)


def get_object(
    bucket: str,
    key: str,
    *,
    offset: int | None = None,
    length: int | None = None,
    version_id: str | None = None,
    part_number: int | None = None,
    if_match: str | None = None,
    customer_key: CustomerKey | None = None,
    checksums: bool = True,
) -> S3Request:
    """GetObject; with `offset`, the range of `length` bytes (None: to the end) from there."""
    headers = _conditions(if_match) + key_headers(customer_key)
    if offset is not None:
        last = "" if length is None else str(offset + length - 1)
        headers += (("Range", f"bytes={offset}-{last}"),)
    if checksums:
        headers += (("x-amz-checksum-mode", "ENABLED"),)
    return S3Request("GET", bucket, key, _version(version_id, part_number), headers)


def put_object(
    bucket: str,
    key: str,
    body: Body = _EMPTY,
    options: ObjectOptions = _DEFAULTS,
    expected: Expected = WHATEVER,
) -> S3Request:
    """PutObject. expected: the object that it may replace, sent as a condition."""
    headers = _without_encoding(options) + options.tag_headers() + options.storage_headers()
    headers += condition_headers(expected) + body.headers(options.content_encoding)
    return _with_body(bucket, key, (), headers, body)


def copy_object(
    bucket: str,
    key: str,
    source: CopySource,
    options: ObjectOptions = _DEFAULTS,
    *,
    expected: Expected = WHATEVER,
    replace_metadata: bool = False,
    checksum_algorithm: str | None = None,
) -> S3Request:
    """CopyObject (objects to 5 GiB). Content headers, metadata and tags are those of the source unless replaced.

    `replace_metadata` takes content headers and metadata of `options`, all of them; `options.tags` replaces the tags.
    The answer may be 200 with an error inside: judge it with `replies.find_failure`.
    """
    headers = _source_headers(source) + options.storage_headers() + condition_headers(expected)
    if replace_metadata:
        headers += (("x-amz-metadata-directive", "REPLACE"), *options.content_headers())
    if options.tags is not None:
        headers += (("x-amz-tagging-directive", "REPLACE"), *options.tag_headers())
    if checksum_algorithm is not None:
        headers += (("x-amz-checksum-algorithm", checksum_algorithm.upper()),)
    return S3Request("PUT", bucket, key, (), headers)


def create_multipart_upload(
    bucket: str,
    key: str,
    options: ObjectOptions = _DEFAULTS,
    *,
    checksum_algorithm: str | None = None,
    full_object: bool = True,
) -> S3Request:
    """CreateMultipartUpload. `full_object`: the checksum given at Complete is that of the whole content."""
    headers = options.content_headers() + options.tag_headers() + options.storage_headers()
    if checksum_algorithm is not None:
        headers += (("x-amz-checksum-algorithm", checksum_algorithm.upper()),)
        headers += (("x-amz-checksum-type", "FULL_OBJECT" if full_object else "COMPOSITE"),)
    return S3Request("POST", bucket, key, (("uploads", ""),), headers)


def upload_part(
    upload: MultipartUpload, number: int, body: Body, *, customer_key: CustomerKey | None = None
) -> S3Request:
    """UploadPart. number: 1 to 10,000."""
    query = (("partNumber", str(number)), ("uploadId", upload.upload_id))
    return _with_body(upload.bucket, upload.key, query, key_headers(customer_key) + body.headers(), body)


def upload_part_copy(
    upload: MultipartUpload,
    number: int,
    source: CopySource,
    *,
    offset: int | None = None,
    length: int | None = None,
    customer_key: CustomerKey | None = None,
) -> S3Request:
    """UploadPartCopy of `length` bytes from `offset` (both None: the whole source). May answer 200 with an error."""
    headers = _source_headers(source) + key_headers(customer_key)
    if offset is not None and length is not None:
        headers += (("x-amz-copy-source-range", f"bytes={offset}-{offset + length - 1}"),)
    query = (("partNumber", str(number)), ("uploadId", upload.upload_id))
    return S3Request("PUT", upload.bucket, upload.key, query, headers)


def complete_multipart_upload(
    upload: MultipartUpload,
    parts: Iterable[PartInfo],
    *,
    checksum: tuple[str, str] | None = None,
    checksum_type: str = "FULL_OBJECT",
    size: int | None = None,
    expected: Expected = WHATEVER,
    customer_key: CustomerKey | None = None,
) -> S3Request:
    """CompleteMultipartUpload with `parts` in ascending order; may answer 200 with an error.

    `checksum` is (algorithm, base64) of the whole content, `size` its bytes: S3 refuses to complete if they differ.
    """
    headers = condition_headers(expected)
    headers += (("Content-Type", "application/xml"), *key_headers(customer_key))
    if checksum is not None:
        headers += ((f"x-amz-checksum-{checksum[0]}", checksum[1]), ("x-amz-checksum-type", checksum_type))
    if size is not None:
        headers += (("x-amz-mp-object-size", str(size)),)
    body = xml.build(("CompleteMultipartUpload", [("Part", _part(part)) for part in parts]))
    return S3Request("POST", upload.bucket, upload.key, (("uploadId", upload.upload_id),), headers, body)


def abort_multipart_upload(upload: MultipartUpload) -> S3Request:
    """AbortMultipartUpload."""
    return S3Request("DELETE", upload.bucket, upload.key, (("uploadId", upload.upload_id),))


def list_parts(
    upload: MultipartUpload,
    *,
    after: int | None = None,
    max_parts: int | None = None,
    customer_key: CustomerKey | None = None,
) -> S3Request:
    """ListParts; `after` is the `next_marker` of the page before."""
    query = (("uploadId", upload.upload_id), *_some(("part-number-marker", after), ("max-parts", max_parts)))
    return S3Request("GET", upload.bucket, upload.key, query, key_headers(customer_key))


def list_multipart_uploads(
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str | None = None,
    after: tuple[str, str] | None = None,
    max_uploads: int | None = None,
    escaped: bool = False,
) -> S3Request:
    """ListMultipartUploads; `after` is the `next_markers` of the page before.

    escaped: only for keys that XML can't hold. SeaweedFS says that it escapes them, and does not.
    """
    key_marker, upload_marker = after if after is not None else (None, None)
    query = _some(
        ("prefix", prefix or None),
        ("delimiter", delimiter),
        ("key-marker", key_marker or None),
        ("upload-id-marker", upload_marker or None),
        ("max-uploads", max_uploads),
        ("encoding-type", "url" if escaped else None),
    )
    return S3Request("GET", bucket, None, (("uploads", ""), *query))


def list_objects(
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str | None = None,
    token: str | None = None,
    start_after: str | None = None,
    max_keys: int | None = None,
) -> S3Request:
    """ListObjectsV2; `token` is the `next_token` of the page before."""
    query = _some(
        ("prefix", prefix or None),
        ("delimiter", delimiter),
        ("continuation-token", token),
        ("start-after", start_after),
        ("max-keys", max_keys),
    )
    return S3Request("GET", bucket, None, (("list-type", "2"), ("encoding-type", "url"), *query))


def list_object_versions(
    bucket: str, *, prefix: str = "", delimiter: str | None = None, after: tuple[str, str] | None = None
) -> S3Request:
    """ListObjectVersions; `after` is the `next_markers` (key, version id) of the page before."""
    key_marker, version_marker = after if after is not None else (None, None)
    query = _some(
        ("prefix", prefix or None),
        ("delimiter", delimiter),
        ("key-marker", key_marker),
        ("version-id-marker", version_marker or None),
    )
    return S3Request("GET", bucket, None, (("versions", ""), ("encoding-type", "url"), *query))


def list_buckets(*, token: str | None = None) -> S3Request:
    """ListBuckets. token: the page's ContinuationToken; None: the first page."""
    return S3Request("GET", None, None, _some(("continuation-token", token)))


def delete_object(bucket: str, key: str, *, version_id: str | None = None, expected: Expected = WHATEVER) -> S3Request:
    """DeleteObject. expected: the object that it may delete, sent as a condition."""
    return S3Request("DELETE", bucket, key, _version(version_id), condition_headers(expected))


def delete_objects(
    bucket: str, keys: Iterable[str | tuple[str, str]], etags: Mapping[str, str] | None = None
) -> S3Request:
    """DeleteObjects of at most 1,000 keys, or (key, version id) pairs; only failures are answered.

    etags: key -> the ETag that it must have to be deleted (S3 API, "ObjectIdentifier").
    """
    objects: list[xml.Tree] = [("Quiet", "true")]
    for item in keys:
        key, version = (item, None) if isinstance(item, str) else item
        fields: list[xml.Tree] = [("Key", key)]
        if version is not None:
            fields.append(("VersionId", version))
        if etags is not None and key in etags:
            fields.append(("ETag", quote_etag(etags[key])))
        objects.append(("Object", fields))
    return _with_xml(bucket, None, (("delete", ""),), ("Delete", objects), "POST")


def get_object_attributes(
    bucket: str,
    key: str,
    *,
    version_id: str | None = None,
    after: int | None = None,
    max_parts: int | None = None,
    customer_key: CustomerKey | None = None,
) -> S3Request:
    """GetObjectAttributes: size, ETag, checksums and parts (`after`: `next_marker` of the page before)."""
    headers: Headers = (("x-amz-object-attributes", "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"),)
    headers += _some(("x-amz-max-parts", max_parts), ("x-amz-part-number-marker", after)) + key_headers(customer_key)
    return S3Request("GET", bucket, key, (("attributes", ""), *_version(version_id)), headers)


def get_bucket_location(bucket: str) -> S3Request:
    """GetBucketLocation."""
    return S3Request("GET", bucket, None, (("location", ""),))


def head_bucket(bucket: str) -> S3Request:
    """HeadBucket: its answer names the region, also when it is 301, 400 or 403."""
    return S3Request("HEAD", bucket)


def get_object_tagging(bucket: str, key: str, *, version_id: str | None = None) -> S3Request:
    """GetObjectTagging."""
    return S3Request("GET", bucket, key, (("tagging", ""), *_version(version_id)))


def copy_source(source: CopySource) -> str:
    """The value of x-amz-copy-source, escaped as botocore escapes it."""
    # An access point's ARN is followed by '/object/' (botocore handlers._quote_source_header_from_dict).
    middle = "/object/" if source.bucket.startswith("arn:") else "/"
    path = quote(f"{source.bucket}{middle}{source.key}", safe="/~")
    return path if source.version_id is None else f"{path}?versionId={quote(source.version_id, safe='~')}"


def _source_headers(source: CopySource) -> Headers:
    headers: Headers = (("x-amz-copy-source", copy_source(source)),)
    if source.if_match is not None:
        headers += (("x-amz-copy-source-if-match", quote_etag(source.if_match)),)
    return headers + source_key_headers(source.customer_key)


def _without_encoding(options: ObjectOptions) -> Headers:
    """Content headers but Content-Encoding, which the body adds together with its own framing."""
    headers = options.content_headers()
    if options.content_encoding is None:
        return headers
    return tuple(pair for pair in headers if pair[0] != "Content-Encoding")


def _with_body(bucket: str, key: str, query: Query, headers: Headers, body: Body) -> S3Request:
    return S3Request("PUT", bucket, key, query, headers, body.data, body.payload, body.wire_length)


def _with_xml(bucket: str, key: str | None, query: Query, tree: xml.Tree, method: str) -> S3Request:
    body = xml.build(tree)
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    headers = (("Content-Type", "application/xml"), ("Content-MD5", digest))
    return S3Request(method, bucket, key, query, headers, body)


def _part(part: PartInfo) -> list[xml.Tree]:
    checksums: list[xml.Tree] = [(f"Checksum{name.upper()}", value) for name, value in part.checksums.items()]
    return [("ETag", quote_etag(part.etag)), *checksums, ("PartNumber", str(part.number))]


def _conditions(if_match: str | None) -> Headers:
    return () if if_match is None else (("If-Match", quote_etag(if_match)),)


def _version(version_id: str | None, part_number: int | None = None) -> Query:
    return _some(("versionId", version_id), ("partNumber", part_number))


def _some(*pairs: tuple[str, str | int | None]) -> Query:
    return tuple((name, str(value)) for name, value in pairs if value is not None)
