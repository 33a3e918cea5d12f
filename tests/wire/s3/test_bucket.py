"""What GetBucketVersioning and GetObjectLockConfiguration answer."""

from __future__ import annotations

import pytest

from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import bucket
from s3amfs.wire.s3.xml import MalformedXml

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@pytest.mark.parametrize(("inner", "status"), [("<Status>Enabled</Status>", "Enabled"), ("", "")])
def test_versioning(inner: str, status: str) -> None:
    body = f"<VersioningConfiguration {NAMESPACE}>{inner}</VersioningConfiguration>".encode()
    assert bucket.parse_versioning(Reply(200, body=body)) == status


@pytest.mark.parametrize(
    ("rule", "locks"), [("<Rule><DefaultRetention><Days>1</Days></DefaultRetention></Rule>", True), ("", False)]
)
def test_default_retention(rule: str, locks: bool) -> None:
    inner = f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}"
    body = f"<ObjectLockConfiguration {NAMESPACE}>{inner}</ObjectLockConfiguration>".encode()
    assert bucket.has_default_retention(Reply(200, body=body)) is locks


def test_another_document_is_an_error() -> None:
    with pytest.raises(MalformedXml):
        bucket.parse_versioning(Reply(200, body=b"<html/>"))


def test_requests() -> None:
    assert bucket.get_bucket_versioning("b").query == (("versioning", ""),)
    assert bucket.get_object_lock("b").query == (("object-lock", ""),)
