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
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from ..core import machine as m
from ..core.events import PartFinished
from ..core.failures import Failure, Kind
from ..core.lag import Running
from ..core.parts import Part
from ..errors import TransferError
from ..wire.failures import to_error
from .admission import Admission
from .attempt import Move, Outcome
from .delivery import Delivery
from .interruptible import wait_for
from .line import Share
from .loop import ENDED, Engine, Loop
from .part_runs import PartRuns
from .parts_in_flight import PartsInFlight
from .renewal import Renewal
from .settings import Callbacks, Settings
from .stragglers import Stragglers

TICK_SECONDS = 0.1
Found = TypeVar("Found")


class Transfer:
    """Parts that move until all are done, one fails finally, or it is stopped.

    engine: whose loops to use. move: makes the work of a part. share: its slots on the lines it moves over.
    """

    def __init__(
        self, engine: Engine, move: Move, share: Share, settings: Settings, callbacks: Callbacks | None = None
    ) -> None:
        self.share = share
        self._settings = settings
        self._calls = callbacks or Callbacks()
        self._machine = m.Machine(settings.policy, share, random.random)
        self.waiting = partial(self._guarded, self._machine.waiting)
        self._parts: dict[int, Part] = {}
        self._attempts: dict[int, int] = {}
        self._moved_here = 0
        self._over = threading.Event()
        self._on_over: Callable[[], None] = lambda: None
        self._failure: Failure | None = None
        self._crash: BaseException | None = None
        self._loops = engine.loops() if settings.spread else [engine.loop(0)]  # too few descriptors: raised here
        self._home: Loop = self._loops[0]
        self.flight = PartsInFlight(engine.sampler, share.lines, self._parts, self.progress)
        self._delivery = Delivery(settings, self._calls.on_event, self.flight.limit_due)
        dispatch, ended = partial(self._guarded, self._dispatch), partial(self._guarded, self._ended)
        self._admission = Admission(
            self._home, settings.gate, share, self.flight, self._is_current, dispatch, self._crashed
        )
        self._runs = PartRuns(self._loops, move, settings.limiter, self.flight, ended, self._crashed)
        self._stragglers = Stragglers(self._home.multi.call_later, self._running, self._ask_again)
        self._renewal = Renewal(settings.credentials, self._home, self._crashed)
        self._lines = engine.lines
        self._joined = False
        self.parts_moved = 0

    # -- the owner's thread -----------------------------------------------------------------------------------------

    def add(self, parts: Iterable[Part], *, last: bool) -> None:
        """Gives more parts to move (maybe lazily); `last` when these are all."""
        self._home.submit(partial(self._guarded, self._add, parts, last))

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

    @property
    def bytes_sent(self) -> int:
        """Bytes that all attempts have moved, those that were lost included."""
        return self._runs.bytes_moved

    @property
    def parts_asked_again(self) -> int:
        """How often a part that lagged was asked for again."""
        return self._stragglers.asked_again

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
        self._delivery.deliver(self.progress()[0], is_moving=bool(self._parts) and not self.over)

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
            self._home.submit(lambda: then() if self.over else self.on_over(then))  # in its loop nothing ends meanwhile
            self._home.submit(lambda: self._handle(m.Stop(Failure(Kind.FATAL, "stopped"))))

    @property
    def _orphaned(self) -> bool:
        """Whether nothing will ever end it: its loops are no more, or another process's."""
        return any(loop.ended for loop in self._loops)

    def progress(self) -> tuple[int, int]:
        """(bytes that this run has moved of parts that are good so far, requests that ended). Any thread."""
        return self._moved_here + self._runs.moved, self._runs.ended

    def refill(self) -> None:
        """The lines have more slots. Any thread."""
        if not self._orphaned:
            self._home.submit(lambda: self._handle(m.Woken()))

    # -- the home loop ----------------------------------------------------------------------------------------------

    def _add(self, parts: Iterable[Part], last: bool) -> None:
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

    def _guarded(self, function: Callable[..., Found | None], *given: object) -> Found | None:
        """Calls `function`; what it raises ends the transfer, which would otherwise wait for ever."""
        try:
            return function(*given)
        except BaseException as error:  # noqa: BLE001 - a bug or a full disk: raised in the owner's thread by wait()
            self._crashed(error)
            return None

    def _handle(self, event: m.Event) -> None:
        self._guarded(self._advance, event)

    def _advance(self, event: m.Event) -> None:
        for instruction in self._machine.handle(event, time.monotonic()):
            self._execute(instruction)

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
            self._attempts[instruction.number] = instruction.attempt
            self._admission.enter(instruction.number, instruction.attempt)
        elif isinstance(instruction, m.CancelPart):
            self._cancel(instruction.number)
        elif isinstance(instruction, m.Wake):
            self._home.multi.call_later(instruction.delay, lambda: self._handle(m.Woken()))
        elif isinstance(instruction, m.Retrying):
            if instruction.failure.kind is Kind.EXPIRED:
                self._renewal.expired()
            self.flight.back_off(instruction.number, instruction.attempt, instruction.delay, instruction.failure)
            self._delivery.retrying(instruction)
        else:
            if isinstance(instruction, m.Failed):
                self._failure = instruction.failure
            _when_idle(self._home, list(self._loops), self._end)

    def _end(self) -> None:
        for line in self.share.lines:
            line.leave(self)
        self.flight.leave()
        self._over.set()
        self._on_over()

    def _is_current(self, number: int, attempt: int) -> bool:
        return self._attempts.get(number) == attempt

    def _dispatch(self, number: int, attempt: int) -> None:
        if not self._is_current(number, attempt):
            return
        begin = partial(self._begin, number, attempt)
        loop = self._runs.loop_of(number)
        self._renewal.when_fresh(lambda: loop.submit(begin))

    def _cancel(self, number: int) -> None:
        self._attempts.pop(number, None)
        self.flight.forget(number)
        self._runs.loop_of(number).submit(partial(self._runs.cut, number))
        self._admission.leave(number)

    def _ended(self, number: int, attempt: int, outcome: Outcome, progress: bool) -> None:
        if not self._is_current(number, attempt):
            return
        del self._attempts[number]
        seconds, before = self._runs.spent(number, time.monotonic())
        self._admission.leave(number)
        if isinstance(outcome, BaseException):
            self._crashed(outcome)
            return
        if isinstance(outcome, Failure):
            self._handle(m.PartFailed(number, self._calls.judge(number, outcome), progress))
            return
        self._calls.on_part(outcome)
        self._parts.pop(number, None)
        self._moved_here += outcome.length
        self.parts_moved += 1
        self._delivery.note(PartFinished(number, outcome.length, attempt, round(seconds, 3)))
        if self._settings.asks_again:
            self._stragglers.done(number, outcome.length - before, seconds)
        self._handle(m.PartSucceeded(number, outcome.length))

    def _running(self) -> list[Running] | None:
        return None if self._machine.over else self._runs.running(self._parts, time.monotonic())

    def _ask_again(self, number: int) -> None:
        self.flight.hedge(number)
        self._handle(m.PartLags(number))

    def _begin(self, number: int, attempt: int) -> None:
        """In the loop of the part."""
        try:
            if self._is_current(number, attempt):
                self._runs.begin(self._parts[number], attempt)
        except BaseException as error:  # noqa: BLE001 - see _guarded
            self._home.submit(partial(self._crashed, error))


def _when_idle(home: Loop, busy: list[Loop], then: Callable[[], None]) -> None:
    """Calls `then` in the home loop when the cancellations queued in all loops have run.

    Only then is no request, buffer or file in use any more.
    """
    if not busy:
        then()
    else:
        other = busy.pop()
        other.submit(lambda: home.submit(lambda: _when_idle(home, busy, then)))
