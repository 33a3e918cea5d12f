"""Files are written where they are received while that is quick."""

from __future__ import annotations

import pytest

from s3amfs.core.trees.write_place import MOST_SECONDS, PAUSE, TRIAL, WritePlace


def test_a_quick_disk_is_written_to_at_once() -> None:
    place = WritePlace()
    for _ in range(100):
        assert place.is_here()
        place.took(MOST_SECONDS / 2)


def test_a_slow_disk_is_written_to_elsewhere_and_tried_now_and_then() -> None:
    place = WritePlace()
    while place.is_here():
        place.took(MOST_SECONDS * 3)
    here = [place.is_here() for _ in range(2 * TRIAL - 1)]
    assert sum(here) == 2


def test_one_that_is_quick_again_is_noticed() -> None:
    place = WritePlace()
    place.took(1.0)
    trials = 0
    while not all(place.is_here() for _ in range(2)):
        for _ in range(TRIAL):
            if place.is_here():
                place.took(0.0001)
                trials += 1
        assert trials < 200


def test_a_single_pause_of_a_quick_disk_changes_little() -> None:
    place = WritePlace()
    for _ in range(50):
        place.took(0.0001)
    place.took(MOST_SECONDS * 4)
    assert place.is_here()


def test_pauses_of_a_busy_machine_are_no_slow_disk() -> None:
    """Measured: of files that take 0.3 ms each tenth took 3 to 30 ms beside other processes."""
    place = WritePlace()
    for number in range(1000):
        assert place.is_here()
        place.took(0.03 if number % 10 < 2 else 0.0003)


def test_after_a_quick_trial_the_next_file_is_written_here_too() -> None:
    place = WritePlace()
    while place.is_here():
        place.took(1.0)
    assert [place.is_here() for _ in range(1, TRIAL)] == [False] * (TRIAL - 2) + [True]
    place.took(0.0001)
    assert place.is_here()
    place.took(1.0)
    assert not place.is_here(), "both the average and the last file are slow"


@pytest.mark.parametrize(("seconds", "files"), [(PAUSE, 6), (PAUSE * 1.01, 1)])
def test_each_64th_file_is_a_trial_and_a_slow_disk_is_known_after_few_files(seconds: float, files: int) -> None:
    place = WritePlace()
    slow = 0
    while place.is_here():
        place.took(seconds)
        slow += 1
    assert slow == files
    assert [number for number in range(2, 3 * TRIAL) if place.is_here()] == [TRIAL, 2 * TRIAL]
    place = WritePlace()
    for _ in range(100):
        place.took(MOST_SECONDS)
        assert place.is_here(), "the average is just what a file may take"
    assert (MOST_SECONDS, TRIAL) == (0.002, 64)
