"""Random operations of two mounts and a plain client against a model: a few here, `make model RUNS=N` for the many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.mount.model import World, machine
from tests.support.cli import Cli
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

RUNS = int(os.environ.get("S3AM_MODEL_RUNS", "3"))
SEED = int(os.environ.get("S3AM_MODEL_SEED", "1"))


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedServer]:
    """One that has done nothing else: a busy SeaweedFS lists emptied folders for a while."""
    with SeaweedServer() as server:
        yield server


@pytest.mark.fuse
@pytest.mark.parametrize("options", [(), ("--write-back", 1000)], ids=["close commits", "write-back"])
def test_mounts_and_a_client_agree_with_the_model(
    server: SeaweedServer, tmp_path: Path, options: tuple[object, ...]
) -> None:
    boto = boto_client(server.endpoint_url, server.access_key, server.secret_key)
    bucket = f"model-{len(options)}"
    boto.create_bucket(Bucket=bucket)
    cli = Cli(tmp_path / "home", server.environment())
    mounts: list[Mount] = []
    with FaultProxy(server.endpoint_url) as one, FaultProxy(server.endpoint_url) as two:
        try:
            for number, proxy in enumerate((one, two)):
                env = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
                folder = tmp_path / f"mount{number}"
                mounts.append(Mount(cli, f"s3://{bucket}/", folder, "--metadata-ttl", 0, *options, env=env))
            world = World((mounts[0], mounts[1]), (one, two), boto, bucket)
            settings = hypothesis.settings(
                max_examples=RUNS,
                stateful_step_count=20,
                deadline=None,
                database=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(hypothesis.seed(SEED)(machine(world)), settings=settings)
        finally:
            for mount in mounts:
                mount.close()
