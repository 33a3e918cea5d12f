"""Lines: the slots of one endpoint in one direction, shared by all transfers of the process; `core/pacing.py` decides.

A `Line` belongs to the engine's first loop: it samples there what its transfers have moved, ten times a second while
there are any, and has them fill up when the number of slots has changed. `Share` is the part of it that one transfer
sees of its lines. The findings are remembered in the state folder (`lines.json`) for a week.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Protocol

from ..core.failures import Failure, Kind
from ..core.goodput import Look
from ..core.last_round import looks_ahead
from ..core.lines import LineState, Remembered, format_lines, parse
from ..core.pacing import BUSY, Controller
from ..core.request_budget import HORIZON
from .journal import state_dir
from .limits import SlotGate
from .memory import read_text, write_text
from .recurring import Recurring, Schedule
from .resources import most_slots, slots_by_memory

SAMPLE_SECONDS = 0.1
MOST_FTP_SLOTS = 16
"""FTP servers commonly allow few connections of one client."""
FIRST_FTP_SLOTS = 8

Direction = Literal["up", "down", "copy"]
Later = Callable[[float, Callable[[], object]], None]
"""Has a function called in the caller's loop after so many seconds."""


class Member(Protocol):
    """A transfer, as its lines see it."""

    def progress(self) -> tuple[int, int]:
        """(bytes of good parts so far, those in flight included; requests that ended)."""

    def waiting(self, most: int) -> int | None:
        """Parts without a slot, up to the end; None for more than `most`, or while parts are still added."""

    def refill(self) -> None:
        """The number of slots has grown."""


class Line:
    """One endpoint and direction. All but `found_latency` and `state` is called in the engine's first loop."""

    def __init__(
        self,
        controller: Controller,
        schedule: Schedule,
        *,
        by_memory: bool = False,
        measure: Callable[[], None] = lambda: None,
    ) -> None:
        """schedule: has a function called in the engine's first loop. by_memory: memory is what allows no more than the
        controller's ceiling. measure: called before each look at what has moved."""
        self._measure = measure
        self._controller = controller
        self._by_memory = by_memory
        self._lock = threading.Lock()
        self._members: dict[Member, tuple[int, int]] = {}
        self._moved = self._ended = 0
        self._samples = Recurring(schedule, SAMPLE_SECONDS, self._sample, lambda: bool(self._members), self._lock)
        self._worked: float | None = None
        self.held_up = 0
        """Requests that have a slot, and wait for their turn."""
        self.gate = SlotGate(controller.slots)

    @property
    def slots(self) -> int:
        """Requests that may be in flight now."""
        return self._controller.slots

    @property
    def memory_bound(self) -> bool:
        """All slots are in use, and memory is what forbids more of them."""
        slots = self._controller.slots
        return self._by_memory and slots >= self._controller.ceiling and self.gate.held >= BUSY * slots

    def join(self, member: Member) -> None:
        """Counts what `member` moves from now on, until it `leave`s."""
        with self._lock:
            if not self._members:
                self._controller.pause()
            self._members[member] = member.progress()
            self._samples.start()
        self.gate.set_limit(self.slots)

    def leave(self, member: Member) -> None:
        with self._lock:
            if member in self._members:
                self._count(member)
                del self._members[member]

    def found_latency(self, seconds: float) -> None:
        """A small request to the endpoint was answered after `seconds`. Any thread."""
        with self._lock:
            self._controller.found_latency(seconds)
            slots = self._controller.slots
        self.gate.set_limit(slots)

    def state(self) -> LineState | None:
        """The findings so far, by measurement or memory. Any thread."""
        with self._lock:
            return self._controller.state()

    def outlook(self) -> LineState:
        """Expectations of the line now. Any thread."""
        with self._lock:
            return self._controller.outlook()

    def reserve(self, now: float) -> float | None:
        """Seconds until a further request may begin, which is then counted; None: ask again in `HORIZON` seconds."""
        with self._lock:
            return self._controller.reserve(now)

    def reserve_at_once(self, now: float) -> bool:
        """Whether a request may begin now, which is then counted, and the server has turned none away lately."""
        with self._lock:
            return self._controller.reserve(now, unthrottled=True) == 0.0

    def failed(self, failure: Failure, now: float) -> None:
        """A request over this line failed in a way that is tried again."""
        with self._lock:
            if failure.kind is Kind.THROTTLE:
                self._controller.turned_away(now, self.gate.held)
            elif failure.kind in (Kind.NETWORK, Kind.TIMEOUT):
                self._controller.cut_off(now, self.gate.held)
            else:
                return
            self._samples.start()
        self.gate.set_limit(self.slots)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _count(self, member: Member) -> None:
        moved, ended = member.progress()
        before_moved, before_ended = self._members[member]
        self._moved += moved - before_moved
        self._ended += ended - before_ended
        self._members[member] = (moved, ended)

    def _sample(self) -> None:
        self._measure()
        members = list(self._members)
        before = self.slots
        most = looks_ahead(before, self._controller.ceiling)
        waiting = members[0].waiting(most) if len(members) == 1 else None  # without the lock: it may end the transfer
        with self._lock:
            for member in self._members:
                self._count(member)
            worked, before_worked = _thread_seconds(), self._worked
            self._worked = worked
            spent = worked - before_worked if before_worked is not None else 0.0
            look = Look(self._moved, self._ended, self.gate.held, spent, waiting, self.held_up)
            self._controller.sample(time.monotonic(), look)
            grown = self.slots > before
        self.gate.set_limit(self.slots)
        if grown:
            for member in members:
                member.refill()


