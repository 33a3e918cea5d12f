"""A line as arithmetic: what `core/pacing.py` does on it, and what the best fixed setting would. No network, no clock.

Time goes in steps. A connection delivers at most its window a round trip, the window doubles per round trip from 10
segments up to the line's rate per connection, all connections share the line evenly, each request waits a round trip
for its first byte, and a server that throttles answers 503 to what comes beyond its requests per second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from s3amfs.core.pacing import Controller
from s3amfs.core.parts import Plan

FIRST_WINDOW = 14_600.0
MOST_WINDOW = 6_000_000.0
"""Bytes in flight on a connection, as Linux allows by default (tcp_rmem)."""
SERVER_SECONDS = 0.02
"""From the last byte of a request to the first of its reply."""
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Conditions:
    """rates in bytes per second, round_trip in seconds."""

    rate: float
    round_trip: float
    per_connection: float = float("inf")
    requests: float = float("inf")
    """Per second that the server accepts."""
    slow_minute: bool = False
    """From the 10th to the 70th second the line has a third of its rate."""

    @property
    def latency(self) -> float:
        return self.round_trip + SERVER_SECONDS

    def rate_at(self, now: float) -> float:
        return self.rate / 3 if self.slow_minute and 10 <= now < 70 else self.rate


class Pace(Protocol):
    """As the engine uses a controller."""

    @property
    def slots(self) -> int: ...


@dataclass
class Fixed:
    slots: int


@dataclass
class _Slot:
    wait: float = 0.0
    """Seconds until bytes flow."""
    left: float = 0.0
    """Bytes of the part that are still to come."""
    window: float = FIRST_WINDOW
    doubled: float = 0.0
    """Seconds since the window doubled last."""
    cold: bool = True


@dataclass
class Run:
    seconds: float
    requests: int
    throttled: int
    late_throttled: float
    """Share of the requests turned away after the first ten seconds."""
    settled: float
    """Second from which on goodput stays within a tenth of the line's, as a sliding mean of two seconds."""
    most_slots: int


def simulate(line: Conditions, size: int, part_size: int, pace: Pace | Controller, *, most_seconds: float = 1e9) -> Run:
    """Moves `size` bytes in parts of `part_size`; `pace` says with how many slots."""
    controller = pace if isinstance(pace, Controller) else None
    step = min(0.05, max(0.01, line.round_trip / 4))
    pending = [part.length for part in Plan(size, part_size)][::-1]
    active: list[_Slot] = []
    idle: list[_Slot] = []
    now = next_sample = moved = tokens = 0.0
    ended = requests = throttled = late = late_throttled = most = 0
    tokens = min(line.requests, 1e9)
    goodput: list[float] = []
    delay_until = 0.0
    while (pending or active) and now < most_seconds:
        tokens = min(tokens + line.requests * step, line.requests) if line.requests < 1e9 else 1e9
        while pending and len(active) < pace.slots and now >= delay_until:
            delay = controller.reserve(now) if controller is not None else 0.0
            delay_until = now + delay if delay > 0 else 0.0
            slot = idle.pop() if idle else _Slot()
            slot.left = pending.pop()
            slot.wait = line.latency + (line.round_trip if slot.cold else 0.0)
            slot.cold = False
            requests += 1
            late += now > 10
            if tokens < 1:
                slot.left, slot.wait = -slot.left, line.latency
            else:
                tokens -= 1
            active.append(slot)
        most = max(most, len(active))
        moved += _flow(line, active, step, now)
        for slot in [slot for slot in active if slot.wait <= 0 and slot.left <= 0]:
            active.remove(slot)
            ended += 1
            if slot.left < 0:
                throttled += 1
                late_throttled += now > 10
                pending.append(int(-slot.left))
                idle.append(slot)
                if controller is not None:
                    controller.turned_away(now, len(active) + 1)
            else:
                idle.append(slot)
        now += step
        if now >= next_sample:
            next_sample = now + SAMPLE_SECONDS
            goodput.append(moved)
            if controller is not None:
                waiting = pace.slots if pending and now < delay_until else 0
                controller.sample(now, int(moved), ended, max(waiting, len(active)))
    return Run(now, requests, throttled, late_throttled / late if late else 0.0, _settled(line, goodput), most)


def _flow(line: Conditions, active: list[_Slot], step: float, now: float) -> float:
    """Bytes that arrive in one step: shared evenly, what one cannot take goes to the others."""
    flowing = []
    for slot in active:
        if slot.wait > 0:
            slot.wait -= step
        elif slot.left > 0:
            flowing.append(slot)
    if not flowing:
        return 0.0
    trip = max(line.round_trip, 0.001)
    cap = min(line.per_connection, MOST_WINDOW / trip)
    budget = line.rate_at(now) * step
    total, left = 0.0, len(flowing)
    flowing.sort(key=lambda slot: slot.window)
    for slot in flowing:
        share = min(budget / left, min(cap, slot.window / trip) * step)
        left -= 1
        taken = min(share, slot.left)
        budget -= taken
        slot.left = slot.left - taken if slot.left - taken > 1 else 0.0
        total += taken
        slot.doubled += step
        if slot.doubled >= trip and slot.window < cap * trip * 2:
            slot.window, slot.doubled = slot.window * 2, 0.0
    return total


def _settled(line: Conditions, goodput: list[float]) -> float:
    span = 20
    rates = [(goodput[i] - goodput[i - span]) / (span * SAMPLE_SECONDS) for i in range(span, len(goodput))]
    if not rates:
        return 0.0
    best = max(rates)
    bad = [i for i, rate in enumerate(rates[: -span // 2 or None]) if rate < 0.9 * best and not line.slow_minute]
    return (bad[-1] + span) * SAMPLE_SECONDS if bad else 0.0
