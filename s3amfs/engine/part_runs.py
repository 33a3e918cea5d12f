"""The attempts of one transfer's parts that are in flight, each in the loop that its part's number gives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..core.continuation import is_progress, keeps_received
from ..core.failures import Failure, Kind
from ..core.lag import Running
from ..core.parts import Part
from .attempt import Move, Operation, Outcome, PartWork, ReceivePart, SendPart
from .bwlimit import Limiter
from .loop import Loop
from .part_problem import PartProblem
from .parts_in_flight import PartsInFlight

Ended = Callable[[int, int, Outcome, bool], None]
"""(number, attempt, outcome, whether a failed attempt has brought bytes that the next one need not)"""


class PartRuns:
    """`begin` and `cut` run in the loop of the part, which keeps their order; what follows runs in the home loop.

    loops: the transfer's, the home loop first. move: makes the work of a part. flight: has the attempts in flight, for
    whoever looks at them. ended: called with each attempt that ended by itself. crashed: called with an error of ours.
    """

    def __init__(
        self,
        loops: Sequence[Loop],
        move: Move,
        limiter: Limiter | None,
        flight: PartsInFlight,
        ended: Ended,
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._loops = loops
        self._home = loops[0]
        self._move = move
        self._limiter = limiter
        self._ended = ended
        self._crashed = crashed
        self._flight = flight
        self._operations = flight.operations
        self._began: dict[int, tuple[float, int]] = {}
        """Part -> moment at which its attempt began, and bytes that came before."""
        self._kept: dict[int, ReceivePart] = {}
        """Received bytes of parts whose answer was cut: the next attempt continues them."""
        self._whole: set[int] = set()
        """Parts that were joined of several answers and came out wrong: they are to come in one."""
        self.bytes_moved = 0
        """By attempts that are no more in flight, those that were cut included."""
        self.ended = 0
        """Attempts that ended by themselves."""

    @property
    def in_flight(self) -> int:
        """How many attempts. Any thread."""
        return len(self._operations)

    @property
    def moved(self) -> int:
        """Bytes of the parts that are not done: in flight, or kept of an attempt that failed. Any thread."""
        kept = sum(work.sink.moved for work in list(self._kept.values()))
        return kept + sum(operation.moved for operation in list(self._operations.values()))

    def loop_of(self, number: int) -> Loop:
        """Parts take turns on the loops of the transfer."""
        return self._loops[number % len(self._loops)]

    def begin(self, part: Part, attempt: int) -> None:
        """Starts one attempt at `part`."""
        number = part.number

        def done(outcome: Outcome) -> None:
            self._operations.pop(number, None)
            moved = operation.passed - operation.moved_before
            progress = False
            if isinstance(outcome, Failure):
                outcome, kept = self._keep(part, operation, outcome)
                progress = kept and is_progress(moved, part.length - operation.moved_before)
            self._home.submit(partial(self._count, number, attempt, moved, outcome, progress))

        operation = Operation(self.loop_of(number), part, done, limiter=self._limiter)
        self._flight.begin(part, attempt)
        began = time.monotonic()
        work = self._kept.pop(number, None)
        self._began[number] = (began, work.sink.moved if work is not None else 0)
        self._operations[number] = operation
        try:
            operation.start(self._flight.sign(number, began, work or self._work(part, attempt)))
        except PartProblem as problem:
            done(problem.failure)
        except BaseException as error:  # noqa: BLE001 - a bug: raised in the owner's thread by wait()
            self._operations.pop(number, None)
            self._home.submit(partial(self._crashed, error))

    def cut(self, number: int) -> None:
        """Runs after the `begin` that was queued before it: loops keep their order."""
        operation = self._operations.pop(number, None)
        if operation is not None:
            moved = operation.passed - operation.moved_before
            operation.cancel()
            self._home.submit(partial(self._lose, moved))
            received = operation.received
            if received is not None and number not in self._whole:
                self._kept[number] = received

    def _work(self, part: Part, attempt: int) -> PartWork:
        work = self._move(part, attempt)
        return replace(work, rest=None) if part.number in self._whole and not isinstance(work, SendPart) else work

    def _keep(self, part: Part, operation: Operation, failure: Failure) -> tuple[Failure, bool]:
        """Keeps what came of `part` before `failure`, if that is of use; returns the failure and whether it does."""
        if operation.joined and failure.kind is Kind.CORRUPT:
            self._whole.add(part.number)
        received = operation.received
        if received is None or not keeps_received(failure):
            return failure, False
        try:
            received.sink.settle()
        except OSError as error:
            return Failure(Kind.LOCAL, str(error), errno=error.errno), False
        self._kept[part.number] = received
        return failure, True

    def _count(self, number: int, attempt: int, moved: int, outcome: Outcome, progress: bool) -> None:
        self.bytes_moved += moved
        self.ended += 1
        self._ended(number, attempt, outcome, progress)

    def _lose(self, moved: int) -> None:
        self.bytes_moved += moved

    def spent(self, number: int, now: float) -> tuple[float, int]:
        """(seconds that the attempt that has just ended took, bytes that came before it); it is forgotten. In the home
        loop."""
        began, before = self._began.pop(number, (0.0, 0))
        return now - began, before

    def running(self, parts: Mapping[int, Part], now: float) -> list[Running]:
        """The attempts in flight at those of `parts`, for the lag watch."""
        found = []
        for number, operation in list(self._operations.items()):
            if number in self._began and number in parts:
                began, before = self._began[number]
                length, moved = parts[number].length - before, max(0, operation.passed - before)
                found.append(Running(number, length, moved, now - began))
        return found
