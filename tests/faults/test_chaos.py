"""A short run of the chaos test, in four lots so that they share the cores; the long one is `make chaos RUNS=2000`."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.faults.chaos import CLUSTER_KINDS, KINDS, chaos
from tests.support.kernel import fuse_problem

RUNS = 8
"""With the four seeds every kind is drawn twice at least."""


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_chaos(seed: int) -> None:
    left_out = {kind for kind in KINDS if kind.startswith("changing ")}  # the draws of these seeds stay what they were
    if fuse_problem() is not None:
        left_out.add("mount")
    kinds = tuple(kind for kind in KINDS if kind not in left_out)
    tally = chaos(RUNS, seed, kinds)
    assert not tally.count, [tally.line(), tally]
    assert tally.runs == RUNS


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2])
def test_chaos_of_several_processes(seed: int) -> None:
    kinds = CLUSTER_KINDS if find_spec("distributed") else tuple(k for k in CLUSTER_KINDS if "dask" not in k)
    tally = chaos(3, seed, kinds)
    assert not tally.count, [tally.line(), tally]
    assert tally.runs == 3
