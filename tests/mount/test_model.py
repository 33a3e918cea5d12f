"""Random operations of two mounts and a plain client against a model: a few here, `make model RUNS=N` for the many."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from s3amfs.demo.seaweed import SeaweedServer
from tests.mount.model import World, machine
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

RUNS = int(os.environ.get("S3AM_MODEL_RUNS", "3"))
SEED = int(os.environ.get("S3AM_MODEL_SEED", "1"))


@pytest.mark.parametrize("options", [(), ("--write-back", 1000)], ids=["close commits", "write-back"])
def test_mounts_and_a_client_agree_with_the_model(
    new_mount: Callable[..., Mount], s3: SeaweedServer, boto: Any, bucket: str, options: tuple[object, ...]
) -> None:
    with FaultProxy(s3.endpoint_url) as one, FaultProxy(s3.endpoint_url) as two:
        environments = [{"AWS_ENDPOINT_URL": proxy.endpoint_url} for proxy in (one, two)]
        mounts = [new_mount("--metadata-ttl", 0, *options, env=env) for env in environments]
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
