"""Overloaded servers: how many requests may begin per second, and when there have to be fewer slots. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from .define import define
from .request_budget import RequestBudget

CUT_SHARE: Final = 0.25
"""Share of the requests turned away (or cut, of at least `CUT_LEAST`) from which on there are too many slots."""
CUT_LEAST: Final = 3
CUT_FACTOR: Final = 0.7
CUT_SECONDS: Final = 2.0
HELP_SECONDS: Final = 4.0
"""So long a limit of requests may take effect, before there are fewer slots."""
CALM_SECONDS: Final = 3.0
AVOIDED_SECONDS: Final = 20.0
"""A number of slots at which requests were turned away is not tried again for so long."""


@define(slots=True)
class Overload:
    """Requests of one line that were turned away or cut.

    expected: requests per second that the server accepted in an earlier run; 0.0: unknown, or no limit.
    """

    expected: float = 0.0
    _budget: RequestBudget = field(default_factory=RequestBudget, init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _avoided: int | None = field(default=None, init=False)
    _avoided_until: float = field(default=float("-inf"), init=False)

    def turned_away(self, now: float, in_use: int) -> int | None:
        """The server asked for less. in_use: slots in use. Returns the number of slots to go down to, if any."""
        self._budget.turned_away(now, asked_for_less=True)
        if now - self._budget.first_limited_at < HELP_SECONDS:  # fewer requests per second may help
            return None
        return self._cut(now, in_use, least=1)

    def cut_off(self, now: float, in_use: int) -> int | None:
        """A connection was refused, reset or timed out: a few are bad luck, many are too many at a time."""
        self._budget.turned_away(now, asked_for_less=False)
        return self._cut(now, in_use, least=CUT_LEAST)

    def is_calm(self, now: float) -> bool:
        """Whether the last reduction is some time ago."""
        return now - self._cut_at >= CALM_SECONDS

    def most(self, now: float, ceiling: int) -> int:
        """The most slots to try now, of `ceiling`."""
        if self._avoided is not None and now < self._avoided_until:
            return max(1, min(ceiling, self._avoided - 1))
        return ceiling

    def reserve(self, now: float) -> float | None:
        """Seconds until a further request may begin, which is then counted; None: ask again in `HORIZON` seconds."""
        if self.expected > 0:
            self._budget.expect(self.expected, now)
            self.expected = 0.0
        return self._budget.reserve(now)

    @property
    def accepted(self) -> float:
        """Requests per second that the server accepts; 0.0 where it turns none away."""
        return self._budget.found or self.expected

    def _cut(self, now: float, in_use: int, *, least: int) -> int | None:
        begun, bad = self._budget.counts(now)
        if now - self._cut_at < CUT_SECONDS or bad < least or bad < CUT_SHARE * begun:
            return None
        self._cut_at = now
        self._avoided, self._avoided_until = max(2, in_use), now + AVOIDED_SECONDS
        return int(in_use * CUT_FACTOR)
