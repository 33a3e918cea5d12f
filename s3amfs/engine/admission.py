"""When the parts of one transfer may start: every gate has let a part in, and the request budget has room."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import TransferError
from .limits import SlotGate
from .line import Share
from .loop import Loop
from .parts_in_flight import PartsInFlight


class Admission:
    """All of it runs in the transfer's home loop, except that gates let parts in from any thread.

    gate: slots shared with other transfers, passed first; then come those of the lines of `share`, which also says how
    long a request has to wait that has a slot of every gate. flight: learns what parts wait for. is_current: whether an
    attempt (number, attempt) is still to be made. admitted: called in the home loop with an attempt that may start;
    `leave` gives its slots back. crashed: called in the home loop with an error of ours, by which a part would never
    start.
    """

    def __init__(
        self,
        home: Loop,
        gate: SlotGate | None,
        share: Share,
        flight: PartsInFlight,
        is_current: Callable[[int, int], bool],
        admitted: Callable[[int, int], None],
        crashed: Callable[[BaseException], None],
    ) -> None:
        own = (gate,) if gate is not None else ()
        self._gates = (*own, *(line.gate for line in share.lines))
        self._home = home
        self._share = share
        self._flight = flight
        self._is_current = is_current
        self._admitted = admitted
        self._crashed = crashed
        self._holds: dict[int, int] = {}
        """Part number -> how many of the gates it has passed."""

    def enter(self, number: int, attempt: int) -> None:
        """Has `admitted` called when there is a slot of every gate."""
        self._flight.queue(number)
        self._pass_gates(number, attempt, 0)

    def leave(self, number: int) -> None:
        """Gives back the slots of a part, if it has any."""
        for gate in self._gates[: self._holds.pop(number, 0)]:
            gate.leave()

    def _pass_gates(self, number: int, attempt: int, passed: int) -> None:
        """`passed` of the gates have given this part a slot."""
        if not self._is_current(number, attempt):
            for gate in self._gates[:passed]:
                gate.leave()
        elif passed == len(self._gates):
            self._holds[number] = passed
            if not self._share.take_turn(self._home.multi.call_later, partial(self._admitted, number, attempt)):
                self._flight.hold_up(number)
        else:
            self._gates[passed].enter(partial(self._let_in, number, attempt, passed))

    def _go_on(self, number: int, attempt: int, passed: int) -> None:
        try:
            self._pass_gates(number, attempt, passed)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            self._crashed(error)

    def _let_in(self, number: int, attempt: int, passed: int) -> None:
        """By a gate, in any thread."""
        try:
            self._home.submit(partial(self._go_on, number, attempt, passed + 1))
        except TransferError:  # the loop has ended, and `wait` says so; the slots are for others
            for gate in self._gates[: passed + 1]:
                gate.leave()
