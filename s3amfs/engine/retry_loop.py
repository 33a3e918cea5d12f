"""The blocking retry loop of control calls: tries, waits as core/retry.py says, gives up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from ..core.failures import Failure
from ..core.retry import GiveUp, RetryPolicy, RetryState
from . import waiting
from .interruptible import wait_for
from .sampler import Sampler


def retrying(
    policy: RetryPolicy,
    attempt: Callable[[], Failure | None],
    learn: Callable[[Failure, float], None],
    sampler: Sampler | None = None,
) -> Failure | None:
    """Calls `attempt` until it returns None; returns the last failure when `policy` gives up.

    learn: called with each failure that is followed by another try, and the delay in seconds before it. A wait that
    takes long is reported, once. sampler: counts the waits.
    """
    if sampler is None:
        return _retry(policy, attempt, learn, lambda failure, delay: None)
    key = object()

    def back_off(failure: Failure, delay: float) -> None:
        sampler.back_off(key, failure, delay)

    try:
        return _retry(policy, attempt, learn, back_off)
    finally:
        sampler.leave(key)


def _retry(
    policy: RetryPolicy,
    attempt: Callable[[], Failure | None],
    learn: Callable[[Failure, float], None],
    back_off: Callable[[Failure, float], None],
) -> Failure | None:
    state = RetryState()
    reported = False
    while True:
        failure = attempt()
        if failure is None:
            return None
        now = time.monotonic()
        state, decision = state.failed(policy, failure, now=now, random=random.random())
        if isinstance(decision, GiveUp):
            return failure
        if not reported and now + decision.delay - state.first_failed_at > waiting.WAIT_SECONDS:
            reported = True
            waiting.report(f"{failure.message}; trying again for up to {policy.budget_of(failure):.0f} s")
        learn(failure, decision.delay)
        back_off(failure, decision.delay)
        wait_for(threading.Event(), decision.delay)
