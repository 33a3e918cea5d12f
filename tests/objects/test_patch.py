"""A patch replaces the very object it was made for, or nothing; what did not change is copied inside S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.patch import Ranges, plan_patch
from s3amfs.engine.connect import S3Client
from s3amfs.errors import S3AMError, SourceChanged, Unsupported
from s3amfs.objects.patch import patch
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import UploadOptions
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, delay, error
from tests.support.files import content
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
BASE = content(4 * PART, 6)
AT = 4 * PART - 100
NEW = BASE[:AT] + b"changed" + BASE[AT + 7 :]


class Change:
    """Seven bytes near the end of an object of 20 MiB, ready to be patched."""

    def __init__(self, client: S3Client, boto: Any, bucket: str, folder: Path) -> None:
        self.boto, self.bucket = boto, bucket
        boto.put_object(Bucket=bucket, Key="k", Body=BASE)
        self.pinned = Pinned(client, S3Location(bucket, "k"), client.head(bucket, "k"))
        self.plan = plan_patch(
            Ranges([(AT, AT + 7)]), base_size=len(BASE), base_valid=len(BASE), size=len(BASE), part_size=PART
        )
        self.spool = folder / "spool"
        self.spool.write_bytes(bytes(len(BASE)))
        with self.spool.open("r+b") as file:
            for start, end in self.plan.fills:
                file.seek(start)
                file.write(BASE[start:end])
            file.seek(AT)
            file.write(b"changed")

    def make(self) -> None:
        patch(self.pinned, str(self.spool), self.plan, UploadOptions(exists="overwrite", upload_slots=1))

    @property
    def stored(self) -> bytes:
        return bytes(self.boto.get_object(Bucket=self.bucket, Key="k")["Body"].read())

    @property
    def unfinished(self) -> list[str]:
        return [entry["Key"] for entry in self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]


@pytest.fixture
def change(through: S3Client, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Change:
    change = Change(through, boto, bucket, tmp_path)
    proxy.clear()
    return change


def test_one_part_is_sent_and_the_others_are_copied_from_this_version(change: Change, proxy: FaultProxy) -> None:
    change.make()
    assert change.stored == NEW
    assert proxy.count("UploadPart", status=200) == 1
    copies = proxy.of("CopyPart")
    assert len(copies) == len(change.plan.parts) - 1
    etag = change.pinned.info.etag.strip('"')
    assert {request.headers["x-amz-copy-source-if-match"].strip('"') for request in copies} == {etag}


def test_a_base_that_was_overwritten_stays(change: Change) -> None:
    change.boto.put_object(Bucket=change.bucket, Key="k", Body=b"by somebody else" * PART)
    with pytest.raises(SourceChanged):
        change.make()
    assert change.stored == b"by somebody else" * PART
    assert change.unfinished == []


def test_a_base_that_is_overwritten_after_the_last_copy_stays(change: Change, proxy: FaultProxy) -> None:
    """Every part has been moved from the right base; the look before the commit finds the other object."""

    def overwrites(request: Recorded) -> bool:
        change.boto.put_object(Bucket=change.bucket, Key="k", Body=b"x")
        return request.kind == "UploadPart"

    proxy.rules.append(Rule(lambda request: request.kind == "UploadPart" and overwrites(request), delay(0.0)))
    with pytest.raises(SourceChanged):
        change.make()
    assert proxy.count("CopyPart", status=200) == len(change.plan.parts) - 1
    assert change.stored == b"x"
    assert change.unfinished == []


def test_a_server_that_copies_no_parts_is_said_to_be_one(change: Change, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented")))
    with pytest.raises(Unsupported):
        change.make()
    assert change.stored == BASE
    assert change.unfinished == []


def test_what_was_sent_is_removed_after_a_failure(change: Change, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("Complete", error(403, "AccessDenied")))
    with pytest.raises(S3AMError):
        change.make()
    assert change.stored == BASE
    assert change.unfinished == []
