from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3amfs.core.trees.tree_progress import Progress


def test_the_slower_of_bytes_and_objects_counts() -> None:
    progress = Progress(100.0)
    for size in (10, 10, 80):
        progress.begin(size)
    progress.finish(10)
    assert progress.at(101.0).eta is None  # more may be found
    progress.all_found()
    assert progress.at(102.0).eta == 18.0  # by objects it would be 4
    assert progress.at(102.0).text() == "1 of 3 objects, 10 B of 100 B, 5 B/s, about 18 s left"
    assert progress.at(102.0).json()["eta"] == 18.0


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.floats(0, 1e6))
@example([1], 5e-324)
def test_at_its_end_nothing_is_left(sizes: list[int], seconds: float) -> None:
    progress = Progress(0.0)
    progress.all_found()
    for size in sizes:
        progress.begin(size)
    assert progress.at(seconds).eta is None
    for size in sizes:
        progress.finish(size)
    assert progress.at(seconds).eta in (None, 0.0)
    assert progress.at(seconds).text()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (3660, "1 h 01 min"),
        (7199, "1 h 59 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    progress = Progress(0.0)
    progress.begin(1)
    progress.begin(1)
    progress.finish(1)
    progress.all_found()
    assert progress.at(seconds).text().endswith(f", about {text} left") or seconds < 1
    assert progress.at(seconds).json()["eta"] == pytest.approx(seconds, abs=0.05)


def test_times_in_json_are_short() -> None:
    progress = Progress(0.5)
    progress.begin(3)
    progress.begin(3)
    progress.begin(3)
    progress.finish(3)
    progress.all_found()
    assert progress.at(0.6234567).json()["seconds"] == 0.123
    assert progress.at(0.6234567).json()["eta"] == 0.2
    assert progress.at(0.5).json()["eta"] is None
    assert progress.at(0.0).seconds == 0.0
