"""A part of one byte tells whether ETags are MD5s, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.engine.connect import S3Client
from s3amfs.transfers.etag_probe import TRIES, etags_are_md5
from s3amfs.wire.s3.api import MultipartUpload
from tests.support import faults
from tests.support.faults import Headers, Rule
from tests.support.proxy import FaultProxy


def other_etag(first: str, headers: Headers) -> tuple[str, Headers]:
    return first, [(n, '"00000000000000000000000000000000"' if n.lower() == "etag" else v) for n, v in headers]


@pytest.fixture
def upload(boto: Any, bucket: str) -> MultipartUpload:
    return MultipartUpload(bucket, "k", boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"])


def test_a_server_whose_etags_are_md5s(through: S3Client, proxy: FaultProxy, upload: MultipartUpload) -> None:
    assert etags_are_md5(through, upload, 1) is True
    assert proxy.count("UploadPart") == 1


def test_a_server_whose_etags_are_not(through: S3Client, proxy: FaultProxy, upload: MultipartUpload) -> None:
    proxy.rules.append(Rule("UploadPart", faults.Fault("etag", edit_response=other_etag)))
    assert etags_are_md5(through, upload, 1) is False


def test_one_damaged_answer_is_no_judgement(through: S3Client, proxy: FaultProxy, upload: MultipartUpload) -> None:
    proxy.rules.append(Rule("UploadPart", faults.Fault("etag", edit_response=other_etag), times=TRIES - 1))
    assert etags_are_md5(through, upload, 1) is True


def test_a_server_that_refuses_the_part_says_nothing(
    through: S3Client, proxy: FaultProxy, upload: MultipartUpload
) -> None:
    proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied")))
    assert etags_are_md5(through, upload, 1) is None
