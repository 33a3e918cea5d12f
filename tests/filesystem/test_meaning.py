"""fsspec's meaning of empty ranges, moved folders, keys that are folders too, failing callbacks, dead services."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback

from s3amfs import S3AMFileSystem
from s3amfs.engine import waiting
from tests.support.faults import Rule, answer, stall
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def keys(boto: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket).get("Contents", ())]


@pytest.fixture
def digits(fs: S3AMFileSystem, boto: Any, bucket: str) -> str:
    boto.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    return f"{bucket}/k"


RANGES = [(0, 0), (None, 0), (3, 3), (5, 2), (20, 30), (10, 11), (-3, None), (0, -8), (-3, -1), (8, 20), (None, -10)]


@pytest.mark.parametrize(("start", "end"), RANGES)
def test_ranges_are_slices(fs: S3AMFileSystem, digits: str, start: int | None, end: int | None) -> None:
    wanted = b"0123456789"[start:end]
    assert fs.cat_file(digits, start=start, end=end) == wanted
    assert fs.cat_ranges([digits], [start], [end]) == [wanted]
    assert fs.cat_ranges([digits] * 2, [start, 1], [end, 3]) == [wanted, b"12"]


def test_ranges_are_those_of_the_object_as_it_is_now(fs: S3AMFileSystem, boto: Any, bucket: str, digits: str) -> None:
    assert fs.ls(bucket, detail=True)[0]["size"] == 10  # remembered
    boto.put_object(Bucket=bucket, Key="k", Body=b"abcdefghijklmnopqrstuvwxyz")
    assert fs.cat_file(digits, start=-3) == b"xyz"
    assert fs.cat_file(digits, start=24, end=40) == b"yz"


def test_an_empty_range_of_nothing(fs: S3AMFileSystem, bucket: str) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{bucket}/missing", start=0, end=0)


def test_a_folder_is_moved(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    for key in ("d/a", "d/s/b"):
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())
    with pytest.raises(IsADirectoryError):
        fs.mv(f"{bucket}/d", f"{bucket}/o")
    fs.mv(f"{bucket}/d", f"{bucket}/o", recursive=True)
    assert keys(boto, bucket) == ["o/a", "o/s/b"]


def test_a_move_removes_only_what_it_copied(
    fs: S3AMFileSystem, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto.put_object(Bucket=bucket, Key="d/a", Body=b"a")
    copy = S3AMFileSystem._copy_one

    async def copy_and_another_writer(self: S3AMFileSystem, *given: Any) -> bool:
        done = await copy(self, *given)
        boto.put_object(Bucket=bucket, Key="d/new", Body=b"of somebody else")
        return done

    monkeypatch.setattr(S3AMFileSystem, "_copy_one", copy_and_another_writer)
    fs.mv(f"{bucket}/d", f"{bucket}/o", recursive=True)
    assert keys(boto, bucket) == ["d/new", "o/a"]


def test_a_move_that_fails_removes_nothing(
    fs: S3AMFileSystem, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("d/a", "d/b"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"x")
    copy = S3AMFileSystem._copy_one

    async def fail_at_b(self: S3AMFileSystem, path1: str, *given: Any) -> bool:
        if path1.endswith("/b"):
            raise PermissionError
        return await copy(self, path1, *given)

    monkeypatch.setattr(S3AMFileSystem, "_copy_one", fail_at_b)
    with pytest.raises(PermissionError):
        fs.mv(f"{bucket}/d", f"{bucket}/o", recursive=True)
    assert {"d/a", "d/b"} <= set(keys(boto, bucket))


@pytest.mark.parametrize("size", [10, 6 * MIB])
@pytest.mark.parametrize("there", [True, False])
def test_a_move_replaces_what_it_has_seen_and_nothing_later(
    fs: S3AMFileSystem, boto: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, size: int, there: bool
) -> None:
    boto.put_object(Bucket=bucket, Key="a", Body=bytes(size))
    if there:
        boto.put_object(Bucket=bucket, Key="b", Body=b"old")
    copy = S3AMFileSystem._copy_one

    async def another_writer_first(self: S3AMFileSystem, *given: Any) -> bool:
        boto.put_object(Bucket=bucket, Key="b", Body=b"of somebody else")
        return await copy(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(S3AMFileSystem, "_copy_one", another_writer_first)
        with pytest.raises(OSError, match=f"{bucket}/b"):
            fs.mv(f"{bucket}/a", f"{bucket}/b")
    assert fs.cat(f"{bucket}/b") == b"of somebody else"
    fs.mv(f"{bucket}/a", f"{bucket}/b")
    assert keys(boto, bucket) == ["b"]
    assert fs.cat(f"{bucket}/b") == bytes(size)


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_put_and_cp_overwrite_as_fsspec_has_it(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, size: int
) -> None:
    (tmp_path / "f").write_bytes(bytes(size))
    for key in ("a", "b"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"old")
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "f"), f"{bucket}/a", mode="create")
    fs.put(str(tmp_path / "f"), f"{bucket}/a")
    fs.cp(f"{bucket}/a", f"{bucket}/b")
    assert fs.cat(f"{bucket}/b") == bytes(size)


def test_an_object_with_the_name_of_a_folder_is_not_left_out_in_silence(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path
) -> None:
    for key in ("p/a", "p/a/b", "p/c/d"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"x")
    with pytest.raises(IsADirectoryError, match="p/a"):
        fs.get(f"{bucket}/p", str(tmp_path / "p"), recursive=True)
    boto.delete_object(Bucket=bucket, Key="p/a")
    fs.invalidate_cache()
    fs.get(f"{bucket}/p", str(tmp_path / "q"), recursive=True)
    assert (tmp_path / "q" / "a" / "b").read_bytes() == (tmp_path / "q" / "c" / "d").read_bytes() == b"x"


class Failing(Callback):
    """Raises once bytes have moved."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def relative_update(self, inc: int = 1) -> None:
        raise self._error

    def absolute_update(self, value: int) -> None:
        raise self._error


