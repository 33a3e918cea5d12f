"""Random operations with an oracle: a bounded number here, `make fsx` for the many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mount.fsx import Exerciser
from tests.support.mounts import Mount

OPERATIONS = int(os.environ.get("S3AM_FSX_OPERATIONS", "500"))
SEEDS = int(os.environ.get("S3AM_FSX_SEEDS", "2"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_random_operations(mounted: Mount, tmp_path: Path, seed: int) -> None:
    exerciser = Exerciser(mounted / "f", tmp_path / "oracle", seed, mounted.remount)
    exerciser.run(OPERATIONS)
    assert exerciser.done == OPERATIONS
    assert mounted.peak_memory < 256 * 1024 * 1024
    assert " ERROR " not in mounted.log.read_text()
