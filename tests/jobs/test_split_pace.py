"""A share whose owner is dead, or never lived, is moved by the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.split import content, data, start

__all__ = ["data"]


def test_a_share_is_moved_though_its_owner_was_killed(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/2").rc == 0  # there never was a second one
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "k") == data
