"""The end of a transfer: all parts that are left begin at a time, on more slots than the line needs. Pure.

Where a connection has a limit of its own, parts that begin as others end leave the line half empty at the end, for as
long as a part takes. If as many parts wait as there are slots, twice the slots share the line until all have ended;
where there may not be so many slots, two halves of what is left follow each other.
"""

from __future__ import annotations

from typing import Final

from .define import define
from .slot_search import GROWS

FEW_SLOTS: Final = 16
"""Up to so many, one connection takes a large share of the line, and what the others leave."""


def looks_ahead(slots: int, ceiling: int) -> int:
    """Returns up to how many waiting parts are counted: where the ceiling may split them in halves, twice the slots."""
    return slots if 2 * slots <= ceiling else 2 * slots


@define(slots=True)
class LastRound:
    """The parts that are left, shared out so that the line is full until all of them have ended.

    held: slots to go back to, and to remember: those that were measured last. rate: theirs, to compare with; 0.0:
    nothing is. base: slots that the line is thought to need. parts: those that were left when it began. is_sure: the
    search for slots was over.
    """

    held: int
    rate: float
    base: int
    parts: int
    is_sure: bool
    tried: int = 0
    """Slots to be measured next; 0: the search is over."""

    def slots(self, in_use: int, waiting: int, most: int) -> int:
        """Returns the slots for what is left now; 0: for the time being as many as there are.

        in_use: slots that parts have; waiting: parts that have none; most: slots there may be.
        """
        left = in_use + waiting
        if self.base <= FEW_SLOTS or not waiting:
            return 0
        if left <= most:
            return left if waiting <= self.base else 0
        if self.is_sure and most < 2 * self.base and left < 3 * self.base and left <= 2 * most:
            return min(most, max(self.base, -(-left // 2)))
        return 0  # until no more parts wait than there are slots

    def judge(self, slots: int, rate: float, most: int) -> tuple[int, int]:
        """A window in which all `slots` were in use. most: slots there may be.

        Returns the slots that are worth remembering, and those to be tried next: where goodput grew, twice as many; 0:
        the search is over.
        """
        if self.rate > 0 and slots > self.held:
            if rate >= self.rate * GROWS:
                self.held, self.rate, self.tried = slots, rate, min(most, 2 * slots)
            else:
                self.rate, self.tried = 0.0, 0
        elif self.rate > 0:
            self.rate = max(self.rate, rate)
        return self.held, self.tried
