"""Retention settings of a bucket: versioning and Object Lock, checked before a probe stores anything. Pure.

GetBucketVersioning and GetObjectLockConfiguration of the S3 API reference.
"""

from __future__ import annotations

from ..messages import Reply, S3Request
from . import xml


def get_bucket_versioning(bucket: str) -> S3Request:
    """Returns the request GetBucketVersioning."""
    return S3Request("GET", bucket, None, (("versioning", ""),))


def get_object_lock(bucket: str) -> S3Request:
    """Returns the request GetObjectLockConfiguration."""
    return S3Request("GET", bucket, None, (("object-lock", ""),))


def parse_versioning(reply: Reply) -> str:
    """'Enabled', 'Suspended' or '' (never enabled). Raises MalformedXml."""
    return xml.text(xml.parse(reply.body, "VersioningConfiguration", "GetBucketVersioningResponse"), "Status")


def has_default_retention(reply: Reply) -> bool:
    """Whether each new version is locked by default. Raises MalformedXml."""
    root = xml.parse(reply.body, "ObjectLockConfiguration")
    return root.find("Rule/DefaultRetention") is not None
