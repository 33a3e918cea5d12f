"""Counts the states of this process's requests, four times a second while something moves (`limited by`, counters).

It runs in the engine's first loop, and reads the other loops' exchanges without changing them. Its samples are added
up in one tally; the limit of a stretch of time is the difference of two copies of it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from ..core.bottleneck import PATIENCE, PATIENCE_SECONDS, Activity, Bottleneck, Cause, Sample, Tally
from ..core.failures import Failure, Kind
from ..wire.curl.exchange import Exchange
from . import file_io, trace
from .line import Line
from .recurring import Recurring, Schedule

SAMPLE_SECONDS = 0.25
RECENT_SECONDS = 5.0

Latency = Callable[[str], float]
"""The shortest answer that the server of a URL was seen to give, in seconds; 0.0: unknown."""


class Mover(Protocol):
    """A transfer, as the sampler sees it."""

    def progress(self) -> tuple[int, int]: ...

    def activities(self, now: float, latency: Latency) -> list[Activity]:
        """One of each of its parts that have a request."""

    def exchanges(self) -> Iterable[Exchange]:
        """The requests of those parts."""

    def waits(self) -> tuple[int, int]:
        """(parts that the server makes wait, parts that wait after other failures)."""

    @property
    def wants_more(self) -> bool:
        """It has nothing to move, and waits for what is still to come."""

    @property
    def lines(self) -> tuple[Line, ...]: ...

    @property
    def part_size(self) -> int:
        """Bytes of the part that began last."""


class Threads(Protocol):
    """The engine's loops, as the sampler sees them."""

    def native_ids(self) -> list[int]: ...

    def exchanges(self) -> list[Exchange]: ...

    def latency(self, url: str) -> float: ...


def activity_of(exchange: Exchange, now: float, latency: Latency) -> Activity:
    """The state of one request. An answer that takes far longer than the server's shortest is the server's work."""
    request, reply = exchange.request, exchange.reply
    length = request.content_length if request.content_length is not None else len(request.body)
    if reply.bytes_up < length and exchange.reader is not None:
        return Activity.SENDS if reply.bytes_up else Activity.WAITS
    if exchange.lines or (reply.status and exchange.answered_at):
        return Activity.RECEIVES
    known = latency(request.url)
    waited = now - max(exchange.read_at, exchange.started)
    if known and waited > PATIENCE * known + PATIENCE_SECONDS:
        return Activity.RECEIVES if exchange.sink is not None else Activity.SENDS
    return Activity.WAITS


