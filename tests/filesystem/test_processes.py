"""File systems and open files in processes that are started anew ('spawn'): they get them pickled."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from s3amfs import S3AMFileSystem

MIB = 1024 * 1024


def work(fs: S3AMFileSystem, bucket: str, folder: str) -> tuple[int, bytes]:
    """In the child: every way in and out."""
    fs.pipe_file(f"{bucket}/small", b"from the child")
    fs.get_file(f"{bucket}/there", f"{folder}/out")
    fs.put_file(f"{folder}/out", f"{bucket}/again")
    fs.cp_file(f"{bucket}/again", f"{bucket}/copy")
    with fs.open(f"{bucket}/copy", "rb") as file:
        file.seek(5 * MIB)
        return os.getpid(), file.read(10)


def rest_of(file: Any) -> bytes:
    """In the child: what was not read before."""
    return bytes(file.read())


def twice(fs: S3AMFileSystem, again: S3AMFileSystem) -> tuple[bool, str | None]:
    """In the child: whether both are one, and who they are."""
    return fs is again, fs.key


def test_spawn(arguments: dict[str, Any], bucket: str, tmp_path: Path) -> None:
    fs = S3AMFileSystem(**arguments)
    data = os.urandom(11 * MIB)
    fs.pipe_file(f"{bucket}/there", data)  # the parent's threads and connections are there
    assert fs.ls(bucket) == [f"{bucket}/there"]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        child, read = pool.submit(work, fs, bucket, str(tmp_path)).result(120)
        assert child != os.getpid()
        assert read == data[5 * MIB : 5 * MIB + 10]
        assert fs.cat_file(f"{bucket}/small") == b"from the child"
        assert fs.cat_file(f"{bucket}/copy") == data
        with fs.open(f"{bucket}/there", "rb") as file:
            file.read(MIB)
            assert pool.submit(rest_of, file).result(120) == data[MIB:]
            assert file.read() == data[MIB:]
        assert pool.submit(twice, fs, S3AMFileSystem(**arguments)).result(120) == (True, arguments["key"])
