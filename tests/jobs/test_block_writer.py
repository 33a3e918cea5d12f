"""Objects made of blocks by a real dask cluster."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from s3amfs import cluster
from s3amfs.core.bandwidth import Bandwidth
from s3amfs.core.ssec import CustomerKey
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.errors import TransferError, UsageError
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from tests.faults.written_blocks import write_blocks
from tests.support.dask import MIB, config, content, own_scheduler
from tests.support.proxy import FaultProxy


def make_block(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("sizes", [[1, 2], [6, 0.5, 0.2, 7, 1, 1, 1, 1, 1, 9, 0.1], [0.3], [], [5, 5, 5]])
def test_blocks_become_one_object(dask: Any, s3: SeaweedServer, boto: Any, bucket: str, sizes: list[float]) -> None:
    import dask as dask_module

    blocks = [dask_module.delayed(make_block)(seed, int(size * MIB)) for seed, size in enumerate(sizes)]
    done = cluster.write_object(dask, f"s3://{bucket}/k", blocks, config=config(s3), window=3)
    assert content(boto, bucket, "k") == b"".join(make_block(n, int(size * MIB)) for n, size in enumerate(sizes))
    if sizes:
        assert done.proof == "crc64nvme of the whole object, checked by the server"
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_a_block_that_fails_publishes_nothing(dask: Any, s3: SeaweedServer, boto: Any, bucket: str) -> None:
    import dask as dask_module

    blocks = [dask_module.delayed(make_block)(1, 6 * MIB), dask_module.delayed(int)("no number")]
    with pytest.raises(ValueError, match="no number"):
        cluster.write_object(dask, f"s3://{bucket}/k", blocks, config=config(s3))
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_blocks_while_a_worker_is_killed(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    sizes = [int(size * MIB) for size in (6, 1, 8, 0.5, 7, 2, 2, 9, 6, 1)]
    there = config(s3, proxy.endpoint_url)
    written = write_blocks(dask, there, proxy, boto, f"s3://{bucket}/k", sizes, 1)
    assert written.right, written.line()
    assert written.proof == "crc64nvme of the whole object, checked by the server"
    assert written.scheduler_bytes < 5 * MIB < written.size // 8, written.line()
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_it_ends_where_no_worker_is_left(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask as dask_module

    monkeypatch.setattr("s3amfs.jobs.workers.ALONE_SECONDS", 0.0)
    with own_scheduler(s3, tmp_path) as (client, _):
        blocks = [dask_module.delayed(os._exit)(1)]  # the only worker, which nobody starts again
        with pytest.raises(TransferError, match="no worker is left"):
            cluster.write_object(client, f"s3://{bucket}/k", blocks, config=config(s3))
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (UploadOptions(object=ObjectOptions(customer_key=CustomerKey(b"k" * 32))), "key files"),
        (UploadOptions(expect=(("md5", "0" * 32),)), "leave the digest out"),
        (UploadOptions(upload_slots=2), "leave upload_slots out"),
        (UploadOptions(bwlimit=Bandwidth(((0, 7),))), "one rate"),
    ],
)
def test_options_that_would_not_be_kept_to_are_refused(options: UploadOptions, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        cluster.write_object(None, "s3://bucket/k", [], options=options)  # type: ignore[arg-type]
