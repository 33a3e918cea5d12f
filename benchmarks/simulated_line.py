"""A line as arithmetic: what `core/pacing.py` does on it, and what the best fixed setting would. No network, no clock.

A connection delivers at most its window a round trip; the window doubles per round trip from 10 segments up to the
line's rate per connection; all connections share the line evenly, and what one cannot take goes to the others. A new
connection takes a round trip, each request another one and some work of the server's, which scatters (seeded). A server
that throttles answers 503 to requests beyond its rate; it saves up a second of them.

Time goes from event to event. Connections with the same window form a group and have the same rate, so an event costs
as much as there are groups, at most a dozen, however many connections there are.
"""

from __future__ import annotations

import enum
import heapq
import random
from dataclasses import dataclass, field
from typing import Protocol

from s3amfs.core.goodput import Look
from s3amfs.core.last_round import looks_ahead
from s3amfs.core.pacing import Controller
from s3amfs.core.parts import Plan
from s3amfs.core.request_budget import HORIZON

FIRST_WINDOW = 14_600.0
MOST_WINDOW = 6_000_000.0
"""Bytes in flight on a connection, as Linux allows by default (tcp_rmem)."""
SERVER_SECONDS = 0.02
"""From the last byte of a request to the first of its reply; up to half of it less or more."""
SAMPLE_SECONDS = 0.1
SEED = 1


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

    @property
    def trip(self) -> float:
        return max(self.round_trip, 0.001)

    @property
    def one(self) -> float:
        """Bytes per second of one connection that has the line for itself."""
        return min(self.rate, self.per_connection, MOST_WINDOW / self.trip)

    def rate_at(self, now: float) -> float:
        return self.rate / 3 if self.slow_minute and 10 <= now < 70 else self.rate


class Pace(Protocol):
    """As the engine uses a controller."""

    @property
    def slots(self) -> int: ...


@dataclass
class Fixed:
    slots: int


class _What(enum.Enum):
    RESERVE = -1
    BEGIN = 0
    FLOW = 1
    GROW = 2
    AWAY = 3


@dataclass(slots=True)
class _Slot:
    """A connection and the part on it."""

    length: int = 0
    level: int = -1
    """Of its group; -1: not connected yet."""
    grows: bool = False
    """A GROW event for it is under way."""
    ticket: int = 0
    """Its valid entry in the heap of its group; 0: none of its bytes flow."""


@dataclass(slots=True)
class _Group:
    """Connections whose bytes flow with the same window."""

    most: float
    """Bytes per second of one that its window allows."""
    rate: float = 0.0
    served: float = 0.0
    """Bytes that one would have got since the beginning."""
    count: int = 0
    ends: list[tuple[float, int, _Slot]] = field(default_factory=list)
    """(`served` at which its part ends, ticket, slot)."""


@dataclass
class Run:
    seconds: float
    requests: int
    throttled: int
    late_throttled: float
    """Share of the requests turned away after the first ten seconds."""
    settled: float
    """Second from which on goodput stays within a tenth of the best, as a sliding mean of two seconds."""
    most_slots: int
    samples: list[tuple[float, int, float]] = field(default_factory=list)
    """(second, slots, bytes moved so far), of a controller."""


def simulate(line: Conditions, size: int, part_size: int, pace: Pace | Controller, *, most_seconds: float = 1e9) -> Run:
    """Moves `size` bytes in parts of `part_size`; `pace` says with how many slots. Stops after `most_seconds`."""
    return _Simulation(line, size, part_size, pace).run(most_seconds)


