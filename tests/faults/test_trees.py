"""A few of the seeded runs that `make trees RUNS=N` plays."""

from __future__ import annotations

from tests.faults.trees import trees


def test_trees_survive_lies_and_faults() -> None:
    found = trees(12, 1)
    assert found.pop("failed at first")  # the faults were felt
    assert not +found
