"""put, get, cp, pipe, cat: through the engine, whole or not at all, with s3fs's own manners."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback
from rich.console import Console
from rich.progress import Progress

from s3amfs import RichCallback, S3AMFileSystem
from s3amfs.engine.connect import connect
from s3amfs.filesystem.arguments import service
from tests.support.faults import Rule, internal_error
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZES = [0, 1, MIB - 1, MIB, 5 * MIB, 5 * MIB + 1, 13 * MIB]


@pytest.mark.parametrize("size", SIZES)
def test_put_and_get(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, size: int) -> None:
    make_file(tmp_path / "f", size, 1)
    fs.put(str(tmp_path / "f"), f"{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert fs.info(f"{bucket}/k")["size"] == size
    fs.get(f"{bucket}/k", str(tmp_path / "out"))
    assert digest(tmp_path / "out") == digest(tmp_path / "f")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["f", "out"]


@pytest.mark.parametrize("size", SIZES)
def test_pipe_cat_and_copy(fs: S3AMFileSystem, bucket: str, size: int) -> None:
    data = os.urandom(size)
    fs.pipe(f"{bucket}/k", data)
    assert fs.cat(f"{bucket}/k") == data
    fs.cp(f"{bucket}/k", f"{bucket}/copy")
    assert fs.cat(f"{bucket}/copy") == data
    if size > 1:
        assert fs.cat_file(f"{bucket}/k", start=1, end=-1) == data[1:-1]
    fs.mv(f"{bucket}/copy", f"{bucket}/moved")
    assert fs.cat(f"{bucket}/moved") == data
    assert not fs.exists(f"{bucket}/copy")


def test_trees(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    for name, size in (("a", 10), ("deep/b", 6 * MIB), ("deep/er/c", 0)):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        make_file(tmp_path / "tree" / name, size, 1)
    fs.put(str(tmp_path / "tree"), f"{bucket}/tree", recursive=True)
    fs.get(f"{bucket}/tree", str(tmp_path / "back"), recursive=True)
    for name in ("a", "deep/b", "deep/er/c"):
        assert digest(tmp_path / "back" / name) == digest(tmp_path / "tree" / name)


class Recording(Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.values: list[int] = []

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        self.values.append(self.value)


def test_callbacks_tell_exact_bytes(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 11 * MIB, 1)
    for move in (
        lambda told: fs.put_file(str(tmp_path / "f"), f"{bucket}/k", callback=told),
        lambda told: fs.get_file(f"{bucket}/k", str(tmp_path / "out"), callback=told),
    ):
        told = Recording()
        move(told)
        assert (told.size, told.value) == (11 * MIB, 11 * MIB)
        assert told.values == sorted(told.values)


@pytest.fixture
def impatient(arguments: dict[str, Any], proxy: FaultProxy) -> S3AMFileSystem:
    """One slot, through the proxy, and no retries: the first fault ends a transfer."""
    fs = S3AMFileSystem(**{**arguments, "endpoint_url": proxy.endpoint_url}, slots=1, skip_instance_cache=True)
    config = service(fs)
    assert config is not None
    fs._client = connect(replace(config, retry_budget=0.0))
    return fs


def interrupt(fs: S3AMFileSystem, proxy: FaultProxy, file: Path, target: str) -> None:
    """A put that ends after two parts."""
    proxy.rules.append(Rule("UploadPart", internal_error(), nth=3))
    with pytest.raises(OSError, match="500"):
        fs.put(str(file), target)
    assert not fs.exists(target)
    proxy.rules.clear()


def test_an_interrupted_put_goes_on(
    impatient: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    make_file(tmp_path / "f", 20 * MIB, 1)
    interrupt(impatient, proxy, tmp_path / "f", f"{bucket}/k")
    impatient.put(str(tmp_path / "f"), f"{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert proxy.parts_sent_again() == []
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_changed_source_supersedes_the_unfinished_upload(
    impatient: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    make_file(tmp_path / "f", 20 * MIB, 1)
    interrupt(impatient, proxy, tmp_path / "f", f"{bucket}/k")
    make_file(tmp_path / "f", 21 * MIB, 2)
    impatient.put(str(tmp_path / "f"), f"{bucket}/k")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_put_from_a_url(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 11 * MIB, 1)
    with HttpServer() as web:
        url = web.add("/f", tmp_path / "f")
        fs.put_file(url, f"{bucket}/k")
        fs.put(url, f"s3am://{bucket}/folder/")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert object_digest(boto, bucket, "folder/f") == digest(tmp_path / "f")


@pytest.mark.parametrize("without", [(), ("REST", "SIZE", "MDTM")], ids=["in ranges", "in order"])
def test_put_from_ftp(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, without: tuple[str, ...]) -> None:
    make_file(tmp_path / "f", 11 * MIB, 1)
    with FtpServer(tmp_path, without=without) as ftp:
        fs.put_file(ftp.url("/f"), f"{bucket}/k")
        fs.put(ftp.url("/f"), f"s3am://{bucket}/folder/")
        with pytest.raises(FileNotFoundError):
            fs.put(ftp.url("/none"), f"{bucket}/none")
    assert object_digest(boto, bucket, "k") == digest(tmp_path / "f")
    assert object_digest(boto, bucket, "folder/f") == digest(tmp_path / "f")
    assert not fs.exists(f"{bucket}/none")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_cat_ranges(fs: S3AMFileSystem, bucket: str) -> None:
    data = os.urandom(9 * MIB)
    fs.pipe(f"{bucket}/k", data)
    starts = [0, 100, 5 * MIB, 9 * MIB - 10, 3]
    ends = [10, 100, 7 * MIB, None, 9 * MIB]
    paths = [f"{bucket}/k"] * 5
    assert fs.cat_ranges(paths, starts, ends) == [data[a:b] for a, b in zip(starts, ends, strict=True)]
    found = fs.cat_ranges([f"{bucket}/k", f"{bucket}/none"], [0, 0], [1, 1], on_error="return")
    assert found[0] == data[:1]
    assert isinstance(found[1], FileNotFoundError)


def test_exclusive_create(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 6 * MIB, 1)
    fs.put_file(str(tmp_path / "f"), f"{bucket}/k", mode="create")
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "f"), f"{bucket}/k", mode="create")
    with pytest.raises(FileExistsError):
        fs.open(f"{bucket}/k", "xb")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{bucket}/k", b"x" * 2 * MIB, mode="create")


def test_errors_are_the_built_in_ones(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{bucket}/none", str(tmp_path / "out"))
    with pytest.raises(FileNotFoundError):
        fs.open(f"{bucket}/none", "rb")
    with pytest.raises(FileNotFoundError):
        fs.pipe("no-such-bucket-here/k", b"x" * 2 * MIB)


def test_metadata_and_keys(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f.html", 6 * MIB, 1)
    key = os.urandom(32)
    fs.put_file(str(tmp_path / "f.html"), f"{bucket}/k", Metadata={"colour": "blue"})
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/html", {"colour": "blue"})
    fs.put_file(str(tmp_path / "f.html"), f"{bucket}/e", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    got = boto.get_object(Bucket=bucket, Key="e", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert got["Body"].read() == (tmp_path / "f.html").read_bytes()


def test_pickles_and_tokens(arguments: dict[str, Any], bucket: str) -> None:
    one, other = S3AMFileSystem(**arguments), S3AMFileSystem(**arguments)
    assert one is other
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    again.pipe(f"{bucket}/k", b"x" * 2 * MIB)
    assert one.cat(f"{bucket}/k") == b"x" * 2 * MIB
    assert S3AMFileSystem(**arguments, slots=3) != one


def test_a_forked_child_can_use_it(fs: S3AMFileSystem, bucket: str) -> None:
    fs.pipe(f"{bucket}/k", b"x" * 2 * MIB)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if fs.cat(f"{bucket}/k") == b"x" * 2 * MIB and fs.ls(bucket) == [f"{bucket}/k"]:
                fs.pipe(f"{bucket}/child", b"y" * 2 * MIB)
                code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert fs.cat(f"{bucket}/child") == b"y" * 2 * MIB


def test_paths_may_bear_the_protocols_of_s3fs(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 2 * MIB, 1)
    for protocol in ("s3am", "s3", "s3a"):
        fs.put_file(str(tmp_path / "f"), f"{protocol}://{bucket}/{protocol}")
        fs.get_file(f"{protocol}://{bucket}/{protocol}", str(tmp_path / "out"))
        assert digest(tmp_path / "out") == digest(tmp_path / "f")
        assert fs.info(f"{protocol}://{bucket}/{protocol}")["size"] == 2 * MIB
    assert fs.unstrip_protocol(f"{bucket}/k") == f"s3am://{bucket}/k"


def test_the_last_transfer_and_a_bar_by_rich(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 17 * MIB, 1)
    shown = io.StringIO()
    bar = Progress(console=Console(file=shown, force_terminal=True, width=100))
    with RichCallback(bar=bar) as callback:
        fs.put(str(tmp_path / "f"), f"{bucket}/k", callback=callback)
    fs.get_file(f"{bucket}/k", str(tmp_path / "g"), callback=RichCallback(bar=bar))
    bar.stop()
    assert [(task.completed, task.total) for task in bar.tasks if task.visible] == [(17 * MIB, 17 * MIB)] * 2
    last = fs.last_transfer
    assert last is not None
    assert (last.verb, last.bytes_sent, last.retries) == ("download", 17 * MIB, 0)
    assert last.parts >= 1
    assert last.seconds > 0
