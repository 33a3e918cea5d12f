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
    """held: slots to go back to, and to remember: those that were measured last. rate: theirs, where the search for
    slots was not over; 0.0: it was."""

    held: int
    rate: float = 0.0

    def judge(self, slots: int, rate: float) -> None:
        """A window in which all `slots` were in use: they are worth remembering where goodput grew with them."""
        if self.rate > 0 and rate >= self.rate * GROWS:
            self.held, self.rate = max(self.held, slots), rate
