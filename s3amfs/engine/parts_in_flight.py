"""The parts of one transfer as the sampler and the trace see them: their requests, and what the others wait for.

A part waits for a slot, for the budget of requests, or for the end of a back-off. The transfer's loops change it; what
the sampler asks may be asked in any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ..core.bottleneck import Activity, Tally
from ..core.events import LimitedBy
from ..core.failures import Failure, Kind
from ..core.parts import Part
from ..wire.curl.exchange import Exchange
from . import trace
from .attempt import Operation, PartWork
from .line import Line
from .sampler import Sampler

SHORTEST_WAIT = 0.0005
"""A part that got its slot sooner than after so many seconds has not waited."""
SMALL = 1 << 20
"""Of fewer bytes, and there may be very many, the trace has no signing that took less than `SHORTEST_WAIT`."""


class PartsInFlight:
    """lines: those that the parts move over. parts: those that are not done, by number. progress: as Transfer's."""

    def __init__(
        self,
        sampler: Sampler,
        lines: tuple[Line, ...],
        parts: Mapping[int, Part],
        progress: Callable[[], tuple[int, int]],
    ) -> None:
        self._sampler = sampler
        self._before: Tally | None = None
        self._spent: Tally | None = None
        self.lines = lines
        self.progress = progress
        self.operations: dict[int, Operation] = {}
        self.part_size = 0
        """Bytes of the part that began last."""
        self._parts = parts
        self._queued: dict[int, float] = {}
        """Part -> moment from which it has waited for a slot."""
        self._granted: dict[int, float] = {}
        """Part -> moment at which it got one, where the budget of requests held it up then."""
        self._back_off: dict[int, bool] = {}
        """Part that backs off -> whether the server asked for less."""

    # -- for the sampler --------------------------------------------------------------------------------------------

    def activities(self, now: float, latency: Callable[[str], float]) -> list[Activity]:
        """The state of each part that has a request."""
        found = [operation.activity(now, latency) for operation in list(self.operations.values())]
        return [activity for activity in found if activity is not None]

    def exchanges(self) -> list[Exchange]:
        """The requests of those parts."""
        return [exchange for operation in list(self.operations.values()) for exchange in operation.exchanges]

    def waits(self) -> tuple[int, int]:
        """(parts that the server makes wait, parts that wait after other failures)."""
        back_off = list(self._back_off.values())
        throttled = sum(back_off)
        return throttled + len(self._granted), len(back_off) - throttled

    @property
    def wants_more(self) -> bool:
        """Nothing is left to move until more parts are added."""
        return not self._parts

    # -- what limits it ---------------------------------------------------------------------------------------------

    def join(self) -> None:
        """The transfer begins."""
        self._before = self._sampler.join(self, self)

    def leave(self) -> None:
        """It has ended."""
        self._spent = self.spent()
        self._sampler.leave(self)

    def spent(self) -> Tally:
        """The time of the transfer so far, by what limited it. Any thread."""
        if self._spent is not None:
            return self._spent
        return self._sampler.since(self._before) if self._before is not None else Tally()

    def limit_due(self) -> LimitedBy | None:
        """The limit of the last seconds, every few seconds; else None. The owner's thread."""
        limit = self._sampler.recent_if_due() if self._before is not None else None
        return LimitedBy(limit.cause.value, round(limit.share, 3)) if limit is not None else None

    # -- for the transfer -------------------------------------------------------------------------------------------

    def queue(self, number: int) -> None:
        """A part is to move and waits for a slot."""
        self._back_off.pop(number, None)
        self._queued[number] = time.monotonic()

    def hold_up(self, number: int) -> None:
        """It has a slot, but the server takes no more requests yet."""
        self._granted.setdefault(number, time.monotonic())

    def begin(self, part: Part, attempt: int) -> None:
        """Its request begins."""
        self.part_size = part.length
        queued, granted = self._queued.pop(part.number, None), self._granted.pop(part.number, None)
        recorder = trace.recorder()
        if recorder is None or queued is None:
            return
        now = time.monotonic()
        args = {"part": part.number, "attempt": attempt}
        if (granted or now) - queued > SHORTEST_WAIT:
            recorder.wait("queue", queued, granted or now, args)
        if granted is not None:
            recorder.wait("throttle", granted, now, args)

    def sign(self, number: int, began: float, work: PartWork) -> PartWork:
        """Its request was made and signed, since `began`; returns `work`."""
        recorder = trace.recorder()
        if recorder is not None:
            now = time.monotonic()
            if self.part_size >= SMALL or now - began > SHORTEST_WAIT:
                recorder.wait("sign", began, now, {"part": number})
        return work

    def back_off(self, number: int, attempt: int, delay: float, failure: Failure) -> None:
        """It failed, and is tried again after `delay` seconds."""
        self._back_off[number] = failure.kind is Kind.THROTTLE
        recorder = trace.recorder()
        if recorder is not None:
            now = time.monotonic()
            args = {"part": number, "attempt": attempt, "status": failure.status, "kind": failure.kind.value}
            recorder.wait("retry wait", now, now + delay, args)

    def hedge(self, number: int) -> None:
        """It lags, and is asked for again on another connection."""
        recorder = trace.recorder()
        if recorder is not None:
            recorder.instant("hedge", {"part": number})

    def forget(self, number: int) -> None:
        """It is cancelled."""
        for waits in (self._queued, self._granted, self._back_off):
            waits.pop(number, None)
