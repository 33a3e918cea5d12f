"""Old versions of objects: read by the engine, version by version, and never mixed with the current one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback

from s3amfs import S3AMFileSystem
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


@pytest.fixture
def aware(watched_arguments: dict[str, Any]) -> S3AMFileSystem:
    return S3AMFileSystem(**watched_arguments, version_aware=True, skip_instance_cache=True)


@pytest.fixture
def versioned(boto: Any, bucket: str) -> str:
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def store(boto: Any, bucket: str, data: bytes) -> str:
    """The id of the new version of `k`."""
    return str(boto.put_object(Bucket=bucket, Key="k", Body=data)["VersionId"])


def read(fs: S3AMFileSystem, path: str, folder: Path, **version: str) -> bytes:
    with fs.open(path, "rb", **version) as file:
        return bytes(file.read())


def cat(fs: S3AMFileSystem, path: str, folder: Path, **version: str) -> bytes:
    return bytes(fs.cat_file(path, **version))


def get(fs: S3AMFileSystem, path: str, folder: Path, **version: str) -> bytes:
    fs.get_file(path, str(folder / "out"), **version)
    return (folder / "out").read_bytes()


Read = Callable[..., bytes]


@pytest.mark.parametrize("size", [10, 12 * MIB])
@pytest.mark.parametrize("way", [read, cat, get])
@pytest.mark.parametrize("named", ["in the path", "by argument"])
def test_an_old_version(
    aware: S3AMFileSystem,
    proxy: FaultProxy,
    boto: Any,
    versioned: str,
    tmp_path: Path,
    way: Read,
    size: int,
    named: str,
) -> None:
    data = os.urandom(size)
    old = store(boto, versioned, data)
    store(boto, versioned, b"new" * size)
    path = f"{versioned}/k"
    if named == "in the path":
        assert way(aware, f"{path}?versionId={old}", tmp_path) == data
    else:
        assert way(aware, path, tmp_path, version_id=old) == data
    fetched = proxy.of("Get", "GetRange")
    assert {request.query.get("versionId") for request in fetched} == {old}
    if size > MIB:  # s3fs would make one request of it
        assert proxy.count("GetRange", status=206) >= 2
    assert proxy.count("List") == 0


def test_ranges_of_an_old_version(aware: S3AMFileSystem, proxy: FaultProxy, boto: Any, versioned: str) -> None:
    data = os.urandom(9 * MIB)
    old = store(boto, versioned, data)
    store(boto, versioned, bytes(9 * MIB))
    path = f"{versioned}/k?versionId={old}"
    assert aware.cat_ranges([path] * 2, [5, 8 * MIB], [10, 8 * MIB + 3]) == [data[5:10], data[8 * MIB : 8 * MIB + 3]]
    assert {request.query.get("versionId") for request in proxy.of("GetRange")} == {old}


def test_a_copy_of_an_old_version(aware: S3AMFileSystem, proxy: FaultProxy, boto: Any, versioned: str) -> None:
    data = os.urandom(6 * MIB)
    old = store(boto, versioned, data)
    store(boto, versioned, b"new")
    aware.cp_file(f"{versioned}/k?versionId={old}", f"{versioned}/copy")
    assert boto.get_object(Bucket=versioned, Key="copy")["Body"].read() == data
    sources = [request.headers["x-amz-copy-source"] for request in proxy.of("Copy", "CopyPart")]
    assert len(sources) == 2
    assert all(source.endswith(f"/k?versionId={old}") for source in sources)


def test_a_reader_goes_on_with_the_version_it_opened(
    aware: S3AMFileSystem, proxy: FaultProxy, boto: Any, versioned: str
) -> None:
    data = os.urandom(40 * MIB)
    old = store(boto, versioned, data)
    with aware.open(f"{versioned}/k", "rb") as file:
        assert file.read(10) == data[:10]
        store(boto, versioned, b"new")
        boto.delete_object(Bucket=versioned, Key="k")
        file.seek(39 * MIB)
        assert file.read() == data[39 * MIB :]
        assert file.version_id == old
    assert {request.query.get("versionId") for request in proxy.of("GetRange")} == {old}


def test_what_was_written_tells_its_version(aware: S3AMFileSystem, boto: Any, versioned: str) -> None:
    for size in (10, 6 * MIB):
        with aware.open(f"{versioned}/k", "wb") as file:
            file.write(bytes(size))
        assert file.version_id == boto.head_object(Bucket=versioned, Key="k")["VersionId"]


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_a_deleted_object_has_its_versions(
    watched: S3AMFileSystem, aware: S3AMFileSystem, boto: Any, versioned: str, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    old = store(boto, versioned, data)
    boto.delete_object(Bucket=versioned, Key="k")
    for fs in (watched, aware):
        for way in (get, cat):  # s3fs's take a version in any case
            assert way(fs, f"{versioned}/k", tmp_path, version_id=old) == data
            with pytest.raises(FileNotFoundError):
                way(fs, f"{versioned}/k", tmp_path)
    assert read(aware, f"{versioned}/k", tmp_path, version_id=old) == data


def test_a_version_needs_to_be_allowed(watched: S3AMFileSystem, boto: Any, versioned: str) -> None:
    old = store(boto, versioned, b"data")
    with pytest.raises(ValueError, match="version aware"):
        watched.open(f"{versioned}/k", "rb", version_id=old)


def test_sizes_are_those_of_the_version(fs: S3AMFileSystem, boto: Any, versioned: str, tmp_path: Path) -> None:
    old = store(boto, versioned, bytes(6 * MIB))
    store(boto, versioned, bytes(7 * MIB))
    told = Callback()
    fs.get_file(f"{versioned}/k", str(tmp_path / "out"), version_id=old, callback=told)
    assert told.size == told.value == (tmp_path / "out").stat().st_size == 6 * MIB


@pytest.mark.parametrize("way", [get, cat])
def test_a_version_that_never_was(
    watched: S3AMFileSystem, boto: Any, versioned: str, tmp_path: Path, way: Read
) -> None:
    store(boto, versioned, bytes(6 * MIB))
    with pytest.raises(OSError, match=r"[Vv]ersion|exist|found|404"):
        way(watched, f"{versioned}/k", tmp_path, version_id="3" * 32)
    assert not (tmp_path / "out").exists()
