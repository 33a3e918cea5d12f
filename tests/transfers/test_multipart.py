"""A multipart upload and its manifest: what is begun is written down first, and nothing of it is left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import TransferError
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from tests.support.clients import PART, Events
from tests.support.faults import Recorded, Rule, delay, error, lose_answer
from tests.support.files import digest, object_digest
from tests.support.proxy import FaultProxy

OPTIONS = UploadOptions(part_size=PART)


def unfinished(boto: Any, bucket: str) -> list[str]:
    return [entry["UploadId"] for entry in boto.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@pytest.mark.parametrize("choice", ["refuse", "continue"])
def test_a_create_whose_answer_was_lost_leaves_no_orphan(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path, choice: str
) -> None:
    proxy.rules.append(Rule("Create", lose_answer(), times=1))
    options = replace(OPTIONS, unfinished=choice)  # type: ignore[arg-type]
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert proxy.count("Create") == 2
    assert unfinished(boto, bucket) == []
    assert object_digest(boto, bucket, "k") == digest(file)


def test_uploads_of_others_with_parts_are_no_orphans(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path
) -> None:
    """Another writer begins the same key while our Create is tried again."""
    others: list[str] = []

    def begins(request: Recorded) -> bool:
        if request.kind == "Create" and not others:
            others.append(boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"])
            boto.upload_part(Bucket=bucket, Key="k", UploadId=others[0], PartNumber=1, Body=b"x")
        return request.kind == "Create"

    proxy.rules.append(Rule(begins, error(503, "SlowDown"), times=1))
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS)
    assert unfinished(boto, bucket) == others


def test_the_upload_is_in_the_manifest_before_its_first_part(
    through: S3Client, proxy: FaultProxy, bucket: str, file: Path, state: Path, events: Events
) -> None:
    seen: list[bytes] = []

    def looks(request: Recorded) -> bool:
        if request.kind == "UploadPart":
            seen.append(b"".join(path.read_bytes() for path in state.glob("*.manifest")))
        return request.kind == "UploadPart"

    proxy.rules.append(Rule(looks, delay(0.0)))
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, OPTIONS, on_event=events)
    (create,) = proxy.of("Create")
    upload_id = proxy.of("UploadPart")[0].upload_id
    assert create.status == 200
    assert all(upload_id.encode() in text for text in seen)
    assert list(state.glob("*.manifest")) == [], "and gone with the object's birth"


def test_a_failed_upload_stays_to_be_resumed(
    hasty: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path
) -> None:
    proxy.rules.append(Rule("Complete", error(500, "InternalError")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    (upload_id,) = unfinished(boto, bucket)
    (manifest,) = state.glob("*.manifest")
    assert upload_id.encode() in manifest.read_bytes()
    proxy.rules.clear()
    proxy.clear()
    upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, replace(OPTIONS, unfinished="resume"))
    assert proxy.count("UploadPart") == 0
    assert object_digest(boto, bucket, "k") == digest(file)


@pytest.mark.parametrize("choice", ["restart", "continue"])
def test_one_request_in_place_of_an_upload_leaves_no_manifest(
    hasty: S3Client, proxy: FaultProxy, bucket: str, file: Path, boto: Any, state: Path, choice: str
) -> None:
    """The source is smaller than what an earlier run has begun with."""
    proxy.rules.append(Rule("Complete", error(500, "InternalError")))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, OPTIONS)
    proxy.rules.clear()
    file.write_bytes(b"less")
    options = replace(OPTIONS, unfinished=choice)  # type: ignore[arg-type]
    upload(LocalPath(str(file)), S3Location(bucket, "k"), hasty, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"less"
    assert (unfinished(boto, bucket), list(state.glob("*.manifest"))) == ([], [])
