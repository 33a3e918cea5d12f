"""Finds parts that lag so far behind their like that asking again, on another connection, pays. Pure.

One slow connection of a hundred decides when a transfer ends. A part is asked for again, its request cut, when it has
taken several times what finished parts took and would still need longer than a new one. Its bytes so far are lost,
so all of this stays within a budget; and when a whole service gets slow, all parts do, and none is far behind the
others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import field
from typing import Final

from .define import define

EXTRA_BYTES: Final = 0.05
"""Of what has moved; more is not sent a second time for this."""
LEAST_DONE: Final = 8
"""Finished parts from which on there is something to compare with."""
REMEMBERED: Final = 64
TIMES: Final = 2.0
"""Times the usual time of a part, from which on it lags."""
LEAST_SECONDS: Final = 1.0
MOST_AGAIN: Final = 2
"""Times that one part is asked for again for this reason."""
SURELY_NOT_STORED: Final = 0.9
"""Of a part: one that was sent whole may be stored by now, and must not be sent beside that."""
SHARE_AT_ONCE: Final = 0.1
"""Of the parts that were running at a time: more of them are no stragglers, the service is slow. At the end of a
transfer few are running, and all of these may be stragglers."""


@define(frozen=True, slots=True)
class Running:
    """A part in flight."""

    number: int
    length: int
    """Bytes."""
    moved: int
    """Bytes of it so far."""
    seconds: float
    """Since its request began."""


@define(slots=True)
class LagWatch:
    """The parts of one transfer."""

    _paces: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Seconds per byte of the parts that finished last."""
    _moved: int = 0
    _lost: int = 0
    _again: dict[int, int] = field(default_factory=dict)
    _most: int = 0
    """Parts that were seen running at a time."""

    def done(self, number: int, length: int, seconds: float) -> None:
        """A part of `length` bytes has finished, `seconds` after its request began."""
        self._again.pop(number, None)
        if length > 0 and seconds > 0:
            self._paces.append(seconds / length)
            self._moved += length

    def lagging(self, running: Iterable[Running]) -> list[int]:
        """Numbers of the parts to ask for again now, the slowest first; they count as asked for."""
        active = list(running)
        self._most = max(self._most, len(active))
        if len(self._paces) < LEAST_DONE:
            return []
        pace = sorted(self._paces)[len(self._paces) // 2]
        late = [part for part in active if self._is_late(part, pace)]
        if not late or len(late) > max(1, SHARE_AT_ONCE * self._most):
            return []
        late.sort(key=lambda part: part.moved / part.length)
        found = []
        for part in late:
            if self._lost + part.moved > EXTRA_BYTES * self._moved:
                continue
            self._lost += part.moved
            self._again[part.number] = self._again.get(part.number, 0) + 1
            found.append(part.number)
        return found

    def _is_late(self, part: Running, pace: float) -> bool:
        usual = pace * part.length
        if part.moved > SURELY_NOT_STORED * part.length or part.seconds < max(LEAST_SECONDS, TIMES * usual):
            return False
        rest = part.seconds / part.moved * (part.length - part.moved) if part.moved else float("inf")
        return rest > 2 * usual and self._again.get(part.number, 0) < MOST_AGAIN
