"""`limited by`: what a transfer spent its time on, from samples of what its requests were doing. Pure.

Several times a second the engine counts its requests by what they do at that moment: they wait for an answer, take
bytes from the source, give bytes to the target, or are held back by a limit. `classify` names the cause of one such
interval, a `Tally` adds intervals up. A machine that is busy is named before anything that it may have slowed down.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Final

from .define import define

SATURATED: Final = 0.85
"""Share of the time that a thread of the engine may run before this machine counts as the limit (as in pacing)."""
ON_DISK: Final = 0.5
"""Share of the time that a thread of the engine spends in reads (or writes) of files, from which on the disk is the
limit."""
LEAST_SECONDS: Final = 0.7
"""A shorter transfer is over before anything can be said."""
PATIENCE: Final = 3.0
"""Times a server's shortest answer, plus `PATIENCE_SECONDS`: longer waits are its work, not the line's."""
PATIENCE_SECONDS: Final = 0.1


class Cause(enum.Enum):
    """The limit of a transfer, in the words of the result."""

    BWLIMIT = "--bwlimit"
    CPU = "the CPU of this machine"
    SOURCE_DISK = "the source disk"
    THROTTLING = "throttling"
    FAILURES = "failed requests"
    MEMORY = "memory"
    SOURCE = "the source's rate per connection"
    TARGET = "the target's rate"
    ROUND_TRIPS = "round trips"


class Activity(enum.Enum):
    """The state of one request."""

    WAITS = "waits for the connection or the answer"
    RECEIVES = "the source gives bytes as fast as it does"
    SENDS = "the target takes bytes as fast as it does"
    PAUSED = "held back by --bwlimit"


@define(frozen=True, slots=True)
class Sample:
    """One interval. Counts are of requests and parts at its end."""

    seconds: float
    waits: int = 0
    receives: int = 0
    sends: int = 0
    paused: int = 0
    throttled: int = 0
    """Parts that wait because the server asked for less."""
    failed: int = 0
    """Parts that wait after another failure."""
    wants_more: bool = False
    """Nothing to move is there yet: a stream has not given it."""
    memory_bound: bool = False
    """All slots are in use, and only memory forbids more."""
    cpu: float = 0.0
    """Share of the interval for which the busiest thread of the engine ran, or wanted to."""
    reading: float = 0.0
    """Share spent in reads of local files, of the busiest thread."""
    writing: float = 0.0

    @property
    def counts(self) -> dict[Cause, int]:
        """Requests and parts by what they speak for."""
        return {
            Cause.BWLIMIT: self.paused,
            Cause.THROTTLING: self.throttled,
            Cause.FAILURES: self.failed,
            Cause.SOURCE: self.receives,
            Cause.TARGET: self.sends,
            Cause.ROUND_TRIPS: self.waits,
        }


def classify(sample: Sample) -> Cause | None:
    """Names what limited one interval; None where nothing was to move."""
    counts = sample.counts
    if not any(counts.values()):
        return Cause.SOURCE if sample.wants_more else None
    if sample.cpu >= SATURATED:
        return Cause.CPU
    if max(sample.reading, sample.writing) >= ON_DISK:
        return Cause.SOURCE_DISK if sample.reading >= sample.writing else Cause.TARGET
    found = max(counts, key=lambda cause: counts[cause])  # the first of equals, in the order above
    if sample.memory_bound and found in (Cause.SOURCE, Cause.TARGET, Cause.ROUND_TRIPS):
        return Cause.MEMORY
    return found


@define(frozen=True, slots=True)
class Bottleneck:
    """The cause that had the largest share of the time."""

    cause: Cause
    share: float
    """0 to 1."""


@define(slots=True)
class Tally:
    """Seconds by cause."""

    seconds: dict[Cause | None, float] = field(default_factory=dict)

    def add(self, sample: Sample) -> Cause | None:
        """Counts one interval; returns what it was limited by."""
        cause = classify(sample)
        self.seconds[cause] = self.seconds.get(cause, 0.0) + max(0.0, sample.seconds)
        return cause

    def since(self, before: Tally) -> Tally:
        """The time after `before`, an earlier copy of this."""
        return Tally({cause: seconds - before.seconds.get(cause, 0.0) for cause, seconds in self.seconds.items()})

    def copy(self) -> Tally:
        return Tally(dict(self.seconds))

    def limited_by(self, least: float = LEAST_SECONDS) -> Bottleneck | None:
        """None where it took less than `least` seconds, or nothing moved."""
        total = sum(self.seconds.values())
        named = {cause: seconds for cause, seconds in self.seconds.items() if cause is not None and seconds > 0}
        if total < least or not named:
            return None
        cause = max(named, key=lambda cause: named[cause])
        return Bottleneck(cause, min(1.0, named[cause] / total))
