"""Whether an object is what a split job has made, after its upload is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.manifest import PartRecord, SourceIdentity
from s3amfs.core.split_job import SplitJob
from s3amfs.jobs.split_completed import is_made_by
from s3amfs.transfers.checksum_choice import whole_crc, whole_etag
from s3amfs.transfers.options import ObjectInfo
from tests.support.cli import Cli
from tests.support.split import content, data, start

__all__ = ["data"]

JOB = SplitJob(
    "upload", "/file", "s3://b/k", "https://e", SourceIdentity("/file"), 15, 10, "id", "crc64nvme", replaces=""
)
RECORDS = {1: PartRecord(1, 10, "1" * 32, 11, "a"), 2: PartRecord(2, 5, "2" * 32, 12, "b")}
ETAG = whole_etag([record.etag for record in RECORDS.values()])
CRC = whole_crc(list(RECORDS.values()), "crc64nvme")
OBJECT = ObjectInfo(size=15, etag=ETAG, last_modified=None)
OTHER = "9" * 32 + "-2"


@pytest.mark.parametrize(
    ("job", "found", "records", "made"),
    [
        (JOB, OBJECT, RECORDS, True),
        (replace(JOB, replaces=ETAG), OBJECT, RECORDS, True),  # the same content stood there before
        (JOB, replace(OBJECT, size=14), RECORDS, False),
        (JOB, replace(OBJECT, etag=ETAG[:-1] + "3"), RECORDS, False),
        (JOB, replace(OBJECT, etag=OTHER, checksums={"crc64nvme": CRC}), RECORDS, True),
        (JOB, replace(OBJECT, etag=OTHER, checksums={"crc64nvme": "AAAAAAAAAAA="}), RECORDS, False),
        (JOB, replace(OBJECT, etag=OTHER), RECORDS, True),  # ETags that are no MD5s, and no CRC
        (JOB, OBJECT, {}, True),  # the records are on other machines
        (replace(JOB, replaces=ETAG), OBJECT, {}, False),
        (replace(JOB, replaces=OTHER), OBJECT, {}, True),
        (replace(JOB, replaces=OTHER), replace(OBJECT, etag=OTHER), RECORDS, False),
        (replace(JOB, replaces=None), OBJECT, {}, True),
        (replace(JOB, replaces=None, exists="overwrite"), OBJECT, {}, False),
    ],
)
def test_is_made_by(job: SplitJob, found: ObjectInfo, records: dict[int, PartRecord], made: bool) -> None:
    assert is_made_by(job, found, records) is made


def test_an_upload_that_was_aborted_is_not_the_object_that_stood_there_before(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    """It has the same size and number of parts, as yesterday's file of a fixed size."""
    before = bytes(len(data))
    (tmp_path / "before").write_bytes(before)
    assert cli("upload", str(tmp_path / "before"), f"s3://{bucket}/to", "--part-size", "5MiB").rc == 0
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/to", job, "--exists", "overwrite")
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("cancel", f"s3://{bucket}/to").rc == 0
    for step in (("status", str(job)), ("move", str(job), "1/1"), ("finish", str(job))):
        done = cli("split", *step)
        assert done.rc == 1, done.stdout
    assert "start the job again" in done.stderr
    assert content(boto, bucket, "to") == before
