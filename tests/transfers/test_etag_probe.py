"""A part of one byte tells whether ETags are MD5s, and leaves nothing behind."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from s3amfs.engine.connect import S3Client
from s3amfs.transfers.etag_probe import etags_are_md5
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3.api import MultipartUpload
from tests.support.proxy import FaultProxy
from tests.support.scripted import refusal, reply, scripted

MD5 = hashlib.md5(b"\0").digest()
RIGHT, OTHER, NONE = reply(etag=f'"{MD5.hex()}"'), reply(etag=f'"{"0" * 32}"'), reply()
REFUSED = refusal(403, "AccessDenied")


def test_a_server_whose_etags_are_md5s(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str) -> None:
    upload_id = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    assert etags_are_md5(through, MultipartUpload(bucket, "k", upload_id), 1) is True
    assert proxy.count("UploadPart") == 1


@pytest.mark.parametrize(
    ("answers", "known"),
    [
        ([RIGHT], True),
        ([OTHER, OTHER, OTHER], False),
        ([OTHER, OTHER, RIGHT], True),
        ([REFUSED, REFUSED, REFUSED], None),
        ([REFUSED, REFUSED, RIGHT], True),
        ([REFUSED, OTHER, REFUSED], False),
        ([NONE], False),
    ],
    ids=["MD5s", "no MD5s", "damage", "refused", "refused twice", "one answer", "no ETag"],
)
def test_what_three_answers_say(answers: list[Reply], known: bool | None) -> None:
    left = list(answers)
    client, engine = scripted(lambda asked: left.pop(0))
    assert etags_are_md5(client, MultipartUpload("b", "k", "id"), 7) is known
    assert left == []
    for asked in engine.asked:
        assert (asked.query, asked.body) == ({"uploadId": "id", "partNumber": "7"}, b"\0")
        assert asked.headers["content-md5"] == base64.b64encode(MD5).decode(), "the server refuses a damaged byte"
