"""The attempts of one transfer's parts that are in flight, each in the loop that its part's number gives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..core.lag import Running
from ..core.parts import Part
from .attempt import Move, Operation, Outcome
from .bwlimit import Limiter
from .loop import Loop
from .part_problem import PartProblem
from .parts_in_flight import PartsInFlight

Ended = Callable[[int, int, Outcome], None]
"""(number, attempt, outcome)"""


class PartRuns:
    """`begin` and `cut` run in the loop of the part, which keeps their order; what follows runs in the home loop.

    loops: the transfer's, the home loop first. move: makes the work of a part. flight: has the attempts in flight, for
    whoever looks at them. ended: called with each attempt that
    ended by itself. crashed: called with an error of ours.
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
        self._began: dict[int, float] = {}
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
        """Bytes that the attempts in flight have moved. Any thread."""
        return sum(operation.moved for operation in list(self._operations.values()))

    def loop_of(self, number: int) -> Loop:
        """Parts take turns on the loops of the transfer."""
        return self._loops[number % len(self._loops)]

    def begin(self, part: Part, attempt: int) -> None:
        """Starts one attempt at `part`."""
        number = part.number

        def done(outcome: Outcome) -> None:
            self._operations.pop(number, None)
            self._home.submit(partial(self._count, number, attempt, operation.moved, outcome))

        operation = Operation(self.loop_of(number), part, done, limiter=self._limiter)
        self._flight.begin(part, attempt)
        began = self._began[number] = time.monotonic()
        self._operations[number] = operation
        try:
            operation.start(self._flight.sign(number, began, self._move(part, attempt)))
        except PartProblem as problem:
            done(problem.failure)
        except BaseException as error:  # noqa: BLE001 - a bug: raised in the owner's thread by wait()
            self._operations.pop(number, None)
            self._home.submit(partial(self._crashed, error))

    def cut(self, number: int) -> None:
        """Runs after the `begin` that was queued before it: loops keep their order."""
        operation = self._operations.pop(number, None)
        if operation is not None:
            moved = operation.moved
            operation.cancel()
            self._home.submit(partial(self._lose, moved))

    def _count(self, number: int, attempt: int, moved: int, outcome: Outcome) -> None:
        self.bytes_moved += moved
        self.ended += 1
        self._ended(number, attempt, outcome)

    def _lose(self, moved: int) -> None:
        self.bytes_moved += moved

    def seconds(self, number: int, now: float) -> float:
        """How long the attempt that has just ended took; it is forgotten. In the home loop."""
        return now - self._began.pop(number, 0.0)

    def running(self, parts: Mapping[int, Part], now: float) -> list[Running]:
        """The attempts in flight at those of `parts`, for the lag watch."""
        return [
            Running(number, parts[number].length, operation.moved, now - self._began[number])
            for number, operation in list(self._operations.items())
            if number in self._began and number in parts
        ]