class _Simulation:
    def __init__(self, line: Conditions, size: int, part_size: int, pace: Pace | Controller) -> None:
        self._line, self._pace = line, pace
        self._controller = pace if isinstance(pace, Controller) else None
        self._random = random.Random(SEED)
        self._pending = [part.length for part in Plan(size, part_size)][::-1]
        self._idle: list[_Slot] = []
        self._groups = _groups(line)
        self._events: list[tuple[float, int, _What, _Slot]] = []
        self._number = 0
        self._now = self._moved = self._tokens_at = 0.0
        self._tokens = min(line.requests, 1e9)
        self._busy = self._ended = self._requests = self._throttled = self._late = self._late_throttled = 0
        self._most = 0
        self._held_up = 0
        """Slots whose request has not begun yet."""

    def run(self, most_seconds: float) -> Run:
        goodput: list[float] = []
        samples: list[tuple[float, int, float]] = []
        changes = [70.0, 10.0] if self._line.slow_minute else []
        next_sample = SAMPLE_SECONDS if self._controller is not None else float("inf")
        self._fill()
        while (self._pending or self._busy) and self._now < most_seconds:
            self._share()
            then = min(self._next(), next_sample, changes[-1] if changes else float("inf"))
            self._advance(then)
            if changes and then >= changes[-1]:
                changes.pop()
            self._happen()
            if then >= next_sample:
                next_sample += SAMPLE_SECONDS
                goodput.append(self._moved)
                samples.append((round(then, 3), self._pace.slots, self._moved))
                assert self._controller is not None
                self._controller.sample(then, self._look(self._controller))
            self._fill()
        late = self._late_throttled / self._late if self._late else 0.0
        return Run(self._now, self._requests, self._throttled, late, _settled(self._line, goodput), self._most, samples)

    def _look(self, controller: Controller) -> Look:
        waiting: int | None = len(self._pending)
        if len(self._pending) > looks_ahead(controller.slots, controller.ceiling):
            waiting = None
        return Look(int(self._moved), self._ended, self._busy, 0.0, waiting, self._held_up)

    def _fill(self) -> None:
        while self._pending and self._busy < self._pace.slots:
            slot = self._idle.pop() if self._idle else _Slot()
            slot.length = self._pending.pop()
            self._busy += 1
            self._held_up += 1
            self._reserve(slot)
        self._most = max(self._most, self._busy)

    def _reserve(self, slot: _Slot) -> None:
        delay = self._controller.reserve(self._now) if self._controller is not None else 0.0
        if delay is None:
            self._later(HORIZON, _What.RESERVE, slot)
        else:
            self._later(delay, _What.BEGIN, slot)

    def _later(self, delay: float, what: _What, slot: _Slot) -> None:
        self._number += 1
        heapq.heappush(self._events, (self._now + delay, self._number, what, slot))

    def _share(self) -> None:
        """Rates of the groups: the narrowest windows first, what they leave is for the others."""
        left = sum(group.count for group in self._groups)
        budget = self._line.rate_at(self._now)
        for group in self._groups:
            if group.count:
                group.rate = min(group.most, budget / left)
                budget -= group.rate * group.count
                left -= group.count

    def _next(self) -> float:
        then = self._events[0][0] if self._events else float("inf")
        for group in self._groups:
            ends = group.ends
            while ends and ends[0][2].ticket != ends[0][1]:
                heapq.heappop(ends)
            if ends:
                then = min(then, self._now + max(0.0, ends[0][0] - group.served) / group.rate)
        return then

    def _advance(self, then: float) -> None:
        for group in self._groups:
            if group.count:
                group.served += group.rate * (then - self._now)
                self._moved += group.rate * group.count * (then - self._now)
        self._now = then

    def _happen(self) -> None:
        while self._events and self._events[0][0] <= self._now:
            _, _, what, slot = heapq.heappop(self._events)
            if what is _What.RESERVE:
                self._reserve(slot)
            elif what is _What.BEGIN:
                self._begin(slot)
            elif what is _What.FLOW:
                self._flow(slot, slot.length)
            elif what is _What.GROW:
                self._grow(slot)
            else:
                self._turned_away(slot)
        for group in self._groups:
            while group.ends and group.ends[0][0] <= group.served + 1.0:
                _, ticket, slot = heapq.heappop(group.ends)
                if slot.ticket == ticket:
                    slot.ticket = 0
                    group.count -= 1
                    self._busy -= 1
                    self._ended += 1
                    self._idle.append(slot)

    def _begin(self, slot: _Slot) -> None:
        self._held_up -= 1
        self._tokens = min(self._line.requests, self._tokens + (self._now - self._tokens_at) * self._line.requests)
        self._tokens_at = self._now
        self._requests += 1
        self._late += self._now > 10
        wait = self._line.round_trip + SERVER_SECONDS * self._random.uniform(0.5, 1.5)
        if slot.level < 0:
            slot.level = 0
            wait += self._line.round_trip
        if self._tokens >= 1:
            self._tokens -= 1
            self._later(wait, _What.FLOW, slot)
        else:
            self._later(wait, _What.AWAY, slot)

    def _flow(self, slot: _Slot, left: float) -> None:
        group = self._groups[slot.level]
        self._number += 1
        slot.ticket = self._number
        heapq.heappush(group.ends, (group.served + left, slot.ticket, slot))
        group.count += 1
        if not slot.grows and slot.level < len(self._groups) - 1:
            slot.grows = True
            self._later(self._line.trip, _What.GROW, slot)

    def _grow(self, slot: _Slot) -> None:
        slot.grows = False
        if not slot.ticket:  # between two parts
            return
        group = self._groups[slot.level]
        left = next(end for end, ticket, _ in group.ends if ticket == slot.ticket) - group.served
        group.count -= 1
        slot.level += 1
        self._flow(slot, max(0.0, left))

    def _turned_away(self, slot: _Slot) -> None:
        self._throttled += 1
        self._late_throttled += self._now > 10
        self._pending.append(slot.length)
        self._idle.append(slot)
        self._ended += 1
        if self._controller is not None:
            self._controller.turned_away(self._now, self._busy)
        self._busy -= 1


def _groups(line: Conditions) -> list[_Group]:
    found, window = [], FIRST_WINDOW
    while window / line.trip < line.one:
        found.append(_Group(window / line.trip))
        window *= 2
    return [*found, _Group(line.one)]


def _settled(line: Conditions, goodput: list[float]) -> float:
    span = 20
    rates = [(goodput[i] - goodput[i - span]) / (span * SAMPLE_SECONDS) for i in range(span, len(goodput))]
    if not rates or line.slow_minute:
        return 0.0
    best = max(rates)
    bad = [i for i, rate in enumerate(rates[: -span // 2 or None]) if rate < 0.9 * best]
    return (bad[-1] + span) * SAMPLE_SECONDS if bad else 0.0
