"""The end of a transfer: all parts that are left begin at a time, on more slots than the line needs. Pure.

Where a connection has a limit of its own, parts that begin as others end leave the line half empty at the end, for as
long as a part takes. If as many parts wait as there are slots, twice the slots share the line until all have ended.
"""

from __future__ import annotations

from typing import Final

from .define import define
from .slot_search import GROWS

FEW_SLOTS: Final = 16
"""Up to so many, one connection takes a large share of the line, and what the others leave."""


def fits(slots: int, in_use: int, waiting: int, most: int) -> bool:
    """Whether all parts that wait may begin now.

    slots: the line's; in_use: those that parts have; waiting: parts that have none; most: slots there may be.
    """
    return slots > FEW_SLOTS and 0 < waiting <= min(slots, most - in_use)


@define(slots=True)
class LastRound:
    """held: slots to go back to, and to remember: those that were measured last. rate: theirs, to compare with; 0.0:
    nothing is."""

    held: int
    rate: float = 0.0

    def judge(self, slots: int, rate: float, most: int) -> tuple[int, int]:
        """A window in which all `slots` were in use. most: slots there may be.

        Returns the slots that are worth remembering, and those to be tried next: where goodput grew, twice as many; 0:
        the search is over.
        """
        if self.rate > 0:
            grew = rate >= self.rate * GROWS and slots > self.held
            self.held, self.rate = (slots, rate) if grew else (self.held, 0.0)
        return self.held, min(most, 2 * slots) if self.rate > 0 else 0
