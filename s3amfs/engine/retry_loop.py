"""The blocking retry loop of control calls: tries, waits as core/retry.py says, gives up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from ..core.failures import Failure
from ..core.retry import GiveUp, RetryPolicy, RetryState


def retrying(
    policy: RetryPolicy, attempt: Callable[[], Failure | None], learn: Callable[[Failure, float], None]
) -> Failure | None:
    """Calls `attempt` until it returns None; returns the last failure when `policy` gives up.

    learn: told of each failure that is followed by another try, and of the delay in seconds before it.
    """
    state = RetryState()
    while True:
        failure = attempt()
        if failure is None:
            return None
        state, decision = state.failed(policy, failure, now=time.monotonic(), random=random.random())
        if isinstance(decision, GiveUp):
            return failure
        learn(failure, decision.delay)
        threading.Event().wait(decision.delay)
