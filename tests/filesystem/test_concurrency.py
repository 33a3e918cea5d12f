"""`max_concurrency`: how many requests of one file are under way at a time, wherever s3fs takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from tests.support.faults import Rule, delay
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 30 * MIB
MOVING = ("UploadPart", "CopyPart", "GetRange", "Get")


def put(fs: S3AMFileSystem, bucket: str, folder: Path, **most: int) -> None:
    fs.put_file(str(folder / "f"), f"{bucket}/k", **most)


def pipe(fs: S3AMFileSystem, bucket: str, folder: Path, **most: int) -> None:
    fs.pipe_file(f"{bucket}/k", bytes(SIZE), **most)


def get(fs: S3AMFileSystem, bucket: str, folder: Path, **most: int) -> None:
    fs.get_file(f"{bucket}/there", str(folder / "out"), **most)


def cat(fs: S3AMFileSystem, bucket: str, folder: Path, **most: int) -> None:
    assert len(fs.cat_file(f"{bucket}/there", **most)) == SIZE


def write(fs: S3AMFileSystem, bucket: str, folder: Path) -> None:
    with fs.open(f"{bucket}/k", "wb", block_size=5 * MIB) as file:
        file.write(bytes(SIZE))


def copy(fs: S3AMFileSystem, bucket: str, folder: Path) -> None:
    fs.cp_file(f"{bucket}/there", f"{bucket}/k")


@pytest.fixture
def there(boto: Any, bucket: str, tmp_path: Path) -> str:
    """A bucket with an object `there`, of which `f` is a copy."""
    make_file(tmp_path / "f", SIZE, 1)
    boto.upload_file(str(tmp_path / "f"), bucket, "there")
    return bucket


@pytest.fixture
def slow(proxy: FaultProxy) -> FaultProxy:
    """Every request takes a while, so that those which may overlap do."""
    proxy.rules.append(Rule(MOVING, delay(0.1)))
    return proxy


@pytest.mark.parametrize("way", [put, pipe, get, cat])
def test_of_a_call(
    watched: S3AMFileSystem, slow: FaultProxy, there: str, tmp_path: Path, way: Callable[..., None]
) -> None:
    way(watched, there, tmp_path, max_concurrency=2)
    assert slow.most_at_a_time(*MOVING) == 2


@pytest.mark.parametrize("way", [put, pipe, get, cat, write, copy])
def test_of_the_instance(
    watched_arguments: dict[str, Any], slow: FaultProxy, there: str, tmp_path: Path, way: Callable[..., None]
) -> None:
    fs = S3AMFileSystem(**watched_arguments, max_concurrency=2, skip_instance_cache=True)
    way(fs, there, tmp_path)
    assert slow.most_at_a_time(*MOVING) == 2


@pytest.mark.parametrize("way", [put, pipe, get, cat, write, copy])
def test_unless_told(
    watched: S3AMFileSystem, slow: FaultProxy, there: str, tmp_path: Path, way: Callable[..., None]
) -> None:
    way(watched, there, tmp_path)
    assert slow.most_at_a_time(*MOVING) > 2


def test_nonsense(watched: S3AMFileSystem, watched_arguments: dict[str, Any], there: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        S3AMFileSystem(**watched_arguments, max_concurrency=0, skip_instance_cache=True)
