"""The beginning of a shared upload: begun with a byte, or taken up; another's upload is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location, parse_s3_url
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config, connect
from s3amfs.errors import SourceChanged, UsageError
from s3amfs.jobs.split import start_upload
from s3amfs.jobs.split_begin import begin
from s3amfs.jobs.split_ends import SplitEnds
from s3amfs.transfers.job import Job
from s3amfs.transfers.options import UploadOptions
from s3amfs.transfers.report import Report, ignore
from s3amfs.transfers.send_parts import SendParts
from tests.support.cli import Cli
from tests.support.clients import Events
from tests.support.dask import config
from tests.support.split import MIB, PARTS, data

__all__ = ["data"]


@pytest.fixture
def ends(s3: SeaweedServer, bucket: str, tmp_path: Path, data: bytes) -> Iterator[SplitEnds]:
    client = connect(
        S3Config(endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, region="us-east-1")
    )
    options = UploadOptions(unfinished="continue", part_size=5 * MIB, state_dir=str(tmp_path / "state"))
    target = parse_s3_url(f"s3://{bucket}/k")
    report = Report("upload", "big", target.url, ignore)
    ends = SplitEnds.open(LocalPath(str(tmp_path / "big")), Job(client, target, options, report))
    yield ends
    ends.close()


def test_begun_with_a_byte_then_taken_up(ends: SplitEnds, boto: Any, bucket: str) -> None:
    sending = SendParts(ends.job, ends.content())
    job = begin(ends, sending, "/big")
    assert (job.kind, job.part_size, len(job.plan), list(sending.records)) == ("upload", 5 * MIB, PARTS, [])
    (there,) = boto.list_parts(Bucket=bucket, Key="k", UploadId=job.upload_id)["Parts"]
    assert (there["PartNumber"], there["Size"]) == (1, 1)
    sending.leave()
    again = SendParts(ends.job, ends.content())
    assert begin(ends, again, "/big") == job
    assert list(again.records) == []
    again.move_all([job.plan.part(2)])
    again.leave()
    third = SendParts(ends.job, ends.content())
    assert begin(ends, third, "/big") == job
    assert list(third.records) == [2]
    third.install(job.plan, job.size)
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_a_source_that_changed_is_not_mixed(ends: SplitEnds, tmp_path: Path) -> None:
    sending = SendParts(ends.job, ends.content())
    begin(ends, sending, "/big")
    sending.leave()
    with open(tmp_path / "big", "ab") as file:
        file.write(b"more")
    with pytest.raises(SourceChanged):
        ends.check()


def test_an_upload_of_somebody_else_stays(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    other = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    job = tmp_path / "job"
    done = cli("split", "start", str(tmp_path / "big"), f"s3://{bucket}/k", "-o", str(job))
    assert done.rc == 4, done.stderr
    assert not job.exists()
    assert [one["UploadId"] for one in boto.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [other]


def test_what_a_copy_in_parts_loses_is_said(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, events: Events
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="SHA256")
    client, source, target = connect(config(s3)), S3Location(bucket, "from"), S3Location(bucket, "to")
    start_upload(source, target, client, UploadOptions(), str(tmp_path / "job"), on_event=events)
    assert [text for text in events.warnings if "sha256" in text]


def test_a_split_job_takes_nothing_up(ends: SplitEnds, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="move JOB"):
        start_upload(
            LocalPath(str(tmp_path / "big")), ends.job.target, ends.job.client, ends.job.options, str(tmp_path / "job")
        )
