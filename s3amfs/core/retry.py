"""Whether and when to try again: capped exponential back-off with full jitter, within a budget.

One `RetryState` belongs to one thing that is tried again, a part or a control call, and ends with its success. Time
and randomness are arguments; nothing here waits. Immutable.
"""

from __future__ import annotations

import math
from typing import Final

from .define import define
from .failures import Failure, Kind

# These need no waiting, only something learned first (a region, a clock offset, new credentials). If what was learned
# does not help, the same answer comes back at once: a few times, then it is an error and not a busy loop.
_AT_ONCE: Final = {Kind.REDIRECT: 3, Kind.SKEW: 3, Kind.EXPIRED: 3}
# A wire that damages the same part again and again will not stop doing so.
_CORRUPT_LIMIT: Final = 5
_LARGEST_EXPONENT: Final = 60
# Waiting for the last of the budget can end a rounding error before its end: that is no rest to wait for again.
_NOTHING_LEFT: Final = 1e-3


@define(frozen=True, slots=True)
class RetryPolicy:
    """Times in seconds. With the defaults a server may be away for five minutes."""

    budget: float = 300.0
    """From the first failure on; after that the transfer fails and stays resumable. 0: no retries."""
    unreached: float = 30.0
    """The same for a server that has never answered in this process: it may have been misspelt."""
    base: float = 0.2
    """The longest first delay; doubles with each attempt. The delay drawn lies between 0 and that."""
    cap: float = 20.0
    """No drawn delay is longer; Retry-After may be."""
    max_attempts: int | None = None
    """Tries in all; None: as many as the budget holds."""

    @classmethod
    def of(cls, budget: float | None, max_attempts: int | None = None) -> RetryPolicy:
        """budget: seconds that the user chose, for every server; None: the defaults."""
        if budget is None:
            return cls(max_attempts=max_attempts)
        return cls(budget, budget, max_attempts=max_attempts)

    def budget_of(self, failure: Failure) -> float:
        """Seconds for which requests that fail with `failure` are tried again."""
        return self.budget if failure.reached else min(self.budget, self.unreached)


@define(frozen=True, slots=True)
class Retry:
    """Try again."""

    delay: float
    """Seconds to wait; 0.0: at once."""


@define(frozen=True, slots=True)
class GiveUp:
    """Do not try again."""

    reason: str
    """One line: what failed and why there is no further try."""


Decision = Retry | GiveUp


def decide(
    policy: RetryPolicy,
    failure: Failure,
    *,
    attempt: int,
    first_failed_at: float,
    now: float,
    random: float,
    seen: int | None = None,
) -> Decision:
    """The decision about `failure`.

    `attempt`: tries made so far, this one included (1 or more). `first_failed_at` and `now`: seconds of one monotonic
    clock. `random`: uniform in [0, 1). `seen`: failures of this kind so far, this one included; None: all of them.

    Retry-After (RFC 9110 section 10.2.3) is the least delay, unless that is beyond the budget: then one last try is
    made when the budget ends.
    """
    if not failure.retryable:
        return GiveUp(failure.message)
    if failure.other_form:  # forms are few: this ends by itself
        return Retry(0.0)
    if policy.max_attempts is not None and attempt >= policy.max_attempts:
        return GiveUp(f"{failure.message} (after {_times(attempt)})")
    rest = policy.budget_of(failure) - max(0.0, now - first_failed_at)
    if rest < _NOTHING_LEFT:
        return GiveUp(f"{failure.message} (after {_times(attempt)} in {max(0.0, now - first_failed_at):.0f} s)")
    limit = _CORRUPT_LIMIT if failure.kind is Kind.CORRUPT else _AT_ONCE.get(failure.kind)
    same = attempt if seen is None else seen
    if limit is not None and same > limit:
        return GiveUp(f"{failure.message} (the same {_times(same)})")
    asked = _asked(failure.retry_after)
    if failure.kind in _AT_ONCE and not asked:
        return Retry(0.0)
    drawn = random * min(policy.cap, policy.base * 2.0 ** min(max(attempt - 1, 0), _LARGEST_EXPONENT))
    # The tenth on top keeps the parts that were all turned away at once from coming back at once.
    return Retry(min(rest, max(drawn, asked * (1 + 0.1 * random))))


def _asked(retry_after: float | None) -> float:
    """Seconds of Retry-After; 0.0 where there is none or it makes no sense."""
    return retry_after if retry_after is not None and math.isfinite(retry_after) and retry_after > 0 else 0.0


def _times(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


@define(frozen=True, slots=True)
class RetryState:
    """Failures in a row of one part or call."""

    failures: int = 0
    """Also the number of retries that were needed."""
    first_failed_at: float = 0.0
    """Monotonic seconds; only meaningful when `failures` is not 0."""
    kinds: tuple[tuple[Kind, int], ...] = ()
    """How often each kind was seen."""

    def failed(
        self, policy: RetryPolicy, failure: Failure, *, now: float, random: float
    ) -> tuple[RetryState, Decision]:
        """The state after `failure`, and what follows from it."""
        kinds = dict(self.kinds)
        kinds[failure.kind] = kinds.get(failure.kind, 0) + 1
        after = RetryState(self.failures + 1, self.first_failed_at if self.failures else now, tuple(kinds.items()))
        decision = decide(
            policy,
            failure,
            attempt=after.failures,
            first_failed_at=after.first_failed_at,
            now=now,
            random=random,
            seen=kinds[failure.kind],
        )
        return after, decision
