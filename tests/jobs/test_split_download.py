"""`s3am split` of downloads: several processes write into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.cli import Cli
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "down", "home", "job"]
