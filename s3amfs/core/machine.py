"""The state machine of one transfer's parts: events in, instructions out.

How it works. Each part is in one `State`; `TRANSITIONS` says what each `Change` makes of it, and everything that is
not in the table is our bug: `IllegalTransition` names it. docs/architecture.md has the picture that `diagram()` draws.

- `handle` takes an event of the outside, changes the states of parts, and answers with instructions.
- Parts that are not started yet are kept as the iterators they came in, so that 10,000 of them cost nothing.
- How many parts are active is up to `Pace`; when a failed part is tried again, to `core/retry.py`.
- A part that lags far behind its like (`core/lag.py` decides) is cut and asked for again on another connection.
- `Finished` and `Failed` end it; every active part has been cancelled by then, and later events change nothing.

No clock, socket or thread in here: `now` (monotonic seconds) and `random` are arguments, so that tests replay hours of
faults in microseconds. `engine/executor.py` executes the instructions in the order given.
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

from .define import define
from .failures import Failure, Kind
from .retry import GiveUp, RetryPolicy, RetryState

# -- the table --------------------------------------------------------------------------------------------------------


class State(enum.Enum):
    """Where a part is."""

    PENDING = "pending"
    ACTIVE = "active"
    """A request for it is in flight, or about to be."""
    WAITING = "waiting"
    """It failed, and backs off."""
    DONE = "done"
    CANCELLED = "cancelled"


class Change(enum.Enum):
    """One instruction about a part."""

    START = "start"
    SUCCEED = "succeed"
    FAIL = "fail, to be tried again"
    LAG = "lag, asked for again"
    DUE = "end of the back-off"
    STOP = "stop"


TRANSITIONS: Final[dict[tuple[State, Change], State]] = {
    (State.PENDING, Change.START): State.ACTIVE,
    (State.ACTIVE, Change.SUCCEED): State.DONE,
    (State.ACTIVE, Change.FAIL): State.WAITING,
    (State.ACTIVE, Change.LAG): State.ACTIVE,
    (State.WAITING, Change.DUE): State.PENDING,
    (State.ACTIVE, Change.STOP): State.CANCELLED,
    (State.WAITING, Change.STOP): State.CANCELLED,
}


class IllegalTransition(AssertionError):
    """A part was to change in a way that the table does not have: a bug of ours, never of a server or a user."""

    def __init__(self, number: int, state: State, change: Change) -> None:
        super().__init__(f"part {number} is {state.value} and can't {change.value}")


# -- events: what happened --------------------------------------------------------------------------------------------


@define(frozen=True, slots=True)
class PartsAdded:
    """Parts to move have become known; `last` when no more will come."""

    numbers: Iterable[int]
    last: bool


@define(frozen=True, slots=True)
class PartSucceeded:
    """An attempt has moved its part."""

    number: int
    length: int


@define(frozen=True, slots=True)
class PartFailed:
    """An attempt has failed."""

    number: int
    failure: Failure
    progress: bool = False
    """The attempt has brought bytes that the next one need not."""


@define(frozen=True, slots=True)
class PartLags:
    """A part takes far longer than its like: it is cut and asked for again. Nothing of it may be stored by then."""

    number: int


@define(frozen=True, slots=True)
class Woken:
    """The time of a `Wake` has come, or the pace has changed."""


@define(frozen=True, slots=True)
class Stop:
    """Somebody wants the transfer to end now (Ctrl-C, a failed sibling, close)."""

    failure: Failure


Event = PartsAdded | PartSucceeded | PartFailed | PartLags | Woken | Stop

# -- instructions: what to do -----------------------------------------------------------------------------------------


@define(frozen=True, slots=True)
class Start:
    """Begin an attempt."""

    number: int
    attempt: int
    """1 for the first."""


@define(frozen=True, slots=True)
class CancelPart:
    """End the attempts of a part."""

    number: int


@define(frozen=True, slots=True)
class Wake:
    """Send `Woken` in `delay` seconds."""

    delay: float


@define(frozen=True, slots=True)
class Retrying:
    """For the user's eyes: a part failed and will be tried again."""

    number: int
    attempt: int
    delay: float
    failure: Failure


@define(frozen=True, slots=True)
class Finished:
    """All parts are done."""


@define(frozen=True, slots=True)
class Failed:
    """The transfer is over; every active part has been cancelled."""

    failure: Failure


Instruction = Start | CancelPart | Wake | Retrying | Finished | Failed


class Pace(Protocol):
    """How many parts of the transfer may be active; see `core/pacing.py`."""

    @property
    def slots(self) -> int: ...

    def failed(self, failure: Failure, now: float) -> None:
        """A part failed in a way that is tried again."""


