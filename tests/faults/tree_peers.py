"""Other tools that play the scenes of tests.faults.trees. Each returns its exit code."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.trees import Scene, World

PAGE = 7
"""Keys of a page: small trees have many of them."""
LONGEST = 120
"""Seconds that a tool may take for a scene."""


def _run(world: World, variables: dict[str, str], *command: str) -> int:
    environment = {"PATH": os.environ["PATH"], "HOME": str(world.folder), **variables}
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=LONGEST, check=False).returncode
    except subprocess.TimeoutExpired:
        return 124  # as timeout(1) says it: it is stopped, and has failed


def by_rclone(world: World, scene: Scene, faulty: bool) -> int:
    variables = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_R_TYPE": "s3",
        "RCLONE_CONFIG_R_PROVIDER": "Other",
        "RCLONE_CONFIG_R_ENDPOINT": world.proxy.endpoint_url,
        "RCLONE_CONFIG_R_ACCESS_KEY_ID": world.s3.access_key,
        "RCLONE_CONFIG_R_SECRET_ACCESS_KEY": world.s3.secret_key,
        "RCLONE_CONFIG_R_LIST_CHUNK": str(PAGE),
        "RCLONE_CONFIG_R_LIST_VERSION": "2",
    }
    names = [str(world.place(scene, end)).replace("s3://", "r:") for end in ("source", "target")]
    return _run(world, variables, "rclone", "sync", "--retries", "1", "--low-level-retries", "2", "--checksum", *names)


def by_s5cmd(world: World, scene: Scene, faulty: bool) -> int:
    """Its pages have 1,000 keys: only answers that lie are as short as those of the others."""
    variables = {**world.s3.environment(), "AWS_REGION": "us-east-1", "S3_ENDPOINT_URL": world.proxy.endpoint_url}
    source, target = (f"{world.place(scene, end)}".rstrip("/") + "/" for end in ("source", "target"))
    if source.startswith("s3:"):
        source += "*"
    return _run(world, variables, "s5cmd", "--retry-count", "2", "sync", "--delete", source, target)


def by_aws(world: World, scene: Scene, faulty: bool) -> int:
    variables = {
        **world.s3.environment(),
        "AWS_ENDPOINT_URL": world.proxy.endpoint_url,
        "AWS_MAX_ATTEMPTS": "2",
    }
    names = [str(world.place(scene, end)) for end in ("source", "target")]
    return _run(world, variables, "aws", "s3", "sync", "--delete", "--page-size", str(PAGE), *names)
