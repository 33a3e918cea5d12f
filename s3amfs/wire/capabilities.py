"""What an endpoint was seen to be able to do. Noticed once per endpoint, then acted upon.

Each field: None not known yet, True seen to work, False refused. Any thread may write: attributes are replaced whole.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Capabilities:
    trailers: bool | None = None
    """Checksums in trailers of aws-chunked bodies (STREAMING-UNSIGNED-PAYLOAD-TRAILER)."""
    crc64nvme: bool | None = None
    """CRC64NVME, and full-object checksums at CompleteMultipartUpload."""
    conditional_writes: bool | None = None
    """If-None-Match: * on PutObject and CompleteMultipartUpload."""
    copy_source_if_match: bool | None = None
    """x-amz-copy-source-if-match on CopyObject and UploadPartCopy."""
    copy: bool | None = None
    """CopyObject."""
    part_copy: bool | None = None
    """UploadPartCopy."""
    copied_checksums: bool | None = None
    """UploadPartCopy into an upload that declares a checksum algorithm (MinIO computes none for copied parts)."""
    ssec_copy: bool | None = None
    """UploadPartCopy between objects under customer keys (SSE-C)."""
    attributes: bool | None = None
    """GetObjectAttributes."""
    list_uploads: bool | None = None
    """ListMultipartUploads."""
    tagging: bool | None = None
    """GetObjectTagging, PutObjectTagging and the x-amz-tagging header."""