@pytest.mark.parametrize("size", [10, 600_000, 12 * MIB])
@pytest.mark.parametrize("error", [ZeroDivisionError(), StopIteration(), SystemExit(3)], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("there", [True, False])
def test_a_callback_that_raises(
    fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, size: int, error: BaseException, there: bool
) -> None:
    """Its error comes out, nothing hangs, then or later, and the target is what it was."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"x" * size)
    target = tmp_path / "target"
    if there:
        target.write_bytes(b"old")
    raised: Any = ZeroDivisionError if isinstance(error, ZeroDivisionError) else RuntimeError
    with pytest.raises(raised):
        fs.get_file(f"{bucket}/k", str(target), callback=Failing(error))
    assert (target.read_bytes() == b"old") if there else not target.exists()
    with pytest.raises(raised):
        fs.put_file(__file__, f"{bucket}/put", callback=Failing(error))
    assert fs.cat_file(f"{bucket}/k", start=0, end=3) == b"xxx"


@pytest.mark.parametrize("size", [10, 600_000, 12 * MIB])
def test_get_into_a_missing_folder(fs: S3AMFileSystem, boto: Any, bucket: str, tmp_path: Path, size: int) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"x" * size)
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{bucket}/k", str(tmp_path / "missing" / "k"))
    assert list(tmp_path.iterdir()) == [tmp_path / "state"] or not list(tmp_path.iterdir())


def test_a_small_get_keeps_the_mode(fs: S3AMFileSystem, digits: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"secret")
    target.chmod(0o600)
    fs.get_file(digits, str(target))
    assert target.read_bytes() == b"0123456789" and target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stale", [True, False])
def test_exclusive_create_at_open(fs: S3AMFileSystem, boto: Any, bucket: str, stale: bool) -> None:
    """Whatever a listing said."""
    if stale:
        assert fs.ls(bucket) == []
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    with pytest.raises(FileExistsError):
        fs.open(f"{bucket}/k", "xb")
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


@pytest.fixture
def nobody() -> str:
    """An endpoint that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_a_dead_endpoint_is_a_connection_error(nobody: str, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(os.urandom(10))
    fs = S3AMFileSystem(
        key="k",
        secret="s",
        endpoint_url=nobody,
        skip_instance_cache=True,
        config_kwargs={"retries": {"total_max_attempts": 2}},  # else the engine waits half a minute for it
    )
    for do in (
        lambda: fs.ls("bucket"),
        lambda: fs.put_file(str(tmp_path / "k"), "bucket/k"),
        lambda: fs.cat_file("bucket/k"),
        lambda: fs.pipe_file("bucket/k", b"x"),
        lambda: fs.get_file("bucket/k", str(tmp_path / "out")),
    ):
        with pytest.raises(ConnectionError):
            do()
    assert not (tmp_path / "out").exists()


def test_a_plain_403_to_every_part_ends_at_once(
    watched: S3AMFileSystem, bucket: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    """No code, no document: as a firewall answers."""
    (tmp_path / "k").write_bytes(bytes(12 * MIB))
    proxy.rules.append(Rule("UploadPart", answer(403)))
    begun = time.monotonic()
    with pytest.raises(PermissionError):
        watched.put_file(str(tmp_path / "k"), f"{bucket}/k")
    assert time.monotonic() - begun < 60


def test_a_small_object_that_does_not_come_is_waited_for_aloud(
    watched: S3AMFileSystem, bucket: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(waiting, "_listener", said.append)
    watched.pipe_file(f"{bucket}/k", b"x")
    proxy.rules.append(Rule("Get", stall("before_response", seconds=0.5), times=1))
    assert watched.cat_file(f"{bucket}/k") == b"x"
    assert f"waiting: s3://{bucket}/k" in said


def test_no_credentials_is_a_permission_error(nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fs = S3AMFileSystem(endpoint_url=nobody, skip_instance_cache=True)
    with pytest.raises(PermissionError):
        fs.ls("bucket")
