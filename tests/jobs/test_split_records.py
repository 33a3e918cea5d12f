"""The records of a split job: torn, missing, or on another machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.split import MIB, content, data, start

__all__ = ["data"]


def test_a_torn_record_costs_its_part_only(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(11 * MIB)
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", tmp_path / "down", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    (records,) = tmp_path.glob("job.*.parts")
    *others, last = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(b"".join(others) + last[:-3] + b"}\n")  # a torn record: its part is fetched again
    assert cli("split", "status", str(job)).rc == 1
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "finish", str(job)).rc == 0
    assert (tmp_path / "down").read_bytes() == data


def test_finish_without_the_records(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "job").write_bytes(job.read_bytes())
    assert cli("split", "finish", str(elsewhere / "job")).rc == 0
    assert content(boto, bucket, "k") == data
    again = cli("split", "finish", str(job))  # the other machine does not know that it is finished
    assert again.rc == 0
    assert json.loads(job.read_text())["finished"]
