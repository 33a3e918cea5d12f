"""The search for the number of slots that a line needs: doubling while goodput grows with them. Pure."""

from __future__ import annotations

from typing import Final

from .define import define
from .goodput import Measured
from .lines import FEWEST_SLOTS, LineState

GROWS: Final = 1.2
"""Twice the slots that bring less than a fifth more: the line, not the number of slots, is the limit."""
LEAPS: Final = 0.85
"""Goodput that grows by that much of what the slots have grown: four times the slots are next, not twice."""
MARGIN: Final = 1.1
"""Times what the line seems to need: so a line that gets better shows at once, and a slot between requests costs
nothing."""


def growth(before: tuple[int, float] | None, slots: int, rate: float) -> int:
    """Times `slots` to try next: 1 where more of them bring nothing.

    before: (slots, rate) to compare with; None: nothing yet.
    """
    if before is None:
        return 2
    if rate < before[1] * GROWS:
        return 1
    # Where nothing moved before, or with the same slots, nothing is known of how goodput grows with them.
    return 4 if before[1] > 0 and slots > before[0] and rate / before[1] >= LEAPS * slots / before[0] else 2


@define(slots=True)
class Search:
    """Finds the slots that the line needs, from the best rate that one of them had."""

    worth: int = 0
    """The slots that a window has measured, and that are worth remembering; 0: none yet."""
    tried: int = 0
    """Those that are measured next, while the search goes on; 0: it is over."""
    _moving: int = 0
    """Slots whose requests had begun when goodput was best."""
    _per_slot: float = 0.0
    _margin_due: bool = True
    """The slots that are held have no margin yet."""

    def begin_again(self) -> None:
        """The line is another one now."""
        self._per_slot = 0.0

    def moved(self, found: Measured, best: float) -> None:
        """Any window. best: the rate of the best one before."""
        if found.rate >= best:
            self._moving = found.most

    def found(self, slots: int, *, limited: bool) -> tuple[int, int]:
        """Returns the slots to be remembered, and those to be tried next.

        slots: those of now; limited: the server limits requests. Then slots wait for their turn, and only those that
        moved at a time count: at the most, since the mean is low where requests begin and end in bursts.
        """
        worth = self.worth or slots
        if not limited:
            return worth, self.tried
        return min(max(worth, slots), max(FEWEST_SLOTS, round(self._moving * MARGIN))), 0

    def saw(self, slots: int, rate: float) -> None:
        self._per_slot = max(self._per_slot, rate / slots)

    def starved(self, in_use: int, rate: float, before: float) -> None:
        """Fewer slots were `in_use` than there are: they are worth remembering where they are more than before, and
        brought more than `before`."""
        if 0 < self.worth < in_use and rate >= before * GROWS:
            self.worth = in_use
            self.tried = self.tried if self.tried > in_use else 0

    def take_up(self, known: LineState, ceiling: int) -> tuple[int, tuple[int, float] | None]:
        """Goes on where an earlier run ended. Returns the slots to begin with, and (slots, rate) to compare them with
        if the search was not over."""
        self.worth = max(1, min(ceiling, known.slots))
        self.tried = min(ceiling, known.tried)
        if self.tried <= self.worth or known.rate <= 0:
            self.tried = 0
            return self.worth, None
        self.saw(self.worth, known.rate)
        return self.tried, (self.worth, known.rate)

    def ends(self, before: tuple[int, float] | None, slots: int, best: float) -> int:
        """Returns what is `needed`, which is worth remembering."""
        self.worth, self.tried = self.needed(before, slots, best), 0
        return self.worth

    def needed(self, before: tuple[int, float] | None, slots: int, best: float) -> int:
        """Slots for the `best` rate, at most the `slots` that are tried now. It is the end of the search."""
        margin = MARGIN if self._margin_due else 1.0
        self._margin_due = False
        return min(slots, round(best / self._per_slot * margin)) if self._per_slot and before is not None else slots
