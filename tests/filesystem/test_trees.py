"""Whole trees: read by the walk and the listing of jobs/, so that nothing in them is left out silently."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.engine.client import S3Client
from s3amfs.errors import InvalidDestination, InvalidSource, TransferError
from s3amfs.filesystem.whole_listing import list_all
from tests.jobs.test_listing import KEYS, Service
from tests.support.proxy import FaultProxy
from tests.support.trees import make_tree, read_prefix, read_tree


def test_what_cannot_be_put_is_named_and_the_rest_is_there(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path
) -> None:
    files = {"a/b": b"1", "a-c": b"2", "é": b""}
    source = make_tree(tmp_path / "src", files)
    os.mkfifo(source / "a" / "fifo")
    (source / "a" / "loop").symlink_to("..")
    (source / "nothing").symlink_to("absent")
    with pytest.raises(InvalidSource, match=r"a/fifo: a FIFO.*\(and 2 more\)"):
        fs.put(f"{source}/", f"{bucket}/up", recursive=True)
    assert read_prefix(boto, bucket, "up/") == files
    (source / "a" / "fifo").unlink()
    (source / "a" / "loop").unlink()
    with pytest.raises(FileNotFoundError, match="nothing: a link to nothing"):
        fs.put(str(source), f"{bucket}/up/", recursive=True)
    assert read_prefix(boto, bucket, "up/src/") == files


def test_objects_of_one_local_name_are_both_named_and_neither_is_written(
    moto: str, boto_of_moto: Any, tmp_path: Path
) -> None:
    boto_of_moto.create_bucket(Bucket="folded")
    for key in ("p/a//b", "p/a/b", "p/c"):
        boto_of_moto.put_object(Bucket="folded", Key=key, Body=key.encode())
    fs = S3AMFileSystem(key="key", secret="secret", endpoint_url=moto, skip_instance_cache=True)
    with pytest.raises(InvalidDestination, match="the same local name"):
        fs.get("folded/p", str(tmp_path / "out"), recursive=True)
    assert read_tree(tmp_path / "out") == {"c": b"p/c"}


def test_small_objects_are_copied_by_one_request_of_the_engine(
    watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    files = {"a/b": b"1", "c": b"22"}
    for key, data in files.items():
        boto.put_object(Bucket=bucket, Key=f"from/{key}", Body=data)
    watched.cp(f"{bucket}/from", f"{bucket}/to", recursive=True)
    assert read_prefix(boto, bucket, "to/") == files
    copies = [request for request in proxy.requests if request.kind == "Copy"]
    assert len(copies) == len(files)
    assert not any("aiobotocore" in request.headers.get("user-agent", "").lower() for request in copies)


def test_a_whole_prefix_is_listed_as_s3fs_describes_it() -> None:
    found = list_all(cast(S3Client, Service(KEYS)), "bucket", "root/")
    assert [row["name"] for row in found] == [f"bucket/{key}" for key in KEYS]
    assert {name: found[0][name] for name in ("type", "size", "StorageClass")} == {
        "type": "file",
        "size": 1,
        "StorageClass": "STANDARD",
    }


@pytest.mark.parametrize("cut", [10, 2500])
def test_another_order_of_the_server_leaves_nothing_out(cut: int) -> None:
    found = list_all(cast(S3Client, Service([*KEYS[cut:], *KEYS[:cut]])), "bucket", "root/")
    assert [row["name"] for row in found] == [f"bucket/{key}" for key in KEYS]


def test_a_listing_that_breaks_off_is_no_shorter_tree() -> None:
    with pytest.raises(TransferError, match="names 'stray'"):
        list_all(cast(S3Client, Service([*KEYS[:2000], "stray"])), "bucket", "root/")


@pytest.mark.parametrize("pattern", [False, True])
@pytest.mark.parametrize("verb", ["mv", "copy"])
def test_a_folder_that_goes_into_itself_mixes_nothing(
    fs: S3AMFileSystem, bucket: str, verb: str, pattern: bool
) -> None:
    before = {f"{bucket}/a/x": b"1", f"{bucket}/a/a/x": b"2", f"{bucket}/a/a/a/x": b"3"}
    for path, content in before.items():
        fs.pipe(path, content)
    act = getattr(fs, verb)
    with pytest.raises(OSError, match="as well"):
        act(f"{bucket}/a/*" if pattern else f"{bucket}/a/", f"{bucket}/a/a/", recursive=True)
    assert fs.cat(list(before)) == before
    act(f"{bucket}/a/", f"{bucket}/a/new/", recursive=True)
    assert fs.cat(f"{bucket}/a/new/a/a/x") == b"3"
    assert fs.exists(f"{bucket}/a/x") is (verb == "copy")


@pytest.mark.parametrize("cached", [False, True])
def test_an_object_with_the_name_of_a_folder_is_copied_too(
    moto: str, boto_of_moto: Any, cached: bool, tmp_path: Path
) -> None:
    bucket = f"beside-{cached}".lower()
    boto_of_moto.create_bucket(Bucket=bucket)
    files = {"d": b"object", "d/x": b"below"}
    for key, data in files.items():
        boto_of_moto.put_object(Bucket=bucket, Key=f"t/{key}", Body=data)
    fs = S3AMFileSystem(key="key", secret="secret", endpoint_url=moto, skip_instance_cache=True)
    fs.copy(f"{bucket}/t", f"{bucket}/tree", recursive=True)
    assert read_prefix(boto_of_moto, bucket, "tree/") == files
    fs.invalidate_cache()
    if cached:
        fs.find(bucket)
    fs.cp_file(f"{bucket}/t/d", f"{bucket}/one")
    assert read_prefix(boto_of_moto, bucket, "one") == {"": b"object"}
    fs.cp_file(f"{bucket}/t", f"{bucket}/folder")  # is no object
    assert read_prefix(boto_of_moto, bucket, "folder") == {}
    for source, local in (("t/d", "down"), ("t/*", "all/")):
        fs.copy(f"{bucket}/{source}", f"{bucket}/{local}")
        assert list(read_prefix(boto_of_moto, bucket, local).values()) == [b"object"]
        fs.get(f"{bucket}/{source}", str(tmp_path / local) + "/"[: local.endswith("/")])
    assert read_tree(tmp_path) == {"down": b"object", "all/d": b"object"}
    with pytest.raises(IsADirectoryError, match="cannot hold both"):
        fs.get(f"{bucket}/t/d", str(tmp_path / "tree"), recursive=True)
    assert read_tree(tmp_path / "tree") == {"x": b"below"}
    fs.mv(f"{bucket}/t/d", f"{bucket}/moved")
    assert read_prefix(boto_of_moto, bucket, "t/") == {"d/x": b"below"}


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        (["d1/x", "d2/x"], "q/"),
        (["d1/x", "d2/x"], ["q", "q"]),
        (["d1/x", "d2/x"], ["d2/x", "d1/x"]),
        (["d1/x", "d2/x"], ["d2/x", "q"]),
    ],
    ids=["one folder", "one name", "exchanged", "handed on"],
)
def test_a_list_of_moves_that_would_lose_one_is_refused(
    fs: S3AMFileSystem, boto: Any, bucket: str, sources: list[str], targets: str | list[str]
) -> None:
    files = {"d1/x": b"1", "d2/x": b"2"}
    for key, data in files.items():
        boto.put_object(Bucket=bucket, Key=key, Body=data)
    names = [f"{bucket}/{key}" for key in sources]
    others = f"{bucket}/{targets}" if isinstance(targets, str) else [f"s3am://{bucket}/{key}" for key in targets]
    for move in (fs.mv, fs.copy):
        with pytest.raises(InvalidDestination, match=r"would (both become|replace)"):
            move(names, others)
        assert read_prefix(boto, bucket, "") == files
    fs.mv(names, [f"{bucket}/q/1", f"{bucket}/d1/x2"])
    assert read_prefix(boto, bucket, "") == {"q/1": b"1", "d1/x2": b"2"}


def test_a_list_of_files_of_one_name_is_refused(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_tree(tmp_path / "up", {"d1/x": b"1", "d2/x": b"2"})
    local = [str(tmp_path / "up" / name) for name in ("d1/x", "d2/x")]
    for target in (f"{bucket}/q/", [f"{bucket}/q", f"s3am://{bucket}/q"]):
        with pytest.raises(InvalidDestination, match="would both become"):
            fs.put(local, target)
    with pytest.raises(InvalidDestination, match="would both become"):
        fs.put(iter(local), f"{bucket}/q/")
    assert read_prefix(boto, bucket, "") == {}
    remote = [f"{bucket}/d1/x", f"{bucket}/d2/x"]
    fs.put(local, remote)
    (tmp_path / "down").mkdir()
    for down in (f"{tmp_path}/down/", [f"{tmp_path}/down/x", f"{tmp_path}/down/./x"]):
        with pytest.raises(InvalidDestination, match="would both become"):
            fs.get(remote, down)
    assert read_tree(tmp_path / "down") == {}
    fs.get(remote, [f"{tmp_path}/down/1", f"{tmp_path}/down/2"])
    assert read_tree(tmp_path / "down") == {"1": b"1", "2": b"2"}


def test_objects_of_folders_in_a_list_are_no_files(moto: str, boto_of_moto: Any, tmp_path: Path) -> None:
    boto_of_moto.create_bucket(Bucket="folders")
    for key in ("d1/", "d1/x", "d2/", "d2/y"):
        boto_of_moto.put_object(Bucket="folders", Key=key, Body=key.encode() if key[-1] != "/" else b"")
    fs = S3AMFileSystem(key="key", secret="secret", endpoint_url=moto, skip_instance_cache=True)
    sources = ["folders/d1", "folders/d2"]
    fs.get(sources, str(tmp_path / "down"), recursive=True)
    assert read_tree(tmp_path / "down") == {"x": b"d1/x", "y": b"d2/y"}
    fs.copy(sources, "folders/to", recursive=True)
    assert read_prefix(boto_of_moto, "folders", "to/") == {"x": b"d1/x", "y": b"d2/y"}


@pytest.mark.parametrize(("names", "recursive"), [(("d1", "d2"), True), (("d1/*", "d2/*"), False)])
def test_a_list_of_folders_or_patterns_loses_no_file(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, names: tuple[str, str], recursive: bool
) -> None:
    files = {"d1/x": b"1", "d2/x": b"2"}
    make_tree(tmp_path / "up", files)
    local = [f"{tmp_path}/up/{name}" for name in names]
    with pytest.raises(InvalidDestination, match="would both become"):
        fs.put(local, f"{bucket}/q", recursive=recursive)
    fs.put(f"{tmp_path}/up/", f"{bucket}/p", recursive=True)
    remote = [f"{bucket}/p/{name}" for name in names]
    with pytest.raises(InvalidDestination, match="would both become"):
        fs.get(remote, f"{tmp_path}/down", recursive=recursive)
    with pytest.raises(InvalidDestination, match="would both become"):
        fs.copy(remote, f"{bucket}/q", recursive=recursive)
    assert read_prefix(boto, bucket, "q/") == {}
    assert not (tmp_path / "down").exists()
    fs.get(remote[:1], f"{tmp_path}/one", recursive=recursive)
    assert read_tree(tmp_path / "one") == {"x": b"1"}


def test_folders_in_a_list_get_the_names_that_are_given(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path
) -> None:
    files = {"a/s/x": b"1", "b/x": b"2"}
    make_tree(tmp_path / "up", {"d1/s/x": b"1", "d2/x": b"2"})
    remote = [f"{bucket}/p/{name}" for name in "ab"]
    fs.put([f"{tmp_path}/up/d1", f"{tmp_path}/up/d2"], remote, recursive=True)
    assert read_prefix(boto, bucket, "p/") == files
    fs.get(remote, [f"{tmp_path}/down/{name}" for name in "ab"], recursive=True)
    assert read_tree(tmp_path / "down") == files
    fs.mv(remote, [f"{bucket}/q/{name}" for name in "ab"], recursive=True)
    assert read_prefix(boto, bucket, "") == {f"q/{key}": data for key, data in files.items()}


def test_a_list_without_a_name_for_each(fs: S3AMFileSystem, bucket: str) -> None:
    for act in (fs.put, fs.get, fs.copy, fs.mv):
        with pytest.raises(ValueError, match="one target for each source"):
            act([f"{bucket}/a", f"{bucket}/b"], [f"{bucket}/c"])
