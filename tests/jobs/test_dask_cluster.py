"""Transfers by a real dask cluster of processes: up, across, resumed, a worker killed; objects made of blocks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs import cluster
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config
from s3amfs.errors import NotFound, UsageError
from s3amfs.transfers.options import UploadOptions
from tests.support.faults import Rule, delay
from tests.support.proxy import FaultProxy

distributed = pytest.importorskip("distributed")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def dask(s3: SeaweedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of two worker processes that have the server's credentials in their environment."""
    folder = tmp_path_factory.mktemp("dask")
    environment = {**s3.environment(), "HOME": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=2, dashboard_address=None, local_directory=str(folder)
            ) as local,
            distributed.Client(local) as client,
        ):
            yield client


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))


def config(s3: SeaweedServer, endpoint: str | None = None) -> S3Config:
    return S3Config(
        endpoint_url=endpoint or s3.endpoint_url,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        region="us-east-1",
    )


def small_parts(**more: Any) -> UploadOptions:
    return UploadOptions(unfinished="continue", part_size=5 * MIB, **more)


def content(boto: Any, bucket: str, key: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_a_file_and_a_copy(dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(42 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    url = f"s3://{bucket}/k"
    done = cluster.transfer(dask, str(tmp_path / "big"), url, config=config(s3), options=small_parts())
    assert done.proof == "crc64nvme of the whole object, checked by the server"
    assert content(boto, bucket, "k") == data
    cluster.transfer(dask, url, f"s3://{bucket}/copy", config=config(s3), options=small_parts())
    assert content(boto, bucket, "copy") == data
    assert "Uploads" not in boto.list_multipart_uploads(Bucket=bucket)


def test_a_killed_worker_costs_what_it_had_in_hand(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    data = os.urandom(100 * MIB + 7)
    (tmp_path / "big").write_bytes(data)
    proxy.rules.append(Rule("UploadPart", delay(0.3)))
    pids = list(dask.run(os.getpid).values())

    def kill() -> None:
        assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) >= 4)
        os.kill(pids[0], signal.SIGKILL)

    import threading

    killer = threading.Thread(target=kill)
    killer.start()
    there, url = config(s3, proxy.endpoint_url), f"s3://{bucket}/k"
    done = cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts(), slots=4)
    killer.join()
    assert content(boto, bucket, "k") == data
    assert done.proof == "crc64nvme of the whole object, checked by the server"
    assert len(proxy.parts_sent_again()) == 0
    dask.wait_for_workers(2)


def test_a_client_that_died_resumes(
    dask: Any, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    data = os.urandom(52 * MIB)
    (tmp_path / "big").write_bytes(data)
    there, url = config(s3, proxy.endpoint_url), f"s3://{bucket}/k"

    def stop(event: Any) -> None:
        if event.event == "completing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts(), on_event=stop)
    before = proxy.count("UploadPart")
    cluster.transfer(dask, str(tmp_path / "big"), url, config=there, options=small_parts())
    assert proxy.count("UploadPart") == before
    assert content(boto, bucket, "k") == data


def test_a_source_that_workers_do_not_have(dask: Any, s3: SeaweedServer, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        cluster.transfer(dask, str(tmp_path / "nothing"), f"s3://{bucket}/k", config=config(s3))


def test_no_key_travels(dask: Any, s3: SeaweedServer, bucket: str, tmp_path: Path) -> None:
    from s3amfs.core.ssec import CustomerKey
    from s3amfs.transfers.options import ObjectOptions

    (tmp_path / "f").write_bytes(b"x")
    options = UploadOptions(object=ObjectOptions(customer_key=CustomerKey(b"k" * 32)))
    with pytest.raises(UsageError, match="key files"):
        cluster.transfer(dask, str(tmp_path / "f"), f"s3://{bucket}/k", config=config(s3), options=options)


def make_block(seed: int, size: int) -> bytes:
    import random

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
