"""A short run of the chaos test, in four lots so that they share the cores; the long one is `make chaos RUNS=2000`."""

from __future__ import annotations

import pytest

from tests.faults.chaos import KINDS, chaos
from tests.support.kernel import fuse_problem

RUNS = 15


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_chaos(seed: int) -> None:
    kinds = tuple(KINDS) if fuse_problem() is None else tuple(kind for kind in KINDS if kind != "mount")
    tally = chaos(RUNS, seed, kinds)
    assert not tally.count, [tally.line(), tally]
    assert tally.runs == RUNS
