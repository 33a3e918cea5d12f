"""Defaults of a transfer: nothing is limited, changed or reported unless it is said."""

from __future__ import annotations

from s3amfs.core.events import BytesMoved
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.retry import RetryPolicy
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.settings import Callbacks, Settings


def test_a_failure_is_what_it_is() -> None:
    failure = Failure(Kind.NETWORK, "cut off")
    calls = Callbacks()
    assert calls.judge(1, failure) is failure
    calls.on_part(PartResult(1, 2))
    calls.on_event(BytesMoved(1, None))


def test_defaults() -> None:
    settings = Settings("test", RetryPolicy())
    assert (settings.gate, settings.limiter, settings.total, settings.credentials) == (None, None, None, ())
    assert (settings.spread, settings.done_before, settings.asks_again) == (False, 0, True)
