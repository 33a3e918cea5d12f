"""A dask cluster of two worker processes, which the tests of a run share."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config
from s3amfs.transfers.options import UploadOptions

MIB = 1024 * 1024


@pytest.fixture(scope="session")
def dask_client(s3: SeaweedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of two worker processes that have the server's credentials in their environment."""
    distributed = pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    environment = {**s3.environment(), "HOME": str(folder)}
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            dashboard_address="127.0.0.1:0",
            local_directory=str(folder),
            env=environment,
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture
def dask(dask_client: Any) -> Any:
    """The client; both workers are there, also after a test that has killed one."""
    dask_client.wait_for_workers(2, timeout=60)
    return dask_client


@contextmanager
def own_scheduler(s3: SeaweedServer, folder: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """A client of a scheduler and a worker that are processes of their own, and a function that kills the scheduler."""
    distributed = pytest.importorskip("distributed")
    at = ("--scheduler-file", str(folder / "scheduler.json"))
    programs = (
        ("dask_scheduler", *at, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
        ("dask_worker", *at, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)),
    )
    environment = {**os.environ, **s3.environment(), "HOME": str(folder)}
    with ExitStack() as stack:
        running = []
        for program, *words in programs:
            command = [sys.executable, "-m", f"distributed.cli.{program}", *words]
            running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
            stack.callback(running[-1].wait)
            stack.callback(running[-1].kill)
        with distributed.Client(scheduler_file=at[1], timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
            yield client, partial(kill, running[0].pid)


def kill(pid: int) -> None:
    """Kills a process and waits for its end."""
    handle = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([handle], [], [], 30)[0]
    finally:
        os.close(handle)


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
