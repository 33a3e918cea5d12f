"""When it is asked whether the upload of parts in trouble is still there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from s3amfs.core.failures import Failure, Kind
from s3amfs.engine.client import S3Client
from s3amfs.transfers.trouble import TROUBLES, Trouble
from s3amfs.wire.s3 import api as s3api
from tests.support.faults import Rule, error
from tests.support.proxy import FaultProxy
from tests.support.scripted import refusal, scripted

FAILED = Failure(Kind.SERVER, "InternalError (HTTP 500)", status=500)


def in_trouble() -> Trouble:
    trouble = Trouble()
    for _ in range(TROUBLES + 1):
        trouble.note(FAILED)
    return trouble


def test_only_answers_of_5xx_by_the_target_count() -> None:
    trouble = Trouble()
    for _ in range(99):
        assert not trouble.note(Failure(Kind.NETWORK, "reset"))
        assert not trouble.note(replace(FAILED, of_source=True))
    assert not trouble.is_due


def test_the_server_is_asked_once_and_then_more_rarely(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    upload_id = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    upload = s3api.MultipartUpload(bucket, "k", upload_id)
    trouble = in_trouble()
    assert trouble.look(through, upload) is None  # it is there
    assert not trouble.note(FAILED)
    assert trouble.look(through, upload) is None
    assert proxy.count("ListParts") == 1


def test_an_upload_that_is_gone(through: S3Client, boto: Any, bucket: str) -> None:
    upload_id = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    boto.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    found = in_trouble().look(through, s3api.MultipartUpload(bucket, "k", upload_id))
    assert found is not None
    assert found.kind is Kind.GONE


def test_a_server_that_is_in_trouble_itself_is_asked_once(through: S3Client, proxy: FaultProxy, bucket: str) -> None:
    proxy.rules.append(Rule("ListParts", error(500, "InternalError")))
    assert in_trouble().look(through, s3api.MultipartUpload(bucket, "k", "id")) is None
    assert proxy.count("ListParts") == 1


def test_it_is_asked_at_the_sixth_answer_then_after_twice_as_many() -> None:
    client, engine = scripted(lambda asked: refusal(404, "NoSuchUpload"))
    trouble, upload = Trouble(), s3api.MultipartUpload("box", "k", "id")
    due = []
    for number in range(1, 30):
        if trouble.note(FAILED):
            due.append(number)
            found = trouble.look(client, upload)
            assert found is not None and found.kind is Kind.GONE
    assert due == [6, 13, 27]
    assert len(engine.asked) == 3
    assert trouble.look(client, upload) is None, "not due"
    assert len(engine.asked) == 3
