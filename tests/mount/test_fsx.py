"""Random operations with an oracle, 20,000 in all; `python -m tests.mount.fsx` runs more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mount.fsx import Exerciser
from tests.support.mounts import Mount


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_random_operations(mounted: Mount, tmp_path: Path, seed: int) -> None:
    exerciser = Exerciser(mounted / "f", tmp_path / "oracle", seed, mounted.remount)
    exerciser.run(5000)
    assert exerciser.done == 5000
    assert mounted.peak_memory < 256 * 1024 * 1024
    assert " ERROR " not in mounted.log.read_text()