class Machine:
    """Parts of one transfer.

    policy: when to give up. pace: how many parts at a time. random: returns a float in [0, 1).
    """

    def __init__(self, policy: RetryPolicy, pace: Pace, random: Callable[[], float]) -> None:
        self.policy = policy
        self.pace = pace
        self._random = random
        self._sources: deque[Iterator[int]] = deque()
        self._states: dict[int, State] = {}
        """Of all parts but those that are still in `_sources`, which are pending."""
        self._again: deque[int] = deque()
        """Pending parts that were started before."""
        self._waiting: list[tuple[float, int]] = []
        self._active = 0
        self._attempts: dict[int, int] = {}
        self._trouble: dict[int, RetryState] = {}
        self._last_progress = float("-inf")
        self._all_known = False
        self._over = False
        self.retries = 0

    @property
    def over(self) -> bool:
        return self._over

    @property
    def starving(self) -> bool:
        """Whether no part waits for a slot: only active parts are left for now."""
        return not self._sources and not self._again

    def waiting(self, most: int) -> int | None:
        """How many parts wait for a slot, up to the end; None for more than `most`, or while parts are still added.

        Looks ahead without a change of what begins next.
        """
        known = len(self._again)
        if not self._all_known or known > most:
            return None
        ahead = list(islice(iter(self._next_new, None), most + 1 - known))
        if ahead:
            self._sources.appendleft(iter(ahead))
        return known + len(ahead) if known + len(ahead) <= most else None

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Takes one event and returns what to do, in order.

        Raises IllegalTransition for an event that a part can't have in its state.
        """
        if isinstance(event, PartSucceeded):
            self._move(event.number, Change.SUCCEED)
            self._forget(event.number)
            self._last_progress = now
        elif isinstance(event, PartFailed):
            return self._failed(event, now) + self._fill(now)
        elif isinstance(event, PartLags):
            return self._lags(event.number)
        elif self._over:
            return []
        elif isinstance(event, PartsAdded):
            self._sources.append(iter(event.numbers))
            self._all_known = self._all_known or event.last
        elif isinstance(event, Stop):
            return self._end(event.failure)
        elif self._waiting and self._waiting[0][0] > now:
            return [*self._fill(now), Wake(self._waiting[0][0] - now)]
        return self._fill(now)

    def _move(self, number: int, change: Change) -> None:
        before = self._states.get(number, State.PENDING)
        after = TRANSITIONS.get((before, change))
        if after is None:
            raise IllegalTransition(number, before, change)
        self._active += (after is State.ACTIVE) - (before is State.ACTIVE)
        self._states[number] = after

    def _forget(self, number: int) -> None:
        self._trouble.pop(number, None)
        self._attempts.pop(number, None)

    def _failed(self, event: PartFailed, now: float) -> list[Instruction]:
        number, failure = event.number, event.failure
        self._move(number, Change.FAIL)
        if event.progress:  # as good as a part that is done: the next failure is a first one
            self._trouble.pop(number, None)
            self._last_progress = now
        state = self._trouble.get(number, RetryState())
        if failure.kind in (Kind.NETWORK, Kind.TIMEOUT) and state.failures:
            # Other parts that move prove the network alive: the budget counts from the last progress of any of them.
            state = replace(state, first_failed_at=max(state.first_failed_at, self._last_progress))
        state, decision = state.failed(self.policy, failure, now=now, random=self._random())
        self._trouble[number] = state
        if isinstance(decision, GiveUp):
            return self._end(failure)
        self.pace.failed(failure, now)
        self.retries += 1
        heapq.heappush(self._waiting, (now + decision.delay, number))
        return [Retrying(number, self._attempts[number], decision.delay, failure), Wake(decision.delay)]

    def _lags(self, number: int) -> list[Instruction]:
        self._move(number, Change.LAG)
        return [CancelPart(number), self._begin(number)]

    def _begin(self, number: int) -> Start:
        attempt = self._attempts[number] = self._attempts.get(number, 0) + 1
        return Start(number, attempt)

    def _fill(self, now: float) -> list[Instruction]:
        if self._over:
            return []
        instructions: list[Instruction] = []
        while self._waiting and self._waiting[0][0] <= now:
            number = heapq.heappop(self._waiting)[1]
            self._move(number, Change.DUE)
            self._again.append(number)
        while self._active < self.pace.slots:
            pending = self._next()
            if pending is None:
                break
            self._move(pending, Change.START)
            instructions.append(self._begin(pending))
        if self._all_known and not self._active and not self._waiting and not self._sources:
            self._over = True
            instructions.append(Finished())
        return instructions

    def _next(self) -> int | None:
        return self._again.popleft() if self._again else self._next_new()

    def _next_new(self) -> int | None:
        while self._sources:
            number = next(self._sources[0], None)
            if number is not None:
                return number
            self._sources.popleft()
        return None

    def _end(self, failure: Failure) -> list[Instruction]:
        self._over = True
        cancelled: list[Instruction] = []
        for number in sorted(self._states):
            state = self._states[number]
            if state is State.ACTIVE:
                cancelled.append(CancelPart(number))
            if state in (State.ACTIVE, State.WAITING):
                self._move(number, Change.STOP)
        self._waiting.clear()
        return [*cancelled, Failed(failure)]
