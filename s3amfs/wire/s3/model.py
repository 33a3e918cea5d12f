"""Requests and answers of S3 as frozen data: options of new objects, objects, uploads, parts, pages. Pure.

ETags are kept without quotes, times as seconds since the epoch, checksums as {'crc64nvme': 'base64', ...}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlencode

from ...core.define import define
from ...core.expected import Expected
from ...core.kept import class_of_copy, of_other_content
from ..messages import Payload
from . import aws_chunked

if TYPE_CHECKING:
    from ...core.ssec import CustomerKey

Headers = tuple[tuple[str, str], ...]

CONTENT_HEADERS = {
    "content_type": "Content-Type",
    "content_encoding": "Content-Encoding",
    "cache_control": "Cache-Control",
    "content_disposition": "Content-Disposition",
    "content_language": "Content-Language",
    "expires": "Expires",
    "website_redirect": "x-amz-website-redirect-location",
}
"""Attributes of an object that travel as headers of the same meaning both ways, and that a copy has to keep."""


def quote_etag(etag: str) -> str:
    """Returns an ETag in quotes, as conditions carry it; '*' stays as it is."""
    return etag if etag == "*" else f'"{etag}"'


def bare_etag(value: str) -> str:
    """An ETag without its quotes; servers differ in whether they send these."""
    return value.strip().removeprefix("W/").strip('"')


def is_weak_etag(value: str) -> bool:
    """Whether an ETag is a weak one, which no If-Match meets (RFC 9110, section 13.1.1)."""
    return value.strip().startswith("W/")


@define(frozen=True)
class ObjectOptions:
    """How a new object is to be stored."""

    content_type: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata: names without `x-amz-meta-`, values ASCII."""
    storage_class: str | None = None
    acl: str | None = None
    tags: Mapping[str, str] | None = None
    """None: no tags, and on a copy those of the source."""
    sse: str | None = None
    """'AES256', 'aws:kms' or 'aws:kms:dsse'."""
    sse_kms_key_id: str | None = None
    bucket_key: bool | None = None
    customer_key: CustomerKey | None = field(default=None, repr=False)
    extra_headers: Headers = field(default=(), repr=False)

    def content_headers(self) -> Headers:
        """Content type and the like, and user metadata."""
        pairs = [(header, getattr(self, name)) for name, header in CONTENT_HEADERS.items()]
        headers = [(header, value) for header, value in pairs if value is not None]
        return (*headers, *((f"x-amz-meta-{name}", value) for name, value in self.metadata.items()))

    def storage_headers(self) -> Headers:
        """Where and how it is stored: class, ACL, encryption, whatever was given as extra header."""
        pairs = (
            ("x-amz-storage-class", self.storage_class),
            ("x-amz-acl", self.acl),
            ("x-amz-server-side-encryption", self.sse),
            ("x-amz-server-side-encryption-aws-kms-key-id", self.sse_kms_key_id),
            (
                "x-amz-server-side-encryption-bucket-key-enabled",
                None if self.bucket_key is None else str(self.bucket_key).lower(),
            ),
        )
        headers = tuple((name, value) for name, value in pairs if value is not None)
        return headers + key_headers(self.customer_key) + self.extra_headers

    def tag_headers(self) -> Headers:
        return (("x-amz-tagging", urlencode(self.tags)),) if self.tags else ()


def condition_headers(expected: Expected) -> Headers:
    """The condition on the object that a request is about to replace or delete."""
    if expected.kind == "nothing":
        return (("If-None-Match", "*"),)
    etag = expected.etag if expected.bare else quote_etag(expected.etag)
    return (("If-Match", etag),) if expected.kind == "etag" else ()


def key_headers(key: CustomerKey | None) -> Headers:
    """The three SSE-C headers."""
    return () if key is None else key.headers()


def source_key_headers(key: CustomerKey | None) -> Headers:
    """The three SSE-C headers of the source of a copy."""
    return () if key is None else key.copy_source_headers()


@define(frozen=True)
class Body:
    """The content of one PutObject or UploadPart: small and in memory, or streamed by the transfer."""

    data: bytes = field(default=b"", repr=False)
    length: int | None = None
    """Bytes of content of a streamed body; None: `data` is all."""
    trailer: str | None = None
    """Streamed only: name of the checksum sent as trailer ('crc64nvme'), framed by `aws_chunked`."""
    checksum: tuple[str, str] | None = None
    """A checksum known before: ('crc32c', base64), sent as a header."""
    md5: str | None = None
    """Content-MD5, base64."""

    @property
    def payload(self) -> Payload:
        if self.trailer is not None:
            return "trailer"
        return "body" if self.length is None else "unsigned"

    @property
    def wire_length(self) -> int | None:
        if self.length is None or self.trailer is None:
            return self.length
        return aws_chunked.encoded_length(self.length, self.trailer)

    def headers(self, content_encoding: str | None = None) -> Headers:
        """Headers of the body itself; they replace a Content-Encoding of the options."""
        headers: Headers = ()
        if self.trailer is not None:
            coding = f"{content_encoding},aws-chunked" if content_encoding else "aws-chunked"
            headers += (
                ("Content-Encoding", coding),
                ("x-amz-trailer", f"x-amz-checksum-{self.trailer}"),
                ("x-amz-decoded-content-length", str(self.length)),
                ("x-amz-sdk-checksum-algorithm", self.trailer.upper()),
            )
        elif content_encoding is not None:
            headers += (("Content-Encoding", content_encoding),)
        if self.checksum is not None:
            headers += ((f"x-amz-checksum-{self.checksum[0]}", self.checksum[1]),)
        if self.md5 is not None:
            headers += (("Content-MD5", self.md5),)
        return headers


