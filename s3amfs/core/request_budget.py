"""How many requests may begin per second over a line whose server turns some away (503 SlowDown, 429). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RequestBudget:
    """Requests per second, limited only once the server has turned some away.

    The limit is what the server accepted. It grows slowly first, so that it stays near a limit of the server's that
    does not move, and then ever faster (as CUBIC, RFC 9438, does with its window).
    """

    _accepted: float | None = None
    _limited_at: float = 0.0
    _next: float = 0.0
    _buckets: list[tuple[int, int, int]] = field(default_factory=list)
    """(second, requests accepted, turned away), the last three."""

    def note(self, now: float, *, good: bool) -> None:
        second = int(now)
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets = [*self._buckets[-2:], (second, 0, 0)]
        at, accepted, away = self._buckets[-1]
        self._buckets[-1] = (at, accepted + good, away + (not good))

    def counts(self, now: float) -> tuple[int, int]:
        """(accepted, turned away) in this second and the one before."""
        recent = [bucket for bucket in self._buckets if bucket[0] >= int(now) - 1]
        return sum(bucket[1] for bucket in recent), sum(bucket[2] for bucket in recent)

    def rate(self, now: float) -> float | None:
        """Requests that may begin per second; None: as many as there are slots."""
        if self._accepted is None:
            return None
        calm = now - self._limited_at
        return self._accepted * (1 + 0.005 * calm + (calm / 8) ** 3)

    def limit(self, now: float) -> None:
        """A request was turned away just now."""
        if self._accepted is not None and now - self._limited_at < 1.0:
            return  # the same burst
        past = [bucket[1] for bucket in self._buckets if int(now) - 2 <= bucket[0] < int(now) and bucket[1]]
        current, before = float(max(past, default=0)), self.rate(now)
        if before is not None:
            current = max(current, before * 0.8)
        self._accepted, self._limited_at = max(1.0, current * 0.98), now

    def reserve(self, now: float) -> float:
        """Seconds until the next request may begin, which this counts."""
        rate = self.rate(now)
        if rate is None:
            return 0.0
        if rate > 100 * max(1.0, self._accepted or 0.0):
            self._accepted = None
            return 0.0
        begins = max(now, self._next)
        self._next = begins + 1.0 / rate
        return begins - now
