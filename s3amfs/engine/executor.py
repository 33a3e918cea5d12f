"""Executes the instructions of one part machine: parts of one transfer over the engine's loops.

How it works. The machine lives in the transfer's home loop; operations may run in other loops and report back. A part
starts when all gates have a slot for it (the caller's own, then those of the lines it moves over, always in this
order), the lines' request budget has room, and credentials are fresh. The thread that owns the transfer calls `add`,
`wait` and `stop`; events for the user are handed out in that thread, never in a loop, so a slow callback can't hold
the network up. It is over only when every request that was cut has ended in its loop: no late request can
overtake the next step (Complete, closing a file).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from ..core import machine as m
from ..core.events import BytesMoved, Event, PartFinished, PartRetried
from ..core.failures import Failure, Kind
from ..core.lag import LEAST_DONE, LagWatch, Running
from ..core.parts import Part
from ..errors import TransferError
from ..wire.failures import to_error
from . import waiting
from .attempt import Move, Operation, Outcome, PartProblem
from .interruptible import wait_for
from .limits import SlotGate
from .line import Share
from .loop import ENDED, Engine, Loop
from .parts_in_flight import PartsInFlight
from .renewal import Renewal
from .settings import Callbacks, Settings

TICK_SECONDS = 0.1
LAG_SECONDS = 0.5
"""Between two looks for parts that lag."""


class Transfer:
    """Parts that move until all are done, one fails finally, or it is stopped.

    engine: whose loops to use. move: makes the work of a part. share: its slots on the lines it moves over.
    """

    def __init__(
        self, engine: Engine, move: Move, share: Share, settings: Settings, callbacks: Callbacks | None = None
    ) -> None:
        self.share = share
        self._move = move
        self._settings = settings
        self._calls = callbacks or Callbacks()
        self._machine = m.Machine(settings.policy, share, random.random)
        self._lag: LagWatch | None = LagWatch() if settings.asks_again else None
        own = (settings.gate,) if settings.gate is not None else ()
        self._gates: tuple[SlotGate, ...] = (*own, *(line.gate for line in share.lines))
        self._parts: dict[int, Part] = {}
        self._attempts: dict[int, int] = {}
        self._holds: dict[int, int] = {}
        """Part number -> how many of the gates it has passed."""
        self._began: dict[int, float] = {}
        self._moved_here = 0
        self._moved_reported = settings.done_before
        self._events: deque[Event] = deque()
        self._over = threading.Event()
        self._on_over: Callable[[], None] = lambda: None
        self._failure: Failure | None = None
        self._crash: BaseException | None = None
        # Here, where an error (too few descriptors) reaches the caller.
        self._loops = engine.loops() if settings.spread else [engine.loop(0)]
        self._home: Loop = self._loops[0]
        self._renewal = Renewal(settings.credentials, self._home, self._crashed)
        self._lines = engine.lines
        self.flight = PartsInFlight(engine.sampler, share.lines, self._parts, self.progress)
        self._operations = self.flight.operations
        self._joined = False
        self._wait = waiting.Wait()
        self._trouble: str | None = None
        """The last failure since bytes moved."""
        self.parts_moved = 0
        self.parts_asked_again = 0
        self.bytes_sent = 0
        self._ended_requests = 0

    # -- the owner's thread -----------------------------------------------------------------------------------------

    def add(self, parts: Iterable[Part], *, last: bool) -> None:
        """Gives more parts to move (maybe lazily); `last` when these are all."""
        self._home.submit(lambda: self._add(parts, last=last))

    def on_over(self, function: Callable[[], None]) -> None:
        """Has `function` called in a loop's thread when the transfer ends; set it before parts are added."""
        self._on_over = function

    @property
    def over(self) -> bool:
        return self._over.is_set()

    @property
    def failure(self) -> Failure | None:
        """The failure that ended the transfer, once it is over; None if it succeeded."""
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
                over = wait_for(self._over, max(0.0, left))
                if not over and self._orphaned:
                    raise TransferError(ENDED)
                self.deliver_events()
                if over:
                    break
                if end is not None and time.monotonic() >= end:
                    return False
        except BaseException:
            self.stop()
            raise
        self._lines.remember()
        if self._crash is not None:
            raise self._crash
        if self._failure is not None:
            raise to_error(self._failure, self._settings.describe)
        return True

    def deliver_events(self) -> None:
        """Calls `on_event` with the events that have come together since the last call."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, PartFinished):
                self._trouble = None
                self._wait.progressed()
            self._calls.on_event(event)
        moved = self._settings.done_before + self.progress()[0]
        if moved > self._moved_reported:
            self._moved_reported = moved
            self._wait.progressed()
            self._calls.on_event(BytesMoved(moved, self._settings.total))
            if (limit := self.flight.limit_due()) is not None:
                self._calls.on_event(limit)
        self._wait.look(self._awaited)

    def _awaited(self) -> str | None:
        """The cause of a long wait; None while there is nothing to move."""
        if not self._parts or self.over:
            return None
        limit = f"; trying again for up to {self._settings.policy.budget:.0f} s" if self._trouble else ""
        return f"{self._settings.describe}: {self._trouble or 'no byte has moved for a while'}{limit}"

    def stop(self, failure: Failure | None = None) -> None:
        """Ends the transfer now; every request is cut. Returns when nothing of it moves any more."""
        if self._orphaned:
            return
        self._home.submit(lambda: self._handle(m.Stop(failure or Failure(Kind.FATAL, "stopped"))))
        while not self._home.inside and not self._over.wait(TICK_SECONDS) and not self._orphaned:
            pass

    def stop_soon(self, then: Callable[[], None]) -> None:
        """Ends the transfer without waiting for it; for finalizers, which run in any thread, also a loop's.

        then: called when nothing of it moves any more, in a loop's thread, or here if that is so already.
        """
        if self.over:
            then()
        elif not self._orphaned:
            self._on_over = then
            self._home.submit(lambda: self._handle(m.Stop(Failure(Kind.FATAL, "stopped"))))

    @property
    def _orphaned(self) -> bool:
        """Whether nothing will ever end it: its loops are no more, or another process's."""
        return any(loop.ended for loop in self._loops)

    def progress(self) -> tuple[int, int]:
        """(bytes that this run has moved of parts that are good so far, requests that ended). Any thread."""
        in_flight = sum(operation.moved for operation in list(self._operations.values()))
        return self._moved_here + in_flight, self._ended_requests

    def refill(self) -> None:
        """The lines have more slots. Any thread."""
        if not self._orphaned:
            self._home.submit(lambda: self._handle(m.Woken()))

    # -- the home loop ----------------------------------------------------------------------------------------------

    def _add(self, parts: Iterable[Part], *, last: bool) -> None:
        if not self._joined:
            self._joined = True
            for line in self.share.lines:
                line.join(self)
            self.flight.join()
        self._handle(m.PartsAdded(self._remember(parts), last))

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
            self._end()  # whoever waits must not wait for ever
            raise

    def _execute(self, instruction: m.Instruction) -> None:
        if isinstance(instruction, m.Start):
            self._start(instruction)
        elif isinstance(instruction, m.CancelPart):
            self._cancel(instruction.number)
        elif isinstance(instruction, m.Wake):
            self._home.multi.call_later(instruction.delay, lambda: self._handle(m.Woken()))
        elif isinstance(instruction, m.Retrying):
            if instruction.failure.kind is Kind.EXPIRED:
                self._renewal.expired()
            self._trouble = instruction.failure.message
            self.flight.back_off(instruction.number, instruction.attempt, instruction.delay, instruction.failure)
            self._events.append(
                PartRetried(instruction.number, instruction.attempt, instruction.delay, instruction.failure.message)
            )
        else:
            if isinstance(instruction, m.Failed):
                self._failure = instruction.failure
            self._settle(list(self._loops))

    def _end(self) -> None:
        for line in self.share.lines:
            line.leave(self)
        self.flight.leave()
        self._over.set()
        self._on_over()

    def _settle(self, busy: list[Loop]) -> None:
        """Over only when the cancellations queued in all loops have run: then no request, buffer or file is in use."""
        if not busy:
            self._end()
        else:
            other = busy.pop()
            other.submit(lambda: self._home.submit(lambda: self._settle(busy)))

    def _loop_of(self, number: int) -> Loop:
        """Parts take turns on the loops of the transfer."""
        return self._loops[number % len(self._loops)]

    def _start(self, start: m.Start) -> None:
        self._attempts[start.number] = start.attempt
        self.flight.queue(start.number)
        self._pass_gates(start.number, start.attempt, 0)

    def _pass_gates(self, number: int, attempt: int, passed: int) -> None:
        """One gate after the other; `passed` of them have given this part a slot."""
        if self._attempts.get(number) != attempt:
            for gate in self._gates[:passed]:
                gate.leave()
        elif passed == len(self._gates):
            self._holds[number] = passed
            delay = self.share.reserve(time.monotonic())
            if delay > 0:
                self.flight.hold_up(number)
                self._home.multi.call_later(delay, partial(self._dispatch, number, attempt))
            else:
                self._dispatch(number, attempt)
        else:
            self._gates[passed].enter(partial(self._let_in, number, attempt, passed))

    def _let_in(self, number: int, attempt: int, passed: int) -> None:
        """By a gate, in any thread."""
        try:
            self._home.submit(partial(self._pass_gates, number, attempt, passed + 1))
        except TransferError:  # the loop has ended, and `wait` says so; the slots are for others
            for gate in self._gates[: passed + 1]:
                gate.leave()

    def _dispatch(self, number: int, attempt: int) -> None:
        if self._attempts.get(number) != attempt:
            return
        begin = partial(self._begin, number, attempt)
        loop = self._loop_of(number)
        self._renewal.when_fresh(lambda: loop.submit(begin))

    def _cancel(self, number: int) -> None:
        attempt = self._attempts.pop(number, None)
        self.flight.forget(number)
        self._loop_of(number).submit(partial(self._cut, number, attempt))
        self._release(number)

    def _release(self, number: int) -> None:
        for gate in self._gates[: self._holds.pop(number, 0)]:
            gate.leave()

    def _ended(self, number: int, attempt: int, moved: int, outcome: Outcome) -> None:
        self.bytes_sent += moved
        self._ended_requests += 1
        if self._attempts.get(number) != attempt:
            return
        del self._attempts[number]
        began = self._began.pop(number, 0.0)
        self._release(number)
        if isinstance(outcome, BaseException):
            self._crashed(outcome)
            return
        if isinstance(outcome, Failure):
            self._failed(number, outcome)
            return
        try:
            self._calls.on_part(outcome)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._crashed(error)
            return
        self._parts.pop(number, None)
        self._moved_here += outcome.length
        self.parts_moved += 1
        self._events.append(PartFinished(number, outcome.length, attempt))
        now = time.monotonic()
        if self._lag is not None:
            self._lag.done(number, outcome.length, now - began)
            if self.parts_moved == LEAST_DONE:
                self._home.multi.call_later(LAG_SECONDS, self._look_for_lag)
        self._handle(m.PartSucceeded(number, outcome.length))

    def _failed(self, number: int, failure: Failure) -> None:
        try:
            failure = self._calls.judge(number, failure)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._crashed(error)
            return
        self._handle(m.PartFailed(number, failure))

    def _look_for_lag(self) -> None:
        if self._machine.over:
            return
        assert self._lag is not None
        now = time.monotonic()
        running = [
            Running(number, self._parts[number].length, operation.moved, now - self._began[number])
            for number, operation in list(self._operations.items())
            if number in self._began and number in self._parts
        ]
        for number in self._lag.lagging(running):
            self.parts_asked_again += 1
            self.flight.hedge(number)
            self._handle(m.PartLags(number))
        self._home.multi.call_later(LAG_SECONDS, self._look_for_lag)

    # -- the loop of the part ---------------------------------------------------------------------------------------

    def _begin(self, number: int, attempt: int) -> None:
        if self._attempts.get(number) != attempt:
            return
        part = self._parts[number]

        def done(outcome: Outcome) -> None:
            self._operations.pop(number, None)
            self._home.submit(partial(self._ended, number, attempt, operation.moved, outcome))

        operation = Operation(self._loop_of(number), part, done, limiter=self._settings.limiter)
        self.flight.begin(part, attempt)
        began = self._began[number] = time.monotonic()
        self._operations[number] = operation
        try:
            operation.start(self.flight.sign(number, began, self._move(part, attempt)))
        except PartProblem as problem:
            done(problem.failure)
        except BaseException as error:  # noqa: BLE001 - see _handle
            self._operations.pop(number, None)
            self._home.submit(partial(self._crashed, error))

    def _cut(self, number: int, attempt: int | None) -> None:
        """Runs after the `_begin` that was queued before it: loops keep their order."""
        operation = self._operations.pop(number, None)
        if operation is not None:
            moved = operation.moved
            operation.cancel()
            self._home.submit(partial(self._lost, moved))

    def _lost(self, moved: int) -> None:
        self.bytes_sent += moved
