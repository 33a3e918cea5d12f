"""When instances are gone, so is what they used: only the process's loops stay, for the next ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from tests.support.cli import Cli
from tests.support.faults import Rule, error
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024

PROGRAM = """
import gc, json, os, socket, stat, sys, tempfile, threading, time
from s3amfs import S3AMFileSystem
from s3amfs.engine.loop import get_engine

MIB = 1024 * 1024
bucket, folder = sys.argv[1:]

def connections():
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
                with socket.socket(fileno=os.dup(int(fd))) as one:
                    found += one.family in (socket.AF_INET, socket.AF_INET6)
        except OSError:
            continue  # that of listdir itself, or closed meanwhile
    return found

def use(number):
    fs = S3AMFileSystem(multipart_threshold=MIB, part_size="5MiB", slots=number)
    fs.pipe_file(f"{bucket}/small", b"data")
    fs.pipe_file(f"{bucket}/large", bytes(11 * MIB))
    fs.get_file(f"{bucket}/large", f"{folder}/out")
    fs.put_file(f"{folder}/out", f"{bucket}/put")
    fs.cp_file(f"{bucket}/put", f"{bucket}/copy")
    fs.cat_ranges([f"{bucket}/large"] * 2, [0, 5 * MIB], [10, 6 * MIB])
    with fs.open(f"{bucket}/copy") as file:
        file.read(MIB)
    with fs.open(f"{bucket}/written", "wb") as file:
        file.write(bytes(11 * MIB))
    assert fs.ls(bucket, refresh=True)
    assert connections() > 0

def left():
    deadline = time.monotonic() + 30
    while connections() and time.monotonic() < deadline:
        time.sleep(0.01)  # they are closed by other threads
    for loop in get_engine().loops():
        done = threading.Event()
        loop.submit(done.set)
        assert done.wait(30)  # a loop that hangs up makes a new set of connections: not seen half-way
    return {
        "connections": connections(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "files": sorted(os.listdir(tempfile.gettempdir())) + sorted(os.listdir(folder)),
    }

for number in (1, 2, 3, None):
    use(number)
    S3AMFileSystem.clear_instance_cache()
    gc.collect()
    print(json.dumps(left()))
"""
OF_THE_PROCESS = {"MainThread", "asyncio_0", "fsspecIO", "s3am-loop-0", "s3am-loop-1"}


def test_nothing_stays(cli: Cli, bucket: str, tmp_path: Path) -> None:
    cli.command = [sys.executable, "-c", PROGRAM]
    for name in ("folder", "temporary"):
        (tmp_path / name).mkdir()
    done = cli.ok(bucket, tmp_path / "folder", env={"TMPDIR": str(tmp_path / "temporary")})
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) == 4
    assert all(left == rounds[0] for left in rounds), done.stdout
    assert rounds[0]["connections"] == 0
    assert set(rounds[0]["threads"]) <= OF_THE_PROCESS
    assert rounds[0]["files"] == ["out"]


@pytest.mark.parametrize("way", ["put", "pipe", "open", "cp"])
def test_a_small_object_settles_what_a_large_one_has_left(
    watched: S3AMFileSystem, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path, way: str
) -> None:
    """A put of many parts fails; then something small is stored under the same key."""
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(bytes(11 * MIB))
    small.write_bytes(b"small")
    boto.put_object(Bucket=bucket, Key="other", Body=b"small")
    proxy.rules.append(Rule("UploadPart", error(403, "AccessDenied"), nth=2, times=100))
    with pytest.raises(PermissionError):
        watched.put_file(str(large), f"{bucket}/k")
    assert boto.list_multipart_uploads(Bucket=bucket)["Uploads"]
    store: dict[str, Callable[[], Any]] = {
        "put": lambda: watched.put_file(str(small), f"{bucket}/k"),
        "pipe": lambda: watched.pipe_file(f"{bucket}/k", b"small"),
        "open": lambda: write(watched, f"{bucket}/k"),
        "cp": lambda: watched.cp_file(f"{bucket}/other", f"{bucket}/k"),
    }
    store[way]()
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"small"
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert list((tmp_path / "state").glob("*.manifest")) == []


def write(fs: S3AMFileSystem, path: str) -> None:
    with fs.open(path, "wb") as file:
        file.write(b"small")
