"""Capabilities of the server of an endpoint and bucket, and the optional headers of requests.

Each field: None: not known yet, True: seen to work, False: not there. core/capabilities.py defines the evidence.
Any thread may write: attributes are replaced whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import Literal

from ...core.capabilities import Evidence, judge, may_refuse_feature, names_as_unsupported, takes_unequal_parts
from ...core.define import define
from ...core.expected import AWS, ExpectedKind, Operation
from ...core.failures import Failure
from ..messages import S3Request
from .config import only_when_required

Feature = Literal[
    "trailers",
    "crc64nvme",
    "copied_checksums",
    "checksum_headers",
    "checksum_mode",
    "object_size",
    "whole_checksum",
    "needs_digest",
    "etag_md5",
    "unequal_parts",
    "copies_ranges",
]
"""Those fields of `Capabilities` that `note` judges."""


JUDGED = ("trailers", "etag_md5")
"""Those that are given up only while they are not known to work."""


@define(slots=True)
class Capabilities:
    """Capabilities of a service. None: unknown so far."""

    trailers: bool | None = None
    """Checksums in trailers of aws-chunked bodies (STREAMING-UNSIGNED-PAYLOAD-TRAILER)."""
    crc64nvme: bool | None = None
    """CRC64NVME at CreateMultipartUpload, and full-object checksums at CompleteMultipartUpload."""
    conditions: dict[tuple[Operation, ExpectedKind], bool] = field(default_factory=dict)
    """Whether conditions on what is replaced or deleted are obeyed; a success proves nothing, a refusal by 412 does."""
    encrypts: dict[str, bool] = field(default_factory=dict)
    """Whether objects are encrypted as asked for: 'sse-c' (a customer's key), 'AES256', 'aws:kms', …, as seen."""
    keeps: dict[str, bool] = field(default_factory=dict)
    """Whether objects have what was asked for beside their bytes: 'tags', 'metadata', …, as seen."""
    looks: dict[str, int] = field(default_factory=dict)
    """How often that was looked at, by kind."""
    warned: set[str] = field(default_factory=set)
    """Warnings that the user has already seen."""
    etag_md5: bool | None = None
    """Whether the ETag of a part or simple object without SSE-C and SSE-KMS is the MD5 of its content."""
    copied_checksums: bool | None = None
    """UploadPartCopy into an upload that declares a checksum algorithm (MinIO computes none for copied parts)."""
    list_uploads: bool | None = None
    """ListMultipartUploads."""
    quoted_etags: bool | None = None
    """ETags in quotes (RFC 9110, section 8.8.3); without them they mean the same."""
    checksum_headers: bool | None = None
    """x-amz-checksum-… as a header of PutObject."""
    checksum_mode: bool | None = None
    """x-amz-checksum-mode on HeadObject and GetObject."""
    object_size: bool | None = None
    """x-amz-mp-object-size on CompleteMultipartUpload."""
    whole_checksum: bool | None = None
    """x-amz-checksum-… of the whole object on CompleteMultipartUpload."""
    needs_digest: bool | None = None
    """True: PutObject and UploadPart need Content-MD5 or a checksum (a bucket with Object Lock)."""
    unequal_parts: bool | None = None
    """Parts of one upload may have different lengths (Cloudflare R2 wants all but the last equal)."""

    copies_ranges: bool | None = None
    """UploadPartCopy copies the range that it is asked for (ListParts says the lengths)."""
    sends_checksums: bool = True
    """Not evidence but the user's wish (AWS_REQUEST_CHECKSUM_CALCULATION): checksums also where none is required."""

    @property
    def takes_checksums(self) -> bool:
        """Whether a PutObject may be sent with a CRC64NVME as a header."""
        return self.sends_checksums and self.checksum_headers is not False and self.crc64nvme is not False

    def note(self, feature: Feature, evidence: Evidence) -> bool:
        """Records evidence about `feature`. Returns whether the field has changed."""
        found = judge(evidence)
        changes = getattr(self, feature) is not found
        if changes:
            setattr(self, feature, found)
        return changes


ENCRYPTED_BY_AWS = dict.fromkeys(("sse-c", "AES256", "aws:kms", "aws:kms:dsse"), True)
"""Amazon S3 User Guide, "Protecting data with encryption"."""


def known_of(identity: str) -> Capabilities:
    """Returns the capabilities known before a service's first answer. identity: from `S3Session.endpoint_id`."""
    host = identity.partition("://")[2].partition("/")[0].partition(":")[0]
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return Capabilities(conditions=dict(AWS), encrypts=dict(ENCRYPTED_BY_AWS), etag_md5=True, unequal_parts=True)
    return Capabilities(unequal_parts=takes_unequal_parts(host))


def as_configured(known: Capabilities, value_of: Callable[[str], object]) -> Capabilities:
    """Applies the configuration to `known` and returns it. value_of: looks a setting up. Raises UsageError."""
    if only_when_required("response_checksum_validation", value_of):
        known.checksum_mode = False
    known.sends_checksums = not only_when_required("request_checksum_calculation", value_of)
    return known


_CHECKSUMS = ("x-amz-checksum-crc64nvme", "x-amz-checksum-crc32c")
_HEADERS: dict[Feature, tuple[str, ...]] = {
    "checksum_mode": ("x-amz-checksum-mode",),
    "object_size": ("x-amz-mp-object-size",),
    "whole_checksum": (*_CHECKSUMS, "x-amz-checksum-type"),
    "checksum_headers": (*_CHECKSUMS, "x-amz-sdk-checksum-algorithm"),
    "crc64nvme": ("x-amz-checksum-algorithm", "x-amz-checksum-type"),
}
SILENT: tuple[Feature, ...] = ("checksum_mode", "object_size", "whole_checksum")
"""Left out by themselves where the server is known not to take them."""
_PROTECTS: tuple[Feature, ...] = ("object_size", "whole_checksum", "checksum_headers")
"""Checks of content: left out only where the server says that it does not know them."""


def optional_features(request: S3Request) -> tuple[Feature, ...]:
    """The features of `request` that it would be valid without; none of a streamed body, whose framing they are."""
    if request.content_length is not None:
        return ()
    names = {name.lower() for name, _ in request.headers}
    return tuple(feature for feature in _candidates(request) if names & set(_HEADERS[feature]))


def _candidates(request: S3Request) -> tuple[Feature, ...]:
    if request.method in ("HEAD", "GET"):
        return ("checksum_mode",)
    if request.method == "PUT":
        return ("checksum_headers",)
    if request.method == "POST":
        return ("crc64nvme",) if ("uploads", "") in request.query else ("object_size", "whole_checksum")
    return ()


def may_be_left_out(feature: Feature, failure: Failure) -> bool:
    """Whether a request that was refused by `failure` is worth a try without `feature`."""
    return names_as_unsupported(failure) if feature in _PROTECTS else may_refuse_feature(failure)


def without(request: S3Request, feature: Feature) -> S3Request:
    """`request` without the headers of `feature`."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in _HEADERS[feature])
    return request if len(kept) == len(request.headers) else replace(request, headers=kept)


def without_what_is_missing(request: S3Request, can: Capabilities) -> S3Request:
    """`request` without the optional features that the server is known not to take."""
    for feature in SILENT:
        if getattr(can, feature) is False and feature in _candidates(request):
            request = without(request, feature)
    return request
