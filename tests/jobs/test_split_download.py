"""`s3am split` of downloads: several processes write into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.manifest import PartRecord
from s3amfs.core.parts import Part
from s3amfs.core.split_job import Share
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import connect
from s3amfs.jobs.split import load
from s3amfs.jobs.split_download import RangeMover, finish_download, move_download
from s3amfs.transfers.options import DownloadOptions
from tests.support.cli import Cli
from tests.support.dask import config
from tests.support.split import data, start

__all__ = ["data"]


def test_a_download_by_two(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    job, target = tmp_path / "job", tmp_path / "down"
    start(cli, f"s3://{bucket}/from", target, job)
    movers = [cli.start("split", "move", str(job), f"{index}/2") for index in (1, 2)]
    for mover in movers:
        assert mover.wait().rc == 0
    assert not target.exists()
    assert cli("split", "status", str(job)).rc == 0
    done = cli("split", "finish", str(job), "--json")
    assert done.rc == 0, done.stderr
    assert "crc32c of the whole object" in done.json_lines()[-1]["proof"]
    assert target.read_bytes() == data
    assert cli("split", "finish", str(job)).rc == 0
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}


def test_a_finish_that_was_killed_after_the_file_had_its_name(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    target.write_bytes(b"old")
    start(cli, f"s3://{bucket}/from", target, job, "--file-exists", "overwrite")
    assert cli("split", "move", str(job), "1/1").rc == 0
    (tmp_path / ".down.partial").rename(target)
    done = cli("split", "finish", str(job))
    assert done.rc == 0, done.stderr
    assert target.read_bytes() == data
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}


def test_a_partial_file_that_is_gone_is_no_empty_file(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    target.write_bytes(b"old")
    start(cli, f"s3://{bucket}/from", target, job, "--file-exists", "overwrite")
    assert cli("split", "move", str(job), "1/1").rc == 0
    (tmp_path / ".down.partial").unlink()
    done = cli("split", "finish", str(job))
    assert done.rc == 1, done.stderr
    assert "gone" in done.stderr
    assert target.read_bytes() == b"old"


def test_a_process_that_is_late_fetches_nothing_again_and_leaves_no_records(
    cli: Cli, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it moves its first batch, others take its share over and the job is finished."""
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    start(cli, f"s3://{bucket}/from", target, job)
    client, options, begun = connect(config(s3)), DownloadOptions(), load(str(job))
    fetch, fetched = RangeMover.fetch, []

    def slow(self: RangeMover, fd: int, parts: list[Part], crc: str | None = None) -> list[PartRecord]:
        monkeypatch.setattr(RangeMover, "fetch", fetch)
        move_download(begun, Share(1, 1), client, options, str(job))
        finish_download(begun, client, options, str(job))
        fetched.extend(parts)
        return fetch(self, fd, parts, crc)

    monkeypatch.setattr(RangeMover, "fetch", slow)
    late = move_download(begun, Share(1, 2), client, options, str(job))
    assert late.parts == len(fetched) == 3
    assert target.read_bytes() == data
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}
