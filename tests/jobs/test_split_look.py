"""What a process lists again at each look."""

from __future__ import annotations

from s3amfs.jobs.split_look import Look


class Listing:
    """Parts 1 to 6 of an upload; `asked` has the markers."""

    def __init__(self) -> None:
        self.there: set[int] = set()
        self.asked: list[int] = []

    def missing(self, after: int) -> set[int]:
        self.asked.append(after)
        return {number for number in range(after + 1, 7) if number not in self.there}


def test_parts_before_the_first_missing_one_are_not_listed_again() -> None:
    listing = Listing()
    look = Look(listing.missing)
    assert look() == {1, 2, 3, 4, 5, 6}
    listing.there = {1, 2, 4}
    assert look() == {3, 5, 6}
    listing.there |= {3}
    assert look() == {5, 6}
    listing.there |= {5, 6}
    assert look() == set()
    assert listing.asked == [0, 0, 2, 4]


def test_all_are_listed_where_nothing_moves() -> None:
    listing = Listing()
    look = Look(listing.missing)
    listing.there = {1, 2}
    assert look() == look() == {3, 4, 5, 6}
    listing.there = {2}  # part 1 has gone
    assert look() == {1, 3, 4, 5, 6}
    assert listing.asked == [0, 2, 0]


def test_a_last_look_that_finds_nothing_is_followed_by_one_at_all() -> None:
    listing = Listing()
    look = Look(listing.missing)
    listing.there = {1, 2, 3, 4, 5}
    look()
    listing.there |= {6}
    assert look() == set()
    look()
    assert listing.asked == [0, 5, 0]
