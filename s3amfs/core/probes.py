"""When the controller of a line tries more or fewer slots, and with what it compares. Pure; time is passed in."""

from __future__ import annotations

from typing import Final

from .define import define

STEP_DOWN, LEAP_DOWN = 0.85, 0.7
UP_SECONDS, UP_SECONDS_MOST = 1.0, 3.0
DOWN_SECONDS, DOWN_SECONDS_MOST = 2.0, 64.0
DOWN_COST: Final = 6
"""Times a probe's own time that lies between two probes down at least: most of them cost a tenth of the goodput."""
FADES: Final = 0.998
"""Times the best rate that was seen, in each window that does not reach it: lines change."""
FELL: Final = 0.75
"""Three windows below that share of the best rate: the line is another one now."""


@define(slots=True)
class Probes:
    """Of one line."""

    reference: float = 0.0
    """The best rate of the last while at the number of slots that is held."""
    step_down: float = STEP_DOWN
    """Times the slots, for the next probe down."""
    _recent: tuple[float, ...] = ()
    """Rates of the last three windows at this number of slots."""
    _up_at: float = 0.0
    _down_at: float = 0.0
    _up_seconds: float = UP_SECONDS
    _down_seconds: float = DOWN_SECONDS

    def up_due(self, now: float) -> bool:
        return now >= self._up_at

    def down_due(self, now: float) -> bool:
        return now >= self._down_at

    def begin(self, now: float) -> None:
        """The first look at the line, or the first one after a pause."""
        self._up_at, self._down_at = now + self._up_seconds, now + self._down_seconds

    def hold(self, now: float, cost: float | None) -> None:
        """A number of slots is held from now on. cost: seconds of a probe; None: the next one down is due as before."""
        self._recent = ()
        self._up_at = now + self._up_seconds
        if cost is not None:
            self._down_at = now + max(self._down_seconds, DOWN_COST * cost)

    def held(self, rate: float) -> float:
        """Takes a window at the number of slots that is held; returns the rate of the line."""
        known = self.reference
        self._recent = (*self._recent[-2:], rate)
        best = max(self._recent)  # requests that begin together leave gaps together: those are not the line's rate
        self.reference = max(known * FADES, best)
        if len(self._recent) == 3 and best < known * FELL:
            self.reference, self._down_seconds = best, DOWN_SECONDS
        return best

    def up_paid(self) -> None:
        """More slots brought more goodput."""
        self._up_seconds, self._down_seconds = UP_SECONDS, DOWN_SECONDS

    def up_was_in_vain(self) -> None:
        self._up_seconds = min(UP_SECONDS_MOST, self._up_seconds * 1.5)

    def down_paid(self) -> None:
        """Fewer slots brought as much goodput."""
        self.step_down, self._down_seconds = LEAP_DOWN, DOWN_SECONDS

    def down_again_soon(self, now: float) -> None:
        self._down_at = now + DOWN_SECONDS / 2

    def down_cost(self, before: float) -> None:
        """Fewer slots brought less goodput than `before`."""
        self.reference, self.step_down = before, STEP_DOWN
        self._down_seconds = min(DOWN_SECONDS_MOST, max(DOWN_SECONDS, self._down_seconds) * 2)