def _thread_seconds() -> float:
    """Seconds for which this thread has run or has waited for a core (proc(5), schedstat)."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            run, waited, _ = file.read().split()
    except (OSError, ValueError):
        return time.thread_time()
    return (int(run) + int(waited)) / 1e9


class Share:
    """The slots of one transfer on its lines (a relay has two); `core.machine.Pace` of its parts.

    most: slots of this transfer, whatever the lines allow; None: no limit of its own.
    """

    def __init__(self, lines: Sequence[Line], most: int | None = None) -> None:
        self.lines = tuple(lines)
        """A relay's first one is its source's."""
        self._most = most

    @property
    def slots(self) -> int:
        slots = min(line.slots for line in self.lines)
        return slots if self._most is None else min(slots, self._most)

    def outlook(self) -> LineState:
        """Expectations: a relay is as slow as the slower of its lines, and waits for both."""
        states = [line.outlook() for line in self.lines]
        slots = min(state.slots for state in states)
        rates = [state.rate for state in states if state.rate > 0]
        return LineState(
            slots if self._most is None else min(slots, self._most),
            min(rates, default=0.0),
            sum(state.latency for state in states),
        )

    def failed(self, failure: Failure, now: float) -> None:
        line = self.lines[0] if failure.of_source else self.lines[-1]
        line.failed(failure, now)

    def take_turn(self, later: Later, begin: Callable[[], None]) -> bool:
        """Calls `begin` when the servers of all lines take a further request: now, or by `later`.

        Returns whether it was now.
        """

        def turn() -> None:
            for line in self.lines:
                line.held_up -= 1
            begin()

        for line in self.lines:
            line.held_up += 1
        return self._take_turns(self.lines, 0.0, later, turn)

    def _take_turns(self, lines: Sequence[Line], begins: float, later: Later, begin: Callable[[], None]) -> bool:
        """begins: monotonic seconds, as the lines before `lines` have it; what they have counted is not asked again."""
        now = time.monotonic()
        for place, line in enumerate(lines):
            delay = line.reserve(now)
            if delay is None:
                later(HORIZON, partial(self._take_turns, lines[place:], begins, later, begin))
                return False
            begins = max(begins, now + delay)
        if begins > now:
            later(begins - now, begin)
            return False
        begin()
        return True


class Lines:
    """The lines of one engine, by endpoint and direction. Any thread."""

    def __init__(self, schedule: Schedule, measure: Callable[[], None] = lambda: None) -> None:
        """schedule, measure: as of `Line`."""
        self._schedule = schedule
        self._measure = measure
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._latencies: dict[str, float] = {}
        self._known: dict[str, Remembered] | None = None
        self._ceiling: int | None = None
        self._by_memory = False

    def set_memory(self, memory: int | None) -> None:
        """Bytes that the process may take (`--memory`), for lines that are not in use yet; None: chosen."""
        with self._lock:
            self._ceiling, self._by_memory = most_slots(memory), slots_by_memory(memory)

    def line(self, endpoint: str, direction: Direction) -> Line:
        """The line to 'scheme://host:port', made at first use, with what is remembered of it."""
        name = f"{direction} {endpoint}"
        with self._lock:
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = self._make(name, endpoint, lumpy=direction == "copy")
            return line

    def fixed(self, slots: int) -> Line:
        """A line of its own for a transfer whose user has fixed the slots."""
        return Line(Controller(max(1, slots), fixed=max(1, slots)), self._schedule, measure=self._measure)

    def found_latency(self, endpoint: str, seconds: float) -> None:
        """A small request to `endpoint` was answered after `seconds`."""
        with self._lock:
            self._latencies[endpoint] = min(seconds, self._latencies.get(endpoint, seconds))
            found = [self._lines.get(f"{direction} {endpoint}") for direction in ("up", "down", "copy")]
        for line in found:
            if line is not None:
                line.found_latency(seconds)

    def remember(self) -> None:
        """Writes down what the lines were found to be. A state folder that can't be written is no reason to fail."""
        with self._lock:
            lines = dict(self._lines)
        now = time.time()
        states = {name: line.state() for name, line in lines.items()}
        found = {name: Remembered(state, now) for name, state in states.items() if state is not None}
        if found:
            with contextlib.suppress(OSError):
                write_text(_path(), format_lines({**parse(read_text(_path()), now), **found}))

    def _make(self, name: str, endpoint: str, *, lumpy: bool) -> Line:
        if self._known is None:
            self._known = parse(read_text(_path()), time.time())
        if self._ceiling is None:
            self._ceiling, self._by_memory = most_slots(), slots_by_memory()
        known = self._known[name].state if name in self._known else None
        ceiling = self._ceiling
        if endpoint.partition(":")[0] in ("ftp", "ftps", "sftp", "scp"):
            ceiling = min(ceiling, MOST_FTP_SLOTS)
            known = known or LineState(FIRST_FTP_SLOTS)
        controller = Controller(ceiling, known=known, lumpy=lumpy)
        if endpoint in self._latencies:
            controller.found_latency(self._latencies[endpoint])
        by_memory = self._by_memory and ceiling == self._ceiling
        return Line(controller, self._schedule, by_memory=by_memory, measure=self._measure)


def _path() -> str:
    return os.path.join(state_dir(), "lines.json")
