"""How the parts of one transfer move, and what they are reported to."""

from __future__ import annotations

from collections.abc import Callable

from ..core.define import define
from ..core.events import Event
from ..core.failures import Failure
from ..core.retry import RetryPolicy
from .attempt import PartResult
from .bwlimit import Limiter
from .limits import SlotGate
from .renewal import Credentials

OnEvent = Callable[[Event], None]


@define(frozen=True, slots=True)
class Callbacks:
    """Functions that the parts of a transfer are reported to."""

    on_part: Callable[[PartResult], None] = lambda result: None
    """Called in a loop's thread for each part that is done, before it counts as done; must be quick (a journal)."""
    judge: Callable[[int, Failure], Failure] = lambda number, failure: failure
    """Called in a loop's thread with each failure of a part, before anything follows from it; returns what it is."""
    on_event: OnEvent = lambda event: None
    """Called in the owner's thread."""


@define(frozen=True, slots=True)
class Settings:
    """How the parts of a transfer move."""

    describe: str
    """The subject of a final failure: 'upload to s3://b/k'."""
    policy: RetryPolicy
    credentials: tuple[Credentials, ...] = ()
    """Of all sessions that sign parts; renewed in a thread of their own when they end."""
    gate: SlotGate | None = None
    """Slots shared with other transfers, beside those of the lines."""
    spread: bool = False
    """Use all loops (worth it where bytes cost much CPU)."""
    total: int | None = None
    """Bytes of the whole, for progress; None if unknown."""
    done_before: int = 0
    """Bytes that an earlier run has moved."""
    limiter: Limiter | None = None
    """Of the bytes per second of all transfers that share it; None: no limit."""
    asks_again: bool = True
    """A part that lags is cut and asked for again. Not where a cut request may still be executed (copies)."""
