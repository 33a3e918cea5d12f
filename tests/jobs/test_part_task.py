"""Tasks of a cluster are plain data: what a block is, what a task carries, and parts that an earlier try has sent."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, parse_s3_url
from s3amfs.core.split_job import SplitJob
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config, connect
from s3amfs.engine.uploads import abort_upload
from s3amfs.errors import UsageError
from s3amfs.jobs.part_task import Settings, move_parts, size_of
from s3amfs.jobs.split import load, start_upload, upload_of
from s3amfs.transfers.options import UploadOptions
from tests.support.proxy import FaultProxy
from tests.support.split import MIB, data

__all__ = ["data"]


@pytest.mark.parametrize(("block", "size"), [(b"", 0), (b"abc", 3), ([b"ab", bytearray(b"c")], 3), ([], 0)])
def test_the_size_of_a_block(block: Any, size: int) -> None:
    assert size_of(block) == size


@pytest.mark.parametrize("block", ["text", 5, ["text"], None])
def test_what_is_no_block(block: Any) -> None:
    with pytest.raises(UsageError, match="bytes"):
        size_of(block)


def test_a_task_runs_twice_and_sends_once(
    s3: SeaweedServer, bucket: str, proxy: FaultProxy, tmp_path: Path, data: bytes
) -> None:
    config = S3Config(
        endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, region="us-east-1"
    )
    client, source = connect(config), str(tmp_path / "big")
    options = UploadOptions(part_size=5 * MIB, state_dir=str(tmp_path / "state"))
    start_upload(LocalPath(source), parse_s3_url(f"s3://{bucket}/k"), client, options, str(tmp_path / "job"))
    job: SplitJob = pickle.loads(pickle.dumps(load(str(tmp_path / "job"))))
    settings = Settings(config)
    first = move_parts(job, [2, 3], settings)
    sent = proxy.count("UploadPart")
    assert sorted(move_parts(job, [2, 3], settings), key=lambda part: part.number) == sorted(
        (replace(part, checksum="", compared="etag") for part in first), key=lambda part: part.number
    )
    assert proxy.count("UploadPart") == sent == 3
    abort_upload(client, upload_of(job))
