"""Objects below the threshold: one request each, checked, many at a time; errors are s3fs's."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback

from s3amfs import S3AMFileSystem
from tests.support.faults import Rule, flip, internal_error
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def test_one_request_each(watched: S3AMFileSystem, proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"x" * 1000)
    watched.put_file(str(tmp_path / "f.txt"), f"{bucket}/k")
    watched.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert watched.cat_file(f"{bucket}/k", start=10, end=20) == b"x" * 10
    assert watched.pipe_file(f"{bucket}/p", b"y")["ETag"] == '"415290769594460e2e485922904f345d"'
    assert [request.kind for request in proxy.requests] == ["Put", "Get", "GetRange", "Put"]
    assert (tmp_path / "out").read_bytes() == b"x" * 1000
    assert watched.info(f"{bucket}/k")["ContentType"] == "text/plain"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["f.txt", "out"]


def test_what_arrives_damaged_is_noticed(
    watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    data = os.urandom(10_000)
    proxy.rules.append(Rule("Put", flip("request", 5000), times=1))
    watched.pipe_file(f"{bucket}/k", data)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == data
    proxy.rules.append(Rule("Get", flip("response", 5000), times=1))
    watched.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data


def test_what_fails_is_done_by_s3fs(watched: S3AMFileSystem, proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    proxy.rules.append(Rule("Put", internal_error(), times=1))
    watched.pipe_file(f"{bucket}/k", b"data")
    assert watched.cat_file(f"{bucket}/k") == b"data"
    for wrong in (lambda: watched.cat_file(f"{bucket}/none"), lambda: watched.get_file(f"{bucket}/none", "out")):
        with pytest.raises(FileNotFoundError):
            wrong()


def test_an_object_that_grew_since_it_was_listed(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path) -> None:
    fs.pipe_file(f"{bucket}/k", b"small")
    assert fs.ls(bucket, detail=True)[0]["size"] == 5
    data = os.urandom(3 * MIB)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    fs.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data
    assert fs.cat_file(f"{bucket}/k") == data


def stored_after_a_listing(fs: S3AMFileSystem, boto: Any, bucket: str, size: int) -> bytes:
    """`k` is there, and `fs` remembers a listing without it."""
    fs.pipe_file(f"{bucket}/other", b"")
    assert fs.ls(bucket) == [f"{bucket}/other"]
    data = os.urandom(size)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    return data


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_an_object_that_is_younger_than_the_listing(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, size: int
) -> None:
    """s3fs's get_file asks S3, not the listing."""
    data = stored_after_a_listing(fs, boto, bucket, size)
    fs.get_file(f"{bucket}/k", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data
    assert fs.cat_file(f"{bucket}/k") == data


@pytest.mark.parametrize("size", [10, 6 * MIB])
@pytest.mark.parametrize("copy", ["cp_file", "copy", "mv"])
def test_a_copy_of_an_object_that_is_younger_than_the_listing(
    fs: S3AMFileSystem, boto: Any, bucket: str, size: int, copy: str
) -> None:
    data = stored_after_a_listing(fs, boto, bucket, size)
    getattr(fs, copy)(f"{bucket}/k", f"{bucket}/copy")
    assert fs.cat_file(f"{bucket}/copy") == data
    assert fs.exists(f"{bucket}/k") == (copy != "mv")
    with pytest.raises(FileNotFoundError):
        fs.cp_file(f"{bucket}/none", f"{bucket}/copy")


@pytest.mark.parametrize("slots", [None, 2])
def test_trees_share_slots(
    arguments: dict[str, Any], proxy: FaultProxy, bucket: str, tmp_path: Path, slots: int | None
) -> None:
    fs = S3AMFileSystem(**{**arguments, "endpoint_url": proxy.endpoint_url}, slots=slots, skip_instance_cache=True)
    for number in range(60):
        (tmp_path / f"{number:02}").write_bytes(bytes([number]) * (100 if number else 6 * MIB))
    told = Recording()
    fs.put(f"{tmp_path}/", f"{bucket}/tree/", recursive=True, callback=told)
    assert (told.size, told.value) == (60, 60)
    assert sum(told.branches) == 59 * 100 + 6 * MIB
    assert fs.cat(fs.find(f"{bucket}/tree"))[f"{bucket}/tree/07"] == b"\7" * 100
    if slots is not None:
        assert proxy.most_at_a_time("Put", "UploadPart") <= slots
        assert proxy.most_at_a_time("Get", "GetRange") <= slots


class Recording(Callback):  # type: ignore[misc]
    """A parent; `branches` has what its children were told in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Callback] = []

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Callback:
        child = Callback()
        self.children.append(child)
        return child

    @property
    def branches(self) -> list[int]:
        assert all(child.size == child.value for child in self.children)
        return [child.value for child in self.children]


def test_nothing_is_left_behind(arguments: dict[str, Any], bucket: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(6 * MIB))
    before = set(threading.enumerate())
    fs = S3AMFileSystem(**arguments, skip_instance_cache=True)
    fs.put_file(str(tmp_path / "f"), f"{bucket}/k")
    fs.get_file(f"{bucket}/k", str(tmp_path / "out"))
    with fs.open(f"{bucket}/k", "rb") as file:
        file.read(MIB)
    del fs, file
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith(("s3am-loop-", "fsspecIO")):  # of the process, not of an instance
            thread.join(10)
            assert not thread.is_alive(), thread.name
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["f", "out"]
