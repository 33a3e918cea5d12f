"""How many requests may begin per second over a line whose server turns some away (503 SlowDown, 429). Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

BUCKET_SECONDS: Final = 0.25
BUCKETS: Final = 8
LEAST_SECONDS: Final = 1.0
"""Of requests that were accepted or turned away, before their rate says something about the server."""
BACK: Final = 0.98
"""Times the accepted rate, to begin with after requests were turned away."""
BURST_SECONDS: Final = 1.0
"""Requests turned away within that time are one burst."""
FORGOTTEN: Final = 100.0
"""Times the accepted rate, from which on there is no limit any more."""


@dataclass(slots=True)
class _Bucket:
    at: int
    begun: int = 0
    away: int = 0


@dataclass(slots=True)
class RequestBudget:
    """Requests per second, limited only once the server has turned some away.

    The limit is the rate of the requests that began and were not turned away. It grows slowly first, so that it stays
    near a limit of the server's that does not move, and then ever faster (as CUBIC, RFC 9438, does with its window). A
    limit that was guessed, before a second of requests was seen, doubles every second.
    """

    _accepted: float | None = None
    _guessed: bool = False
    _limited_at: float = 0.0
    first_limited_at: float = float("inf")
    """When the limit was set that is in force now, monotonic seconds; infinite: there is none."""
    _next: float = 0.0
    _buckets: deque[_Bucket] = field(default_factory=lambda: deque(maxlen=BUCKETS))

    def counts(self, now: float) -> tuple[int, int]:
        """(begun, turned away) in the last second or so."""
        recent = self._since(now - 1.0)
        return sum(bucket.begun for bucket in recent), sum(bucket.away for bucket in recent)

    def rate(self, now: float) -> float | None:
        """Requests that may begin per second; None: as many as there are slots."""
        if self._accepted is None:
            return None
        calm = now - self._limited_at
        if self._guessed:
            return self._accepted * math.pow(2.0, min(calm, 60.0))
        return self._accepted * (1 + 0.01 * calm + (calm / 8) ** 3)

    def turned_away(self, now: float, *, asked_for_less: bool) -> None:
        """A request ended without its bytes. asked_for_less: the server said that there were too many."""
        self._bucket(now).away += 1
        if not asked_for_less or (self._accepted is not None and now - self._limited_at < BURST_SECONDS):
            return
        recent = self._since(now - BUCKETS * BUCKET_SECONDS)
        seen = now - recent[0].at * BUCKET_SECONDS
        accepted = (sum(bucket.begun for bucket in recent) - sum(bucket.away for bucket in recent)) / max(
            seen, LEAST_SECONDS
        )
        before = self.rate(now)
        if before is not None and not self._guessed:
            accepted = min(before, max(accepted, before * 0.7))
        self._guessed = seen < LEAST_SECONDS
        self.first_limited_at = min(self.first_limited_at, now)
        self._accepted, self._limited_at = max(1.0, accepted * BACK), now

    def reserve(self, now: float) -> float:
        """Seconds until the next request may begin, which this counts."""
        self._bucket(now).begun += 1
        rate = self.rate(now)
        if rate is None:
            return 0.0
        if rate > FORGOTTEN * max(1.0, self._accepted or 0.0):
            self._accepted, self.first_limited_at = None, float("inf")
            return 0.0
        begins = max(now, self._next)
        self._next = begins + 1.0 / rate
        return begins - now

    def _bucket(self, now: float) -> _Bucket:
        at = int(now / BUCKET_SECONDS)
        if not self._buckets or self._buckets[-1].at != at:
            self._buckets.append(_Bucket(at))
        return self._buckets[-1]

    def _since(self, start: float) -> list[_Bucket]:
        return [bucket for bucket in self._buckets if bucket.at >= int(start / BUCKET_SECONDS)]
