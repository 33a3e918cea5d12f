"""Answers to Complete that are lost or lie, and objects that appear meanwhile: nothing is claimed that is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ObjectExists, TransferError
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from tests.support import faults
from tests.support.clients import PART
from tests.support.faults import Rule
from tests.support.files import digest, object_digest
from tests.support.proxy import FaultProxy, Recorded

OPTIONS = UploadOptions(part_size=PART)
pytestmark = pytest.mark.usefixtures("state")


def test_a_lost_answer_of_complete(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, state: Path
) -> None:
    """The upload is gone and the object there: that is success, also where the object must not have existed."""
    rule = Rule("Complete", faults.lose_answer(), nth=1)
    proxy.rules.append(rule)
    result = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert rule.fired == 1
    assert result.etag == boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    assert object_digest(boto, bucket, "k") == digest(file)
    assert [path for path in state.glob("*") if path.name != "lines.json"] == []


def test_an_upload_that_vanished_is_no_success(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path
) -> None:
    """NoSuchUpload at Complete with another object under the key: that is not ours."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"another")
    proxy.rules.append(Rule("Complete", faults.error(404, "NoSuchUpload")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, replace(OPTIONS, exists="overwrite"))
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"another"


def test_200_with_an_error_inside_is_no_success(
    through: S3Client, hasty: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path
) -> None:
    rule = Rule("Complete", faults.ok_with_error("InternalError"), nth=1)
    proxy.rules.append(rule)
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    assert rule.fired == 1
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []
    result = upload(LocalPath(str(file)), S3Location(bucket, "k"), through, replace(OPTIONS, unfinished="resume"))
    assert (result.parts_resumed, result.parts_sent) == (3, 0)
    assert object_digest(boto, bucket, "k") == digest(file)


def test_who_comes_first_wins(through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path) -> None:
    """An object that appears while parts move is not replaced."""

    def appears(request: Recorded) -> bool:
        if request.kind == "Create":
            boto.put_object(Bucket=bucket, Key="k", Body=b"first")
        return False

    proxy.rules.append(Rule(appears, faults.refuse()))
    with pytest.raises(ObjectExists):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"
