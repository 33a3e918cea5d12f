"""Objects open for writing that nobody closes properly: a block that fails, collection, the end of the program, a fork.

Only `close` publishes, whenever it comes: also from an exit handler.
"""

from __future__ import annotations

import gc
import gzip
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from tests.support.cli import Cli

MIB = 1024 * 1024
START = "import os, sys\nfrom s3amfs import S3AMFileSystem\nfs = S3AMFileSystem()\n"

Run = Callable[[str], Any]


@pytest.fixture
def run(cli: Cli, bucket: str) -> Run:
    """Runs a program that has `fs` and, in sys.argv[1], the name of an object."""

    def run(program: str) -> Any:
        cli.command = [sys.executable, "-X", "dev", "-c", START + program]
        return cli(f"{bucket}/k", timeout=60)

    return run


def keys(boto: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket).get("Contents", ())]


def content(boto: Any, bucket: str) -> bytes:
    found: bytes = boto.get_object(Bucket=bucket, Key="k")["Body"].read()
    return found


@pytest.mark.parametrize("size", [10, 12 * MIB])
@pytest.mark.parametrize("given", [{"mode": "wb"}, {"mode": "w"}, {"mode": "wb", "compression": "gzip"}])
def test_a_block_that_fails(fs: S3AMFileSystem, boto: Any, bucket: str, size: int, given: dict[str, str]) -> None:
    data: Any = os.urandom(size)
    with pytest.raises(ZeroDivisionError), fs.open(f"{bucket}/k", **given) as file:
        file.write(data if "b" in given["mode"] else data.hex())
        raise ZeroDivisionError
    assert file.closed
    assert keys(boto, bucket) == []
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_block_that_fails_inside_a_transaction(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.transaction:
        with fs.open(f"{bucket}/whole", "wb") as file:
            file.write(b"whole")
        with pytest.raises(ZeroDivisionError), fs.open(f"{bucket}/half", "wb") as file:
            file.write(b"half")
            raise ZeroDivisionError
    assert keys(boto, bucket) == ["whole"]


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_is_collected(fs: S3AMFileSystem, boto: Any, bucket: str, mode: str) -> None:
    file = fs.open(f"{bucket}/k", mode)
    file.write("half" if mode == "w" else b"half")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del file
        gc.collect()
    assert [warning.category for warning in seen] == [ResourceWarning]
    assert "k was not closed" in str(seen[0].message)
    assert keys(boto, bucket) == []


def test_compressed_files_are_published_by_close(fs: S3AMFileSystem, boto: Any, bucket: str) -> None:
    with fs.open(f"{bucket}/k", "w", compression="gzip", encoding="utf-16") as file:
        file.write("ä" * 1000)
    assert gzip.decompress(content(boto, bucket)).decode("utf-16") == "ä" * 1000
    with fs.open(f"{bucket}/k", "rt", compression="gzip", encoding="utf-16") as file:
        assert file.read() == "ä" * 1000
    with fs.open(f"{bucket}/l.gz", "wb", compression="infer") as file:
        file.write(b"inferred")
    assert gzip.decompress(boto.get_object(Bucket=bucket, Key="l.gz")["Body"].read()) == b"inferred"


@pytest.mark.parametrize("size", [10, 20 * MIB])
def test_left_open_at_the_exit(run: Run, boto: Any, bucket: str, size: int) -> None:
    ended = run(f"f = fs.open(sys.argv[1], 'wb')\nf.write(bytes({size}))\n1 / 0")
    assert ended.rc == 1
    assert "ResourceWarning" in ended.stderr and "k was not closed" in ended.stderr
    assert keys(boto, bucket) == []


@pytest.mark.parametrize("size", [10, 20 * MIB])
@pytest.mark.parametrize("when", ["before", "after"])
def test_closed_by_an_exit_handler(run: Run, boto: Any, bucket: str, size: int, when: str) -> None:
    """Whether it was registered before or after everything else."""
    register = "import atexit\natexit.register(lambda: f.close())\n"
    opening = f"f = fs.open(sys.argv[1], 'wb')\nf.write(b'x' * {size})\n"
    ended = run(register + opening if when == "before" else opening + register)
    assert (ended.rc, ended.stderr) == (0, "")
    assert content(boto, bucket) == b"x" * size


def test_the_child_of_a_fork_can_only_drop_it(run: Run, boto: Any, bucket: str) -> None:
    ended = run(
        "f = fs.open(sys.argv[1], 'wb')\n"
        "f.write(b'p' * (6 << 20))\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for do in (lambda: f.write(b'c'), f.flush, f.close):\n"
        "        try:\n"
        "            do()\n"
        "            os._exit(1)\n"
        "        except ValueError as error:\n"
        "            assert 'fork' in str(error)\n"
        "    del f\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "assert not fs.exists(sys.argv[1])\n"
        "f.write(b'q' * 1000)\n"
        "f.close()\n"
    )
    assert ended.rc == 0, ended.stderr
    assert content(boto, bucket) == b"p" * 6 * MIB + b"q" * 1000


def test_the_child_of_a_fork_reads_on_while_the_parent_holds_all_slots(run: Run, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"x" * (12 * MIB))
    ended = run(
        "f = fs.open(sys.argv[1], 'rb')\n"
        "f.read(1000)\n"
        "for _ in range(100):\n"
        "    fs.gates()[1].enter(lambda: None)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(f.read() != b'x' * ((12 << 20) - 1000))\n"
        "os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert ended.rc == 0, ended.stderr
