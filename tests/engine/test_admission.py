"""A part has a slot of every gate or of none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from s3amfs.engine.admission import Admission
from s3amfs.engine.limits import SlotGate
from s3amfs.engine.line import Share
from s3amfs.engine.loop import Loop
from s3amfs.engine.parts_in_flight import PartsInFlight
from s3amfs.engine.sampler import Sampler
from s3amfs.errors import TransferError


class Home:
    """A home loop that runs what was submitted when the test says so."""

    def __init__(self, *limits: int) -> None:
        self.gates = [SlotGate(limit) for limit in limits]
        self.current: dict[int, int] = {}
        self.admitted: list[tuple[int, int]] = []
        self.crashes: list[BaseException] = []
        self.ended = False
        self.delay = 0.0
        self.flight = PartsInFlight(cast(Sampler, None), (), {}, lambda: (0, 0))
        self.later: list[tuple[float, Callable[[], None]]] = []
        self._queue: deque[Callable[[], None]] = deque()
        self.admission = Admission(
            cast(Loop, self),
            self.gates[0] if self.gates else None,
            cast(Share, self),
            self.flight,
            lambda number, attempt: self.current.get(number) == attempt,
            lambda number, attempt: self.admitted.append((number, attempt)),
            self.crashes.append,
        )

    @property
    def lines(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(gate=gate) for gate in self.gates[1:]]

    def take_turn(self, later: Callable[[float, Callable[[], None]], None], begin: Callable[[], None]) -> bool:
        if self.delay > 0:
            later(self.delay, begin)
            return False
        begin()
        return True

    @property
    def multi(self) -> Home:
        return self

    def call_later(self, delay: float, function: Callable[[], None]) -> None:
        self.later.append((delay, function))

    def submit(self, function: Callable[[], None]) -> None:
        if self.ended:
            raise TransferError("the engine has ended")
        self._queue.append(function)

    def enter(self, number: int, attempt: int = 1) -> None:
        self.current[number] = attempt
        self.admission.enter(number, attempt)

    def run(self) -> None:
        while self._queue:
            self._queue.popleft()()

    @property
    def held(self) -> list[int]:
        return [gate.held for gate in self.gates]


def test_a_part_passes_all_gates() -> None:
    home = Home(1, 1)
    home.enter(7, 3)
    assert home.admitted == [], "not before the loop has its turn"
    home.run()
    assert (home.admitted, home.held) == ([(7, 3)], [1, 1])
    home.admission.leave(7)
    assert home.held == [0, 0]
    home.admission.leave(7)
    assert home.held == [0, 0], "given back once"


def test_without_gates_a_part_is_admitted_at_once() -> None:
    home = Home()
    home.enter(1)
    assert home.admitted == [(1, 1)]


def test_the_next_part_waits_for_the_last_gate_and_holds_the_first() -> None:
    home = Home(2, 1)
    home.enter(1)
    home.enter(2)
    home.run()
    assert (home.admitted, home.held) == ([(1, 1)], [2, 1])
    home.admission.leave(1)
    home.run()
    assert (home.admitted, home.held) == ([(1, 1), (2, 1)], [1, 1])


def test_a_cancelled_attempt_gives_back_what_it_has_passed() -> None:
    home = Home(1, 1)
    home.enter(1)
    del home.current[1]
    home.run()
    assert (home.admitted, home.held) == ([], [0, 0])


def test_a_later_attempt_does_not_get_the_slot_of_an_earlier_one() -> None:
    home = Home(1, 1)
    home.enter(1, 1)
    home.enter(1, 2)
    home.run()
    assert (home.admitted, home.held) == ([(1, 2)], [1, 1])


def test_a_loop_that_has_ended_keeps_no_slot() -> None:
    home = Home(1, 1)
    home.enter(1)
    home.run()
    home.enter(2)
    home.ended = True
    home.admission.leave(1)  # lets the second in, whose loop is no more
    assert (home.admitted, home.held) == ([(1, 1)], [0, 0])


def test_a_part_waits_for_the_request_budget_with_its_slots() -> None:
    home = Home(1)
    home.delay = 0.25
    home.enter(1)
    home.run()
    assert (home.admitted, home.held) == ([], [1])
    ((delay, function),) = home.later
    assert delay == 0.25
    assert home.flight.waits() == (1, 0), "for the server"
    function()
    assert home.admitted == [(1, 1)]
    assert home.later[1:] == [], "one turn each"
