"""What the tests of `s3am split` share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli

MIB = 1024 * 1024
PARTS = 5


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    content = os.urandom(PARTS * 5 * MIB - 12345)
    (tmp_path / "big").write_bytes(content)
    return content


def start(cli: Cli, source: object, target: object, job: Path, *options: str) -> None:
    done = cli("split", "start", str(source), str(target), "-o", str(job), "--part-size", "5MiB", *options)
    assert done.rc == 0, done.stderr


def content(boto: Any, bucket: str, key: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key=key)["Body"].read())
