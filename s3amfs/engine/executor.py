"""Executes the instructions of one part machine: parts of one transfer over the engine's loops.

The machine lives in the transfer's home loop; operations may run in other loops and report back. The thread that owns
the transfer calls `add`, `wait` and `stop`; events for the user are handed out in that thread, never in a loop, so a
slow callback can't hold the network up.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from ..core import machine as m
from ..core.events import BytesMoved, Event, PartFinished, PartRetried
from ..core.failures import Failure, Kind
from ..core.pacing import Pacer
from ..core.parts import Part
from ..core.retry import RetryPolicy
from ..wire.failures import to_error
from .attempt import Move, Operation, Outcome, PartProblem, PartResult
from .limits import SlotGate
from .loop import Engine, Loop

TICK_SECONDS = 0.1


class Credentials(Protocol):
    """What signs the parts (wire.session.S3Session): asked before each part, renewed outside the loops."""

    def credentials_fresh(self) -> bool: ...

    def refresh_credentials(self, force: bool = False) -> None: ...


OnEvent = Callable[[Event], None]


class Transfer:
    """Parts that move until all are done, one fails for good, or somebody stops it.

    engine: whose loops to use. move: makes the work of a part. describe: what a final failure is about.
    credentials: of all sessions that sign parts; renewed in a thread of their own when they end.
    on_part: called in a loop's thread for each part that is done, before it counts as done; must be quick (a journal).
    gate: slots shared with other transfers. spread: use all loops (worth it where bytes cost much CPU).
    total: bytes of the whole, for progress; None if unknown. done_before: bytes that an earlier run has moved.
    """

    def __init__(
        self,
        engine: Engine,
        move: Move,
        *,
        describe: str,
        policy: RetryPolicy,
        pacer: Pacer,
        credentials: tuple[Credentials, ...] = (),
        on_part: Callable[[PartResult], None] = lambda result: None,
        on_failure: Callable[[Failure], None] = lambda failure: None,
        on_event: OnEvent = lambda event: None,
        gate: SlotGate | None = None,
        spread: bool = False,
        total: int | None = None,
        done_before: int = 0,
        rate_per_slot: int = 0,
    ) -> None:
        self._move = move
        self._describe = describe
        self._machine = m.Machine(policy, pacer, random.random)
        self._credentials = credentials
        self._expired = False
        self._renewing: list[Callable[[], None]] | None = None
        self._on_part = on_part
        self._on_failure = on_failure
        self._on_event = on_event
        self._gate = gate
        self._total = total
        self._rate_per_slot = rate_per_slot
        self._parts: dict[int, Part] = {}
        self._operations: dict[int, Operation] = {}
        self._attempts: dict[int, int] = {}
        self._holds: set[int] = set()
        self._moved_done = done_before
        self._moved_told = done_before
        self._events: deque[Event] = deque()
        self._over = threading.Event()
        self._on_over: Callable[[], None] = lambda: None
        self._failure: Failure | None = None
        self._crash: BaseException | None = None
        # Here, where an error (too few descriptors) reaches the caller.
        self._loops = engine.loops() if spread else [engine.loop(0)]
        self._home: Loop = self._loops[0]
        self.parts_moved = 0
        self.bytes_sent = 0

    # -- the owner's thread -----------------------------------------------------------------------------------------

    def add(self, parts: Iterable[Part], *, last: bool) -> None:
        """Gives more parts to move (an iterable may be lazy); `last` when these are all."""
        self._home.submit(lambda: self._handle(m.PartsAdded(self._remember(parts), last)))

    def on_over(self, function: Callable[[], None]) -> None:
        """Has `function` called in a loop's thread when the transfer ends; set it before parts are added."""
        self._on_over = function

    @property
    def over(self) -> bool:
        return self._over.is_set()

    @property
    def failure(self) -> Failure | None:
        """What ended the transfer, once it is over; None if it succeeded."""
        return self._failure

    @property
    def retries(self) -> int:
        return self._machine.retries

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end and hands out events meanwhile; False when `timeout` seconds were not enough.

        Raises the error of the transfer if it failed. An interruption (Ctrl-C) stops the transfer and is raised.
        """
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                left = TICK_SECONDS if end is None else min(TICK_SECONDS, end - time.monotonic())
                over = self._over.wait(max(0.0, left))
                self.deliver_events()
                if over:
                    break
                if end is not None and time.monotonic() >= end:
                    return False
        except BaseException:
            self.stop()
            raise
        if self._crash is not None:
            raise self._crash
        if self._failure is not None:
            raise to_error(self._failure, self._describe)
        return True

    def deliver_events(self) -> None:
        """Calls `on_event` with the events that have come together since the last call."""
        while self._events:
            self._on_event(self._events.popleft())
        moved = self._moved_done + sum(operation.moved for operation in list(self._operations.values()))
        if moved > self._moved_told:
            self._moved_told = moved
            self._on_event(BytesMoved(moved, self._total))

    def stop(self, failure: Failure | None = None) -> None:
        """Ends the transfer now; every request is cut. Returns when nothing of it moves any more."""
        self._home.submit(lambda: self._handle(m.Stop(failure or Failure(Kind.FATAL, "stopped"))))
        if not self._home.inside:
            self._over.wait()

    # -- the home loop ----------------------------------------------------------------------------------------------

    def _remember(self, parts: Iterable[Part]) -> Iterable[int]:
        for part in parts:
            self._parts[part.number] = part
            yield part.number

    def _handle(self, event: m.Event) -> None:
        try:
            for instruction in self._machine.handle(event, time.monotonic()):
                self._execute(instruction)
        except BaseException as error:  # noqa: BLE001 - a bug or a full disk: raised in the owner's thread by wait()
            self._crashed(error)

    def _crashed(self, error: BaseException) -> None:
        if self._over.is_set():
            raise error
        self._crash = self._crash or error
        try:
            for instruction in self._machine.handle(m.Stop(Failure(Kind.LOCAL, str(error))), time.monotonic()):
                self._execute(instruction)
        except BaseException:
            self._over.set()  # whoever waits must not wait for ever
            self._on_over()
            raise

    def _execute(self, instruction: m.Instruction) -> None:
        if isinstance(instruction, m.Start):
            self._start(instruction)
        elif isinstance(instruction, m.CancelPart):
            self._cancel(instruction.number)
        elif isinstance(instruction, m.Wake):
            self._home.multi.call_later(instruction.delay, lambda: self._handle(m.Woken()))
        elif isinstance(instruction, m.Retrying):
            self._expired = self._expired or instruction.failure.kind is Kind.EXPIRED
            self._on_failure(instruction.failure)
            self._events.append(
                PartRetried(instruction.number, instruction.attempt, instruction.delay, instruction.failure.message)
            )
        else:
            if isinstance(instruction, m.Failed):
                self._failure = instruction.failure
            self._settle(self._loops[1:])

    def _settle(self, busy: list[Loop]) -> None:
        """Over only when the cancellations queued in the other loops have run: then no buffer or file is in use."""
        if not busy:
            self._over.set()
            self._on_over()
        else:
            other = busy.pop()
            other.submit(lambda: self._home.submit(lambda: self._settle(busy)))

    def _loop_of(self, number: int) -> Loop:
        """Parts take turns on the loops of the transfer."""
        return self._loops[number % len(self._loops)]

    def _start(self, start: m.Start) -> None:
        self._attempts[start.number] = start.attempt
        if self._gate is None:
            self._dispatch(start.number, start.attempt)
        else:
            self._gate.enter(lambda: self._home.submit(partial(self._granted, start.number, start.attempt)))

    def _granted(self, number: int, attempt: int) -> None:
        assert self._gate is not None
        if self._attempts.get(number) != attempt:
            self._gate.leave()
            return
        self._holds.add(number)
        self._dispatch(number, attempt)

    def _dispatch(self, number: int, attempt: int) -> None:
        begin = partial(self._begin, number, attempt)
        loop = self._loop_of(number)
        if self._renewing is not None:
            self._renewing.append(lambda: loop.submit(begin))
        elif self._expired or not all(source.credentials_fresh() for source in self._credentials):
            self._renewing = [lambda: loop.submit(begin)]
            threading.Thread(target=self._renew, args=(self._expired,), name="s3am-credentials", daemon=True).start()
        else:
            loop.submit(begin)

    def _renew(self, force: bool) -> None:
        """In a thread of its own: files, processes and metadata services may take their time."""
        try:
            for source in self._credentials:
                source.refresh_credentials(force)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._home.submit(partial(self._crashed, error))
            return
        self._home.submit(self._renewed)

    def _renewed(self) -> None:
        waiting, self._renewing, self._expired = self._renewing or [], None, False
        for begin in waiting:
            begin()

    def _cancel(self, number: int) -> None:
        attempt = self._attempts.pop(number, None)
        self._loop_of(number).submit(partial(self._cut, number, attempt))
        self._release(number)

    def _release(self, number: int) -> None:
        if self._gate is not None and number in self._holds:
            self._holds.discard(number)
            self._gate.leave()

    def _ended(self, number: int, attempt: int, moved: int, outcome: Outcome) -> None:
        self.bytes_sent += moved
        if self._attempts.get(number) != attempt:
            return
        del self._attempts[number]
        self._release(number)
        if isinstance(outcome, BaseException):
            self._crashed(outcome)
            return
        if isinstance(outcome, Failure):
            self._handle(m.PartFailed(number, outcome))
            return
        try:
            self._on_part(outcome)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._crashed(error)
            return
        self._parts.pop(number, None)
        self._moved_done += outcome.length
        self.parts_moved += 1
        self._events.append(PartFinished(number, outcome.length, attempt))
        self._machine.pacer.moved(outcome.length, time.monotonic())
        self._handle(m.PartSucceeded(number, outcome.length))

    # -- the loop of the part ---------------------------------------------------------------------------------------

    def _begin(self, number: int, attempt: int) -> None:
        if self._attempts.get(number) != attempt:
            return
        part = self._parts[number]

        def done(outcome: Outcome) -> None:
            self._operations.pop(number, None)
            self._home.submit(partial(self._ended, number, attempt, operation.moved, outcome))

        operation = Operation(self._loop_of(number), part, done, limit_rate=self._rate_per_slot)
        self._operations[number] = operation
        try:
            operation.start(self._move(part, attempt))
        except PartProblem as problem:
            done(problem.failure)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._operations.pop(number, None)
            self._home.submit(partial(self._crashed, error))

    def _cut(self, number: int, attempt: int | None) -> None:
        """Runs after the `_begin` that was queued before it: loops keep their order."""
        operation = self._operations.pop(number, None)
        if operation is not None:
            operation.cancel()
