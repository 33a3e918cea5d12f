"""Looks of one process at an upload that several send to: the parts up to the first missing one are not listed again.

A page of 500 parts has 200 KB, and a process looks every few seconds: that would be a fortieth of a line of 1 MB/s.
"""

from __future__ import annotations

from collections.abc import Callable


class Look:
    """Called by any thread; returns the numbers of the parts that are missing."""

    def __init__(self, missing: Callable[[int], set[int]]) -> None:
        """missing: those behind a number, as the server lists them."""
        self._missing = missing
        self._there = 0
        """Parts with this number and below were there."""
        self._before = set[int]()

    def __call__(self) -> set[int]:
        missing = self._missing(self._there)
        stands = missing == self._before  # a part may have gone, or the server may know no part-number-marker
        self._there = 0 if stands or not missing else min(missing) - 1
        self._before = missing
        return missing
