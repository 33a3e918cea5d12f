"""Capabilities that an endpoint was seen to have. Noticed once per endpoint, then acted upon.

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
    copied_checksums: bool | None = None
    """UploadPartCopy into an upload that declares a checksum algorithm (MinIO computes none for copied parts)."""
    list_uploads: bool | None = None
    """ListMultipartUploads."""
    quoted_etags: bool | None = None
    """ETags in quotes (RFC 9110, section 8.8.3); without them they mean the same."""
