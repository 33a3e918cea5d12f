"""What a download is written to: files with a mode, links, pipes, long names."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.files import content

MIB = 1024 * 1024
DATA = content(17 * MIB, 3)


@pytest.fixture
def url(boto: Any, bucket: str) -> str:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    return f"s3://{bucket}/k"


def test_a_replaced_file_keeps_its_mode_and_a_link_its_place(cli: Cli, url: str, tmp_path: Path) -> None:
    target, link = tmp_path / "private", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    cli.ok("download", "--file-exists", "overwrite", url, link)
    assert link.is_symlink()
    assert target.read_bytes() == DATA
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["link", "private"]


def test_a_name_as_long_as_the_file_system_takes(cli: Cli, url: str, tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    running = cli.start("download", "--bwlimit", "8M", url, target)
    assert running.kill_when(lambda: any(name.endswith(".progress") for name in os.listdir(tmp_path)))
    running.wait()
    assert cli("download", url, target).rc == 12
    cli.ok("download", "--download-exists", "resume", url, target)
    assert target.read_bytes() == DATA


def test_a_pipe_is_written_to_in_order(cli: Cli, url: str, tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    assert cli("download", url, pipe).rc == 11
    thread = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    thread.start()
    result = cli.ok("download", "--file-exists", "overwrite", url, pipe)
    thread.join()
    assert got == [DATA]
    assert "of the whole object, as S3 stores it" in result.stdout
    assert [p.name for p in tmp_path.iterdir() if "pipe" in p.name] == ["pipe"]


def test_gets_of_one_object_to_one_file_wait_for_each_other(s3: SeaweedServer, url: str, tmp_path: Path) -> None:
    fs = S3AMFileSystem(key=s3.access_key, secret=s3.secret_key, endpoint_url=s3.endpoint_url)
    errors: list[BaseException] = []

    def get() -> None:
        try:
            fs.get(url.removeprefix("s3://"), str(tmp_path / "same"))
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "same").read_bytes() == DATA
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["same"]


def test_a_folder_that_is_missing_is_file_not_found(s3: SeaweedServer, url: str, tmp_path: Path) -> None:
    fs = S3AMFileSystem(key=s3.access_key, secret=s3.secret_key, endpoint_url=s3.endpoint_url)
    with pytest.raises(FileNotFoundError):
        fs.get_file(url.removeprefix("s3://"), str(tmp_path / "missing" / "k"))


def test_a_missing_folder_is_a_bad_destination(cli: Cli, url: str, tmp_path: Path) -> None:
    assert cli("download", url, tmp_path / "missing" / "k").rc == 6


def test_zeros_become_holes(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = content(3 * MIB, 1) + bytes(20 * MIB) + content(100_001, 2) + bytes(7 * MIB)
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    url, target = f"s3://{bucket}/k", tmp_path / "sparse"
    cli.ok("download", "--sparse", "--part-size", "5M", url, target)
    assert target.read_bytes() == data
    assert target.stat().st_blocks * 512 < 6 * MIB
    os.utime(target, (1e9, 1e9))
    cli.ok("upload", "--part-size", "5M", target, f"s3://{bucket}/again")
    assert boto.get_object(Bucket=bucket, Key="again")["Body"].read() == data


def test_a_killed_sparse_download_goes_on(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = (content(2 * MIB, 1) + bytes(3 * MIB)) * 5
    boto.put_object(Bucket=bucket, Key="k", Body=data)
    url, target = f"s3://{bucket}/k", tmp_path / "sparse"
    running = cli.start("download", "--sparse", "--part-size", "5M", "--bwlimit", "8M", url, target)
    progress = tmp_path / ".sparse.progress"
    assert running.kill_when(lambda: progress.exists() and b'"part"' in progress.read_bytes())
    running.wait()
    cli.ok("download", "--sparse", "--download-exists", "resume", url, target)
    assert target.read_bytes() == data


@pytest.mark.parametrize(
    ("choice", "code", "words"),
    [
        ("none", 0, "length only"),
        ("md5", 0, "ETag, which is the MD5"),
        ("crc32c", 1, "stores no crc32c"),
        ("sha512", 2, "invalid choice"),
    ],
)
def test_how_the_content_is_proven_may_be_chosen(
    cli: Cli, url: str, tmp_path: Path, choice: str, code: int, words: str
) -> None:
    result = cli("download", "--checksum", choice, url, tmp_path / "out")
    assert result.rc == code
    assert words in result.stdout + result.stderr
    assert (tmp_path / "out").exists() == (code == 0)