@define(frozen=True)
class CopySource:
    """The object that a copy reads."""

    bucket: str
    key: str
    version_id: str | None = None
    if_match: str | None = None
    customer_key: CustomerKey | None = field(default=None, repr=False)


@define(frozen=True)
class ObjectInfo:
    """One object as HeadObject or GetObject describe it."""

    size: int
    """Bytes of the whole object, also in the answer to a ranged request."""
    etag: str
    weak_etag: bool = False
    last_modified: float | None = None
    version_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Base64 by name; one of parts ('COMPOSITE') ends in `-PARTS`."""
    checksum_type: str | None = None
    """'FULL_OBJECT', 'COMPOSITE' or None (not said)."""
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    bucket_key: bool | None = None
    customer_key_md5: str | None = None
    """Set when the object is under a customer key (SSE-C)."""
    parts_count: int | None = None
    """Only where a part number was asked for."""
    tags_count: int = 0
    locked: bool = False
    """Under a retention or a legal hold, as far as the user may see it."""
    accept_ranges: bool = False
    first: int = 0
    """Offset of the first byte in this answer (ranged requests)."""
    length: int = 0
    """Bytes in this answer."""

    @property
    def strong_etag(self) -> str | None:
        """The ETag that conditions on it can be met with; None: there is none."""
        return self.etag if self.etag and not self.weak_etag else None

    @property
    def expected(self) -> Expected:
        """This object, as what a change expects to be there."""
        return Expected("etag", self.etag, self.weak_etag)

    def copy_options(self, *, other_content: bool = False) -> ObjectOptions:
        """Returns the options for an object made from this one: headers, metadata, class, KMS key; no tags.

        other_content: the new object has other bytes, so metadata about the bytes is left out.
        """
        kms = (self.sse or "").startswith("aws:kms")
        return ObjectOptions(
            **{name: getattr(self, name) for name in CONTENT_HEADERS},
            metadata=of_other_content(self.metadata) if other_content else self.metadata,
            storage_class=class_of_copy(self.storage_class),
            sse=self.sse if kms or other_content else None,  # a copy is another object: its bucket's default holds
            sse_kms_key_id=self.sse_kms_key_id if kms else None,
            bucket_key=self.bucket_key if kms else None,
        )


@define(frozen=True)
class MultipartUpload:
    """An upload that was begun."""

    bucket: str
    key: str
    upload_id: str
    checksum_algorithm: str | None = None
    """As the server confirmed it: 'crc64nvme', ...; None: it did not."""
    checksum_type: str | None = None
    sse: str | None = None
    """The encryption that the answer to its beginning names."""


@define(frozen=True)
class PartInfo:
    """A part that the server has."""

    number: int
    size: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    last_modified: float | None = None


@define(frozen=True)
class StoredInfo:
    """Answer to a write: PutObject, UploadPart, CopyObject, UploadPartCopy, Complete."""

    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str | None = None
    version_id: str | None = None
    source_version_id: str | None = None
    last_modified: float | None = None
    sse: str | None = None
    """The encryption that the answer names."""


@define(frozen=True)
class UploadInfo:
    """An unfinished upload in a listing."""

    key: str
    upload_id: str
    initiated: float | None = None
    storage_class: str | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    initiator: str = ""
    """Display name or id of who began it."""


class ListedObject(NamedTuple):
    """A row of ListObjectsV2. A tuple: a fourth of the time that an object takes, of which listings have millions."""

    key: str
    size: int
    etag: str
    last_modified: float | None = None
    storage_class: str | None = None


listed_object = cast("Callable[[Iterable[object]], ListedObject]", partial(tuple.__new__, ListedObject))
"""Makes one of its five fields, in a third of the time that the class takes."""


@define(frozen=True)
class ListPage:
    """A page of ListObjectsV2; `next_token` None: the last."""

    objects: tuple[ListedObject, ...]
    prefixes: tuple[str, ...] = ()
    next_token: str | None = None


@define(frozen=True)
class ListedVersion:
    """A version of an object, or a marker that it was deleted."""

    key: str
    version_id: str
    """'null' for an object of a bucket that had no versions when it was stored."""
    is_latest: bool
    size: int = 0
    etag: str = ""
    last_modified: float | None = None
    storage_class: str | None = None
    deleted: bool = False
    """A delete marker."""


@define(frozen=True)
class VersionsPage:
    """A page of ListObjectVersions; `next_markers` (key, version id) None: the last."""

    versions: tuple[ListedVersion, ...]
    prefixes: tuple[str, ...] = ()
    next_markers: tuple[str, str] | None = None


@define(frozen=True)
class PartsPage:
    """A page of ListParts; `next_marker` None: the last."""

    parts: tuple[PartInfo, ...]
    next_marker: int | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None


@define(frozen=True)
class UploadsPage:
    """A page of ListMultipartUploads; `next_markers` (key, upload id) None: the last."""

    uploads: tuple[UploadInfo, ...]
    prefixes: tuple[str, ...] = ()
    next_markers: tuple[str, str] | None = None


@define(frozen=True)
class BucketsPage:
    """A page of ListBuckets."""

    buckets: tuple[tuple[str, float | None], ...]
    """Name and time of creation."""
    next_token: str | None = None


@define(frozen=True)
class ObjectAttributes:
    """Answer to GetObjectAttributes; parts as far as this page goes."""

    size: int | None
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str | None = None
    storage_class: str | None = None
    version_id: str | None = None
    last_modified: float | None = None
    parts_count: int | None = None
    parts: tuple[PartInfo, ...] = ()
    next_marker: int | None = None


@define(frozen=True)
class DeleteFailure:
    """A key that DeleteObjects did not delete."""

    key: str
    code: str
    message: str
    version_id: str | None = None
