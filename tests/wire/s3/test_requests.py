"""Copies between two customer keys, byte for byte: no server here does them (SeaweedFS answers NotImplemented)."""

from __future__ import annotations

import base64
import hashlib

from s3amfs.core.ssec import CustomerKey
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.model import MultipartUpload

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def md5(raw: bytes) -> str:
    return text(hashlib.md5(raw).digest())


EXPECTED = {
    "x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-copy-source-server-side-encryption-customer-key": text(OLD),
    "x-amz-copy-source-server-side-encryption-customer-key-md5": md5(OLD),
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-customer-key": text(NEW),
    "x-amz-server-side-encryption-customer-key-md5": md5(NEW),
}


def source() -> s3api.CopySource:
    return s3api.CopySource("from", "a b/ü+%", version_id="v1", if_match="etag", customer_key=CustomerKey(OLD))


def headers_of(request: s3api.MultipartUpload | object) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}  # type: ignore[attr-defined]


def test_upload_part_copy() -> None:
    upload = MultipartUpload("to", "k", "id")
    request = s3api.upload_part_copy(upload, 7, source(), offset=10, length=20, customer_key=CustomerKey(NEW))
    headers = headers_of(request)
    assert (request.method, request.bucket, request.key) == ("PUT", "to", "k")
    assert dict(request.query) == {"partNumber": "7", "uploadId": "id"}
    assert headers == {
        **EXPECTED,
        "x-amz-copy-source": "from/a%20b/%C3%BC%2B%25?versionId=v1",
        "x-amz-copy-source-if-match": '"etag"',
        "x-amz-copy-source-range": "bytes=10-29",
    }


def test_copy_object() -> None:
    request = s3api.copy_object("to", "k", source(), s3api.ObjectOptions(customer_key=CustomerKey(NEW)))
    headers = headers_of(request)
    assert {name: headers[name] for name in EXPECTED} == EXPECTED


def test_create_takes_the_new_key_only() -> None:
    request = s3api.create_multipart_upload("to", "k", s3api.ObjectOptions(customer_key=CustomerKey(NEW)))
    headers = headers_of(request)
    assert headers["x-amz-server-side-encryption-customer-key"] == text(NEW)
    assert not any(name.startswith("x-amz-copy-source") for name in headers)


def test_a_key_never_shows() -> None:
    key = CustomerKey(OLD)
    request = s3api.upload_part_copy(MultipartUpload("to", "k", "id"), 1, source(), customer_key=key)
    for shown in (repr(key), str(key), repr(source()), repr(request), repr(s3api.ObjectOptions(customer_key=key))):
        assert text(OLD) not in shown
        assert OLD.decode("latin-1") not in shown