class Sampler:
    """The samples of one engine. schedule: has a function called in its first loop."""

    def __init__(self, threads: Threads, schedule: Schedule) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._movers: dict[object, Mover | None] = {}
        self._back_off: dict[object, bool] = {}
        """Control call that has failed and is tried again -> whether the server asked for less."""
        self._ticks = Recurring(schedule, SAMPLE_SECONDS, self._tick, lambda: bool(self._movers), self._lock)
        self._due = 0.0
        self._last = 0.0
        self._cpu: dict[int, float] = {}
        self._disk = (0.0, 0.0)
        self._moved = 0
        self._tally = Tally()
        self._recent: deque[tuple[Cause | None, float]] = deque()

    def join(self, key: object, mover: Mover | None = None) -> Tally:
        """Samples are taken from now on until `key` leaves; returns the tally so far. mover: what to look at besides
        the exchanges of the loops. Any thread."""
        with self._lock:
            self._movers[key] = mover
            if self._ticks.start():
                self._begin()
            return self._tally.copy()

    def leave(self, key: object) -> None:
        with self._lock:
            self._movers.pop(key, None)
            self._back_off.pop(key, None)

    def back_off(self, key: object, failure: Failure, delay: float) -> None:
        """A control call failed and waits; `key` counts as waiting until it leaves. Any thread."""
        self._back_off[key] = failure.kind is Kind.THROTTLE
        if key not in self._movers:
            self.join(key)
        recorder = trace.recorder()
        if recorder is not None:
            now = time.monotonic()
            recorder.wait("retry wait", now, now + delay, {"status": failure.status, "kind": failure.kind.value})

    def since(self, before: Tally) -> Tally:
        """The time since `join` returned `before`, by what limited it. Any thread."""
        with self._lock:
            return self._tally.since(before)

    def recent(self) -> Bottleneck | None:
        """The limit of the last five seconds. Takes no lock: a signal's handler may call it."""
        tally = Tally()
        for cause, seconds in list(self._recent):
            tally.seconds[cause] = tally.seconds.get(cause, 0.0) + seconds
        return tally.limited_by(least=SAMPLE_SECONDS)

    def recent_if_due(self) -> Bottleneck | None:
        """As `recent`, at most every five seconds; else None. Any thread."""
        now = time.monotonic()
        if not self._due:
            self._due = now + RECENT_SECONDS
        if now < self._due or (found := self.recent()) is None:
            return None
        self._due = now + RECENT_SECONDS
        return found

    # -- inside -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._last = time.monotonic()
        self._cpu = {thread: _thread_seconds(thread) for thread in self._threads.native_ids()}
        self._disk = file_io.busiest()
        self._recent.clear()
        self._moved = 0

    def _tick(self) -> None:
        with self._lock:
            movers = [mover for mover in self._movers.values() if mover is not None]
        now = time.monotonic()
        sample = self._look(now, movers)
        with self._lock:
            self._recent.append((self._tally.add(sample), sample.seconds))
            while len(self._recent) > RECENT_SECONDS / SAMPLE_SECONDS:
                self._recent.popleft()
        recorder = trace.recorder()
        if recorder is not None:
            recorder.counters(self._counters(movers, sample))

    def _look(self, now: float, movers: list[Mover]) -> Sample:
        seconds, self._last = max(1e-6, now - self._last), now
        found: Counter[Activity] = Counter()
        back_off = list(self._back_off.values())
        throttled = sum(back_off)
        failed = len(back_off) - throttled
        of_parts: set[int] = set()
        for mover in movers:
            found.update(mover.activities(now, self._threads.latency))
            of_parts.update(id(exchange) for exchange in mover.exchanges())
            waits = mover.waits()
            throttled, failed = throttled + waits[0], failed + waits[1]
        for exchange in self._threads.exchanges():
            if id(exchange) not in of_parts:
                found[activity_of(exchange, now, self._threads.latency)] += 1
        before, self._disk = self._disk, file_io.busiest()
        return Sample(
            seconds,
            waits=found[Activity.WAITS],
            receives=found[Activity.RECEIVES],
            sends=found[Activity.SENDS],
            paused=found[Activity.PAUSED],
            throttled=throttled,
            failed=failed,
            wants_more=any(mover.wants_more for mover in movers),
            memory_bound=any(line.memory_bound for mover in movers for line in mover.lines),
            cpu=self._busiest(seconds),
            reading=(self._disk[0] - before[0]) / seconds,
            writing=(self._disk[1] - before[1]) / seconds,
        )

    def _busiest(self, seconds: float) -> float:
        """The largest share of the interval for which one thread ran or wanted to."""
        before, self._cpu = self._cpu, {thread: _thread_seconds(thread) for thread in self._threads.native_ids()}
        spent = [used - before.get(thread, used) for thread, used in self._cpu.items()]
        return max(spent, default=0.0) / seconds

    def _counters(self, movers: list[Mover], sample: Sample) -> dict[str, float]:
        moved = sum(mover.progress()[0] for mover in movers)
        more, self._moved = max(0, moved - self._moved), moved
        lines = {line for mover in movers for line in mover.lines}
        return {
            "goodput (MiB/s)": more / sample.seconds / (1 << 20),
            "slots": sum(line.slots for line in lines),
            "requests": sample.waits + sample.receives + sample.sends + sample.paused,
            "part size (MiB)": max((mover.part_size for mover in movers), default=0) / (1 << 20),
            "memory (MiB)": _resident_bytes() / (1 << 20),
        }


def _thread_seconds(native_id: int) -> float:
    """Seconds for which a thread of ours has run or has waited for a core (proc(5), schedstat); 0.0: unknown."""
    try:
        with open(f"/proc/self/task/{native_id}/schedstat", "rb") as file:
            run, waited, _ = file.read().split()
    except (OSError, ValueError):
        return 0.0
    return (int(run) + int(waited)) / 1e9


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
