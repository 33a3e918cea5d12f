"""Files are written where they are received while that is quick."""

from __future__ import annotations

from s3amfs.core.trees.write_place import MOST_SECONDS, TRIAL, WritePlace


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


def test_the_average_moves_by_an_eighth_and_each_64th_file_is_a_trial() -> None:
    place = WritePlace()
    place.took(8 * MOST_SECONDS)
    assert place.is_here(), "the average is just what a file may take"
    place.took(8 * MOST_SECONDS)
    assert [number for number in range(1, 3 * TRIAL) if place.is_here()] == [TRIAL, 2 * TRIAL]
    assert (MOST_SECONDS, TRIAL) == (0.002, 64)
