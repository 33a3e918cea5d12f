"""What s3fs's users rely on beside the bytes: cancellation, the event loop, caches, forks, transactions, open files."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from s3fs.utils import FileExpired

from s3amfs import S3AMFileSystem
from tests.support.faults import Rule, answer, edit_request, throttle
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def test_asynchronous(arguments: dict[str, Any], proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 20 * MIB, 1)
    arrived, go_on = threading.Event(), threading.Event()

    def hold(line: str, headers: Any) -> tuple[str, Any]:
        arrived.set()
        assert go_on.wait(120)
        return line, headers

    proxy.rules.append(Rule("UploadPart", edit_request(hold)))

    async def use() -> None:
        given = {**arguments, "endpoint_url": proxy.endpoint_url, "asynchronous": True}
        fs = S3AMFileSystem(**given, skip_instance_cache=True)
        session = await fs.set_session()
        put = asyncio.ensure_future(fs._put_file(str(tmp_path / "f"), f"{bucket}/k"))
        assert await asyncio.to_thread(arrived.wait, 60)
        await fs._pipe_file(f"{bucket}/small", b"0123456789")  # the loop is free while parts are on their way
        assert not put.done()
        go_on.set()
        await put
        assert len(await fs._cat_file(f"{bucket}/k")) == 20 * MIB
        assert await fs._cat_ranges([f"{bucket}/small"] * 2, [0, 5], [2, 6]) == [b"01", b"5"]
        await session.close()

    asyncio.run(use())


def test_a_cancelled_put_stops(watched: S3AMFileSystem, proxy: FaultProxy, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 40 * MIB, 1)
    proxy.rules.append(Rule("UploadPart", throttle(MIB), times=1000))

    async def use() -> None:
        task = asyncio.ensure_future(watched._put_file(str(tmp_path / "f"), f"{bucket}/k"))
        assert await asyncio.to_thread(proxy.wait_for, lambda: proxy.count("UploadPart") > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(use())
    proxy.rules.clear()
    assert proxy.wait_for(lambda: all(request.done for request in proxy.requests))
    assert not watched.exists(f"{bucket}/k")


def test_listings_are_forgotten_also_after_a_failure(
    watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    watched.pipe_file(f"{bucket}/a", b"1")
    assert watched.ls(bucket) == [f"{bucket}/a"]
    make_file(tmp_path / "f", 6 * MIB, 1)
    denied = b"<Error><Code>AccessDenied</Code></Error>"
    proxy.rules.append(Rule("Complete", answer(403, denied)))
    with pytest.raises(PermissionError):
        watched.put_file(str(tmp_path / "f"), f"{bucket}/k")
    boto.put_object(Bucket=bucket, Key="z", Body=b"")
    assert watched.ls(bucket) == [f"{bucket}/a", f"{bucket}/z"]


def test_an_open_file_in_a_forked_child(fs: S3AMFileSystem, bucket: str) -> None:
    data = os.urandom(12 * MIB)
    fs.pipe_file(f"{bucket}/k", data)
    file = fs.open(f"{bucket}/k", "rb")
    assert file.read(MIB) == data[:MIB]  # what comes next is on its way to the parent
    child = os.fork()
    if child == 0:
        os._exit(0 if file.read() == data[MIB:] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert file.read() == data[MIB:]


def test_a_reader_of_what_was_replaced(fs: S3AMFileSystem, bucket: str) -> None:
    fs.pipe_file(f"{bucket}/k", b"a" * 100)
    with fs.open(f"{bucket}/k", "rb", cache_type="bytes") as file:
        assert file.info()["ETag"] == fs.info(f"{bucket}/k")["ETag"]
        fs.pipe_file(f"{bucket}/k", b"b" * 100)
        with pytest.raises(FileExpired):
            file.read(10)


def test_files_of_a_transaction_leave_before_it_ends(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.transaction:
        with fs.open(f"{bucket}/k", "wb") as file:
            file.write(b"small")
        assert [upload["Key"] for upload in boto.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
        assert not fs.exists(f"{bucket}/k")
    assert fs.cat_file(f"{bucket}/k") == b"small"
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_an_exclusive_create_that_fails_leaves_nothing(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    fs.pipe_file(f"{bucket}/k", b"there")
    for data in (b"small", bytes(12 * MIB)):
        with pytest.raises(FileExistsError):
            fs.pipe_file(f"{bucket}/k", data, mode="create")
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert fs.cat_file(f"{bucket}/k") == b"there"


def test_get_into_an_open_file(fs: S3AMFileSystem, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(9 * MIB)
    fs.pipe_file(f"{bucket}/k", data)
    with open(tmp_path / "out", "wb") as file:
        fs.get(f"{bucket}/k", file)
    assert (tmp_path / "out").read_bytes() == data


class Slow(io.RawIOBase):
    """A raw file that takes little at a time, and nothing from `room` bytes on."""

    def __init__(self, room: int) -> None:
        self.taken = bytearray()
        self._room = room

    def write(self, data: Any) -> int | None:
        if len(self.taken) >= self._room:
            return None
        self.taken += bytes(memoryview(data)[:1000])
        return min(1000, len(data))


def test_get_into_a_raw_file_that_takes_little_at_a_time(fs: S3AMFileSystem, bucket: str) -> None:
    data = os.urandom(12_345)
    fs.pipe_file(f"{bucket}/k", data)
    file = Slow(len(data))
    fs.get_file(f"{bucket}/k", file)
    assert file.taken == data
    with pytest.raises(BlockingIOError):
        fs.get_file(f"{bucket}/k", Slow(5000))


def test_a_method_of_s3fs_stays_one(fs: S3AMFileSystem, bucket: str) -> None:
    """Names of ours must not hide theirs."""
    import s3fs

    fs.pipe_file(f"{bucket}/k", b"1")
    assert isinstance(fs.checksum(f"{bucket}/k"), int)
    ours, theirs = S3AMFileSystem, s3fs.S3FileSystem
    both = set(dir(ours)) & set(dir(theirs))
    assert [name for name in both if callable(getattr(theirs, name)) != callable(getattr(ours, name))] == []
