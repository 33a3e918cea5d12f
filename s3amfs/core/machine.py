"""The state machine of one transfer's parts: events in, instructions out.

    pending --Start--> active --PartSucceeded--> done
       ^                  |
       |              PartFailed (retryable, budget left)
       +---- waiting <----+

No clock, socket or thread in here: `now` (monotonic seconds) and `random` are arguments, so that tests replay hours of
faults in microseconds. `engine/executor.py` executes the instructions in the order given.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .failures import Failure, Kind
from .pacing import Pacer
from .retry import GiveUp, RetryPolicy, RetryState

# -- events: what happened --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartsAdded:
    """Parts to move have become known; `last` when no more will come."""

    numbers: Iterable[int]
    last: bool


@dataclass(frozen=True, slots=True)
class PartSucceeded:
    number: int
    length: int


@dataclass(frozen=True, slots=True)
class PartFailed:
    number: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Woken:
    """The time of a `Wake` has come."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the transfer to end now (Ctrl-C, a failed sibling, close)."""

    failure: Failure


Event = PartsAdded | PartSucceeded | PartFailed | Woken | Stop

# -- instructions: what to do -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    number: int
    attempt: int
    """1 for the first."""


@dataclass(frozen=True, slots=True)
class CancelPart:
    number: int


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Woken` in `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Retrying:
    """For the user's eyes: a part failed and will be tried again."""

    number: int
    attempt: int
    delay: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Finished:
    """All parts are done."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The transfer is over; every active part has been cancelled."""

    failure: Failure


Instruction = Start | CancelPart | Wake | Retrying | Finished | Failed


class Machine:
    """Parts of one transfer.

    policy: when to give up. pacer: how many parts at a time. random: returns a float in [0, 1).
    """

    def __init__(self, policy: RetryPolicy, pacer: Pacer, random: Callable[[], float]) -> None:
        self.policy = policy
        self.pacer = pacer
        self._random = random
        self._sources: deque[Iterator[int]] = deque()
        self._again: deque[int] = deque()
        self._waiting: list[tuple[float, int]] = []
        self._active: set[int] = set()
        self._trouble: dict[int, RetryState] = {}
        self._last_progress = float("-inf")
        self._all_known = False
        self._over = False
        self.retries = 0

    @property
    def over(self) -> bool:
        return self._over

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Takes one event and returns what to do, in order. After `Finished` or `Failed` it is deaf."""
        if self._over:
            return []
        if isinstance(event, PartsAdded):
            self._sources.append(iter(event.numbers))
            self._all_known = self._all_known or event.last
        elif isinstance(event, PartSucceeded):
            self._active.remove(event.number)
            self._trouble.pop(event.number, None)
            self._last_progress = now
        elif isinstance(event, PartFailed):
            return self._failed(event, now) + self._fill(now)
        elif isinstance(event, Stop):
            return self._end(event.failure)
        elif isinstance(event, Woken) and self._waiting and self._waiting[0][0] > now:
            return [*self._fill(now), Wake(self._waiting[0][0] - now)]
        return self._fill(now)

    def _failed(self, event: PartFailed, now: float) -> list[Instruction]:
        number, failure = event.number, event.failure
        self._active.remove(number)
        state = self._trouble.get(number, RetryState())
        if failure.kind in (Kind.NETWORK, Kind.TIMEOUT) and state.failures:
            # Other parts that move prove the network alive: the budget counts from the last progress of any of them.
            state = replace(state, first_failed_at=max(state.first_failed_at, self._last_progress))
        state, decision = state.failed(self.policy, failure, now=now, random=self._random())
        self._trouble[number] = state
        if isinstance(decision, GiveUp):
            return self._end(failure)
        if failure.kind in (Kind.THROTTLE, Kind.NETWORK, Kind.TIMEOUT):
            self.pacer.throttled(now)
        self.retries += 1
        heapq.heappush(self._waiting, (now + decision.delay, number))
        return [Retrying(number, state.failures, decision.delay, failure), Wake(decision.delay)]

    def _fill(self, now: float) -> list[Instruction]:
        if self._over:
            return []
        instructions: list[Instruction] = []
        while self._waiting and self._waiting[0][0] <= now:
            self._again.append(heapq.heappop(self._waiting)[1])
        while len(self._active) < self.pacer.slots:
            number = self._next()
            if number is None:
                break
            self._active.add(number)
            instructions.append(Start(number, self._trouble.get(number, RetryState()).failures + 1))
        if self._all_known and not self._active and not self._waiting and not self._sources:
            self._over = True
            instructions.append(Finished())
        return instructions

    def _next(self) -> int | None:
        if self._again:
            return self._again.popleft()
        while self._sources:
            number = next(self._sources[0], None)
            if number is not None:
                return number
            self._sources.popleft()
        return None

    def _end(self, failure: Failure) -> list[Instruction]:
        self._over = True
        cancelled: list[Instruction] = [CancelPart(number) for number in sorted(self._active)]
        self._active.clear()
        return [*cancelled, Failed(failure)]
