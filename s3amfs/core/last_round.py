"""The end of a transfer: all parts that are left begin at a time, on more slots than the line needs. Pure.

Where a connection has a limit of its own, parts that begin as others end leave the line half empty at the end, for as
long as a part takes. If as many parts wait as there are slots, twice the slots share the line until all have ended.
"""

from __future__ import annotations

from typing import Final

from .define import define
from .slot_search import growth

FEW_SLOTS: Final = 16
"""Up to so many, one connection takes a large share of the line, and what the others leave."""


def fits(slots: int, in_use: int, waiting: int, most: int) -> bool:
    """Whether all parts that wait may begin now.

    slots: the line's; in_use: those that parts have; waiting: parts that have none; most: slots there may be.
    """
    return slots > FEW_SLOTS and 0 < waiting <= min(slots, most - in_use)


@define(slots=True)
class LastRound:
    """held: slots to go back to, and to remember. before: (slots, rate) of the last window, where the search for slots
    was not over."""

    held: int
    before: tuple[int, float] | None = None

    def judge(self, slots: int, rate: float, most: int) -> None:
        """A window in which all `slots` were in use: where goodput still grew with them, more are worth trying."""
        if self.before is not None:
            times = growth(self.before, slots, rate)
            if times > 1:
                self.held = max(self.held, min(most, slots * times))
            self.before = None
