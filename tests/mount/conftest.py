"""A bucket on a directory, through the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy


@pytest.fixture
def new_mount(cli: Cli, bucket: str, tmp_path: Path) -> Iterator[Callable[..., Mount]]:
    """A function that mounts the bucket: `new_mount(*options, env=…, prefix='')`."""
    made: list[Mount] = []

    def make(*options: object, env: dict[str, str] | None = None, prefix: str = "") -> Mount:
        mount = Mount(cli, f"s3://{bucket}/{prefix}", tmp_path / f"mount{len(made)}", *options, env=env)
        made.append(mount)
        return mount

    yield make
    for mount in made:
        mount.close()


@pytest.fixture
def mounted(new_mount: Callable[..., Mount]) -> Mount:
    return new_mount()


@pytest.fixture
def watched(new_mount: Callable[..., Mount], proxy: FaultProxy) -> Mount:
    """A mount whose requests go through the proxy."""
    return new_mount("--part-size", "5M", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})


class Stored:
    """What is in the bucket, asked without the mount."""

    def __init__(self, boto: Any, bucket: str) -> None:
        self.boto, self.bucket = boto, bucket

    def put(self, key: str, data: bytes = b"", **metadata: str) -> None:
        self.boto.put_object(Bucket=self.bucket, Key=key, Body=data, Metadata=metadata)

    def get(self, key: str) -> bytes:
        return bytes(self.boto.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.boto.head_object(Bucket=self.bucket, Key=key))

    def listed(self, prefix: str = "") -> list[str]:
        found = self.boto.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def uploads(self) -> list[str]:
        found = self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [entry["Key"] for entry in found]


@pytest.fixture
def stored(boto: Any, bucket: str) -> Stored:
    return Stored(boto, bucket)
