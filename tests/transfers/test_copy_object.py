"""One CopyObject: what it keeps, which of its conditions failed, and what its copy is compared with."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, ObjectExists, SourceChanged, Unsupported
from s3amfs.transfers.copy_object import Original, copy_object
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import Report
from s3amfs.wire.s3.api import CopySource, StoredInfo
from tests.support import faults
from tests.support.clients import Events
from tests.support.faults import Rule
from tests.support.proxy import FaultProxy


@pytest.fixture
def original(through: S3Client, boto: Any, bucket: str) -> Original:
    described: dict[str, Any] = {"Metadata": {"owner": "x"}, "ContentDisposition": 'f; n="résumé"', "Tagging": "a=b"}
    boto.put_object(Bucket=bucket, Key="a", Body=b"content", **described)
    info = through.head(bucket, "a")
    return Original(S3Location(bucket, "a"), info, CopySource(bucket, "a", if_match=info.etag))


@pytest.fixture
def job(through: S3Client, bucket: str, events: Events) -> Job:
    return Job(through, S3Location(bucket, "c"), UploadOptions(expected=NOTHING), Report("copy", "", "", events))


def test_headers_metadata_and_tags_go_along_unread(
    job: Job, original: Original, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    stored = copy_object(job, original, replace_metadata=False)
    found = boto.head_object(Bucket=bucket, Key="c")
    assert found["Metadata"] == {"owner": "x"}
    assert boto.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert proxy.count("Tagging") == 0
    assert original.info.content_disposition == 'f; n="résumé"'
    assert "equal to the source's" in original.prove(job, stored, stored.checksums)


def test_which_of_the_two_conditions_failed(job: Job, original: Original, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="c", Body=b"theirs")
    with pytest.raises(ObjectExists):
        copy_object(job, original, replace_metadata=False)
    boto.delete_object(Bucket=bucket, Key="c")
    boto.put_object(Bucket=bucket, Key="a", Body=b"another")
    with pytest.raises(SourceChanged):
        copy_object(job, original, replace_metadata=False)


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidRequest")]
)
def test_a_server_that_copies_nothing(job: Job, original: Original, proxy: FaultProxy, status: int, code: str) -> None:
    proxy.rules.append(Rule("Copy", faults.error(status, code)))
    with pytest.raises(Unsupported):
        copy_object(job, original, replace_metadata=False)


def test_a_copy_of_another_size_is_an_error_and_stays(job: Job, original: Original, boto: Any, bucket: str) -> None:
    etag = boto.put_object(Bucket=bucket, Key="c", Body=b"content" * 4)["ETag"].strip('"')
    with pytest.raises(ChecksumMismatch, match="28 bytes"):
        original.prove(job, StoredInfo(etag), {})
    assert boto.head_object(Bucket=bucket, Key="c")["ContentLength"] == 28
