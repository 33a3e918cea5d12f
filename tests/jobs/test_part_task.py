"""Tasks of a cluster are plain data: what a block is, what a task carries, and parts that an earlier try has sent."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, parse_s3_url
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.split_job import SplitJob
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config, connect
from s3amfs.engine.uploads import abort_upload
from s3amfs.errors import NotFound, UsageError
from s3amfs.jobs.part_task import Settings, fetch_parts, look_at_file, move_parts, size_of, wait_for_earlier
from s3amfs.jobs.split import listed_parts, load, start_upload, upload_of
from s3amfs.transfers.options import UploadOptions
from tests.support.faults import Recorded, Rule, delay
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
    again = move_parts(job, [2, 3], settings)
    assert (first.sent, again.sent) == ((2, 3), ())
    assert sorted(again.records, key=lambda part: part.number) == sorted(
        (replace(part, checksum="", compared="etag") for part in first.records), key=lambda part: part.number
    )
    assert proxy.count("UploadPart") == sent == 3
    abort_upload(client, upload_of(job))


def test_the_next_client_waits_for_what_a_worker_has_in_hand(
    s3: SeaweedServer, bucket: str, proxy: FaultProxy, tmp_path: Path, data: bytes
) -> None:
    config = S3Config(
        endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, region="us-east-1"
    )
    client, source = connect(config), str(tmp_path / "big")
    options = UploadOptions(part_size=5 * MIB, state_dir=str(tmp_path / "state"))
    job = start_upload(LocalPath(source), parse_s3_url(f"s3://{bucket}/k"), client, options, str(tmp_path / "job"))
    begun, goes_on = threading.Event(), threading.Event()

    def hold(request: Recorded) -> bool:
        if request.kind == "UploadPart":
            begun.set()
            assert goes_on.wait(60)
        return False

    proxy.rules.append(Rule(hold, delay(0.0)))
    with ThreadPoolExecutor() as pool:
        task = pool.submit(move_parts, job, [2], Settings(config))
        assert begun.wait(60)
        asyncio.run(wait_for_earlier("s3://bucket/another"))
        asyncio.run(wait_for_earlier(job.target, 0.01))
        waiting = pool.submit(asyncio.run, wait_for_earlier(job.target))
        assert not task.done() and not waiting.done()
        goes_on.set()
        waiting.result(60)
        assert 2 in listed_parts(job, client, options), "the task has ended"
        assert task.result(60).sent == (2,)
    abort_upload(client, upload_of(job))


@pytest.mark.parametrize("there", ["nothing", "another", "the same"])
def test_a_range_goes_into_the_file_that_the_client_has_made_or_nowhere(
    s3: SeaweedServer, boto: Any, bucket: str, proxy: FaultProxy, tmp_path: Path, there: str
) -> None:
    config = S3Config(
        endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, region="us-east-1"
    )
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"content")["ETag"].strip('"')
    identity = SourceIdentity(f"s3://{bucket}/k", size=7, etag=etag)
    target, partial = tmp_path / "f", tmp_path / ".f.partial"
    job = SplitJob("download", f"s3://{bucket}/k", str(target), "", identity, 7, 7, checksum_algorithm="crc32c")
    settings = Settings(config, mark=b"this one\n")
    if there != "nothing":
        partial.write_bytes(bytes(7))
        (tmp_path / ".f.progress").write_bytes(b"this one\n..." if there == "the same" else b"another\n")
    if there == "the same":
        look_at_file(job, settings)
        (record,) = fetch_parts(job, [1], settings).records
        assert (record.number, record.length, partial.read_bytes()) == (1, 7, b"content")
        return
    for task in (lambda: look_at_file(job, settings), lambda: fetch_parts(job, [1], settings)):
        with pytest.raises(NotFound, match="all workers share"):
            task()
    assert proxy.count("Get", "GetRange") == 0
