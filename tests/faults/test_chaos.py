"""A short run of the chaos test, in four lots so that they share the cores; the long one is `make chaos RUNS=2000`."""

from __future__ import annotations

import pytest

from tests.faults.chaos import chaos

RUNS = 15


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_chaos(seed: int) -> None:
    tally = chaos(RUNS, seed)
    assert not tally.count, [tally.line(), tally]
    assert tally.runs == RUNS
