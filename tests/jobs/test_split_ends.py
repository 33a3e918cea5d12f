"""The source of a split job: the same in every process, or refused; copies keep what their source has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.split import content, data, start

__all__ = ["data"]


def test_a_source_that_changed(cli: Cli, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    (tmp_path / "big").write_bytes(data[::-1])
    for step in (("move", str(job), "1/1"), ("finish", str(job))):
        done = cli("split", *step)
        assert done.rc == (15 if step[0] == "move" else 1), done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


def test_a_copy(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, Metadata={"a": "b"}, ContentType="text/x")
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", f"s3://{bucket}/to", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "to") == data
    head = boto.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "b"}, "text/x")
