"""The number of processes, chosen: one unless cores, line and size all ask for more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.process_count import MOST, NEAR_ITS_END, ONE_PROCESS, SECONDS_TO_START, WORTH, choose_processes

FAST = NEAR_ITS_END * ONE_PROCESS
LARGE = 10**12


@pytest.mark.parametrize(
    ("cores", "rate", "size", "count"),
    [
        (1, FAST, LARGE, 1),
        (2, FAST, LARGE, 1),
        (3, FAST, LARGE, 1),
        (4, FAST, LARGE, 2),
        (8, FAST, LARGE, 4),
        (64, FAST, LARGE, MOST),
        (64, FAST - 1, LARGE, 1),
        (64, 0.0, LARGE, 1),
        (4, FAST, int(2 * WORTH * SECONDS_TO_START * ONE_PROCESS), 2),
        (4, FAST, int(2 * WORTH * SECONDS_TO_START * ONE_PROCESS) - 1, 1),
        (64, FAST, 0, 1),
    ],
)
def test_chosen(cores: int, rate: float, size: int, count: int) -> None:
    assert choose_processes(cores=cores, rate=rate, size=size) == count


@given(st.integers(1, 512), st.floats(0, 1e11), st.integers(0, 5 * 10**13))
def test_each_has_its_cores(cores: int, rate: float, size: int) -> None:
    count = choose_processes(cores=cores, rate=rate, size=size)
    assert count == 1 or 2 * count <= cores
    assert count <= choose_processes(cores=cores, rate=rate, size=size * 2)
