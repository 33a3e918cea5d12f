"""How many requests may begin per second over a line whose server turns some away (503 SlowDown, 429). Pure."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Final

from .define import define

BUCKET_SECONDS: Final = 0.25
BUCKETS: Final = 8
KEPT_BUCKETS: Final = 12
LEAST_SECONDS: Final = 1.0
"""Of requests that were accepted or turned away, before their rate says something about the server."""
BACK: Final = 0.98
"""Times the accepted rate, to begin with after requests were turned away."""
BURST_SECONDS: Final = 1.0
"""Requests turned away within that time are one burst."""
HORIZON: Final = 0.5
"""Seconds that a request is planned ahead: the limit may change, and what was planned cannot."""
AT_ONCE: Final = 0.75
"""Seconds' requests that may begin at once after none has begun for so long: servers with a bucket of tokens save up
one second of them, and a remembered limit may be a little too high."""
FORGOTTEN: Final = 100.0
"""Times the accepted rate, from which on there is no limit any more."""


@define(slots=True)
class _Bucket:
    """Requests of one stretch of time."""

    at: int
    begun: int = 0
    refused: int = 0
    """Of those that began here."""
    away: int = 0
    """Answers that came here."""


@define(slots=True)
class RequestBudget:
    """Requests per second, limited only once the server has turned some away.

    The limit is the rate of the requests that began and were not turned away. It grows slowly first, so that it stays
    near a limit of the server's that does not move, and then ever faster (as CUBIC, RFC 9438, does with its window). A
    limit that was guessed, before a second of requests was seen, doubles every second in which it is used up: fewer
    requests do not show that the server takes more (so RFC 9438, section 5.8, for windows). Each further request of the
    same burst that is turned away lowers the guess.
    """

    accepted: float | None = None
    """Requests per second that the server took when it turned some away; None: there is no limit."""
    _guessed: bool = False
    _limited_at: float = 0.0
    _burst_at: float = float("-inf")
    """When the first request of the last burst was turned away."""
    first_limited_at: float = float("inf")
    """When the limit was set that is in force now, and that is more than a guess, monotonic seconds; infinite: there is
    none."""
    _asked_at: float = float("-inf")
    """When a request was to begin the last time."""
    _next: float = 0.0
    _buckets: dict[int, _Bucket] = field(default_factory=dict)

    def expect(self, accepted: float, now: float) -> None:
        """Begins with what an earlier run has found, requests per second, and `AT_ONCE` seconds of them at once."""
        self.accepted, self._limited_at, self._burst_at = max(1.0, accepted), now, now
        self._next = now - AT_ONCE

    @property
    def found(self) -> float | None:
        """`accepted`, to be remembered: a guess has grown with the requests that have begun since then."""
        return self.rate(max(self._asked_at, self._limited_at)) if self._guessed else self.accepted

    def counts(self, now: float) -> tuple[int, int]:
        """(begun, turned away) in the last second or so."""
        recent = self._between(now - 1.0, now)
        return sum(bucket.begun for bucket in recent), sum(bucket.away for bucket in recent)

    def rate(self, now: float) -> float | None:
        """Requests that may begin per second; None: as many as there are slots."""
        if self.accepted is None:
            return None
        calm = now - self._limited_at
        if self._guessed:
            return self.accepted * math.pow(2.0, min(calm, 60.0))
        return self.accepted * (1 + 0.005 * calm + (calm / 12) ** 3)

    def turned_away(self, now: float, *, asked_for_less: bool) -> None:
        """A request ended without its bytes. asked_for_less: the server said that there were too many."""
        self._bucket(now).away += 1
        self._count_refused(now)
        if not asked_for_less:
            return
        if self.accepted is not None and now - self._burst_at < BURST_SECONDS:
            if self._guessed:  # before all of the burst was answered
                self.accepted = min(self.accepted, max(1.0, self._accepted_lately(now) * BACK))
                self._limited_at = now
            return
        before, accepted = self.rate(now), self._accepted_lately(now)
        if before is not None and not self._guessed:
            accepted = min(before, max(accepted, before * 0.7))
        self._guessed = self._seconds_seen(now) < LEAST_SECONDS
        if not self._guessed:
            self.first_limited_at = min(self.first_limited_at, now)
        self.accepted, self._limited_at, self._burst_at = max(1.0, accepted * BACK), now, now

    def reserve(self, now: float) -> float | None:
        """Seconds until the next request may begin, which this counts; None: ask again in `HORIZON` seconds."""
        rate, self._asked_at = self.rate(now), now
        if rate is not None and rate > FORGOTTEN * max(1.0, self.accepted or 0.0):
            self.accepted, self.first_limited_at, rate = None, float("inf"), None
        if rate is None:
            self._bucket(now).begun += 1
            return 0.0
        begins = max(now, self._next)
        if begins - now > HORIZON:
            return None
        self._bucket(begins).begun += 1
        unused = max(0.0, now - AT_ONCE - self._next)
        if self._guessed:
            self._limited_at = min(now, self._limited_at + unused)
        self._next += unused + 1.0 / rate
        return begins - now

    def _count_refused(self, now: float) -> None:
        """One of the newest requests that are not refused yet is; it is forgotten with its beginning, not its answer.

        Else the answers to a burst would outlive it, and more would be turned away than had begun.
        """
        left = [bucket for bucket in self._between(0.0, now) if bucket.refused < bucket.begun]
        if left:
            max(left, key=lambda bucket: bucket.at).refused += 1

    def _accepted_lately(self, now: float) -> float:
        """Requests per second; those in flight count as accepted."""
        recent = self._between(now - (BUCKETS - 1) * BUCKET_SECONDS, now)
        return sum(bucket.begun - bucket.refused for bucket in recent) / max(self._seconds_seen(now), LEAST_SECONDS)

    def _seconds_seen(self, now: float) -> float:
        recent = self._between(now - (BUCKETS - 1) * BUCKET_SECONDS, now)
        return now - min(bucket.at for bucket in recent) * BUCKET_SECONDS

    def _bucket(self, when: float) -> _Bucket:
        at = int(when / BUCKET_SECONDS)
        found = self._buckets.get(at)
        if found is None:
            found = self._buckets[at] = _Bucket(at)
            for old in [key for key in self._buckets if key <= at - KEPT_BUCKETS]:
                del self._buckets[old]
        return found

    def _between(self, start: float, now: float) -> list[_Bucket]:
        first, last = int(start / BUCKET_SECONDS), int(now / BUCKET_SECONDS)
        return [bucket for bucket in self._buckets.values() if first <= bucket.at <= last]
