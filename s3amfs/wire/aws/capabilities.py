"""Capabilities that an endpoint was seen to have. Noticed once per endpoint, then acted upon.

Each field: None not known yet, True seen to work, False refused. Any thread may write: attributes are replaced whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.expected import AWS, ExpectedKind, Operation


@dataclass(slots=True)
class Capabilities:
    trailers: bool | None = None
    """Checksums in trailers of aws-chunked bodies (STREAMING-UNSIGNED-PAYLOAD-TRAILER)."""
    crc64nvme: bool | None = None
    """CRC64NVME, and full-object checksums at CompleteMultipartUpload."""
    conditions: dict[tuple[Operation, ExpectedKind], bool] = field(default_factory=dict)
    """Whether conditions on what is replaced or deleted are obeyed; a success proves nothing, a refusal by 412 does."""
    warned: set[str] = field(default_factory=set)
    """What the user has been warned of."""
    etag_md5: bool | None = None
    """Whether the ETag of a part or simple object without SSE-C and SSE-KMS is the MD5 of its content."""
    copied_checksums: bool | None = None
    """UploadPartCopy into an upload that declares a checksum algorithm (MinIO computes none for copied parts)."""
    list_uploads: bool | None = None
    """ListMultipartUploads."""
    quoted_etags: bool | None = None
    """ETags in quotes (RFC 9110, section 8.8.3); without them they mean the same."""


def known_of(identity: str) -> Capabilities:
    """What is known of a service before its first answer. identity: as `S3Session.endpoint_id` gives it."""
    host = identity.partition("://")[2].partition("/")[0].partition(":")[0]
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return Capabilities(conditions=dict(AWS), etag_md5=True)
    return Capabilities()
