"""How many parts move at a time: additive increase while goodput grows, halved on throttling. Pure; time is passed in.

A slot is one part in flight. The controller starts low, doubles while every step pays (slow start), then probes one
more at a time, and backs off when the server asks for it (503 SlowDown) or connections die.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INITIAL_SLOTS = 8
MAXIMUM_SLOTS = 16
SAMPLE_SECONDS = 1.0
GAIN_WORTH = 1.05
"""A further slot has to raise goodput by 5 % to stay."""
THROTTLE_HOLD_SECONDS = 5.0
"""One SlowDown comes with a burst of relatives: they count as one."""


@dataclass(slots=True)
class Pacer:
    """Slots for one transfer.

    fixed: a number the user asked for, kept as it is but for throttling; None adapts.
    ceiling: the most slots ever used (bounded memory).
    """

    fixed: int | None = None
    ceiling: int = MAXIMUM_SLOTS
    slots: int = field(init=False)
    _moved: int = 0
    _window_start: float | None = None
    _last_rate: float = 0.0
    _held_until: float = float("-inf")
    _settled: bool = False

    def __post_init__(self) -> None:
        self.slots = self.fixed if self.fixed is not None else min(INITIAL_SLOTS, self.ceiling)

    def moved(self, count: int, now: float) -> None:
        """`count` bytes have arrived at `now` (monotonic seconds)."""
        self._moved += count
        if self._window_start is None:
            self._window_start = now
            return
        elapsed = now - self._window_start
        if elapsed < SAMPLE_SECONDS:
            return
        rate = self._moved / elapsed
        self._moved, self._window_start = 0, now
        limit = self.fixed if self.fixed is not None else self.ceiling
        if now >= self._held_until and self.slots < limit and (self.fixed is not None or not self._settled):
            if rate > self._last_rate * GAIN_WORTH or self.fixed is not None:
                self.slots = min(limit, self.slots * 2)
            else:
                self._settled = True
        self._last_rate = rate

    def throttled(self, now: float) -> None:
        """The server asked for less, or connections die: half the slots, and no growth for a while."""
        if now >= self._held_until:
            self.slots = max(1, self.slots // 2)
            self._held_until = now + THROTTLE_HOLD_SECONDS
            self._settled = False
            self._last_rate = 0.0
