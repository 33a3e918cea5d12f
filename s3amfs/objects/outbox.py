"""Parts of a stream that the server does not have yet: their bytes stay in memory, within a budget."""

from __future__ import annotations

from collections.abc import Callable

from ..core.parts import Part
from ..engine.limits import ByteBudget
from ..engine.part_buffer import PartBuffer
from ..engine.sources import MemorySource


class Outbox:
    """The writer's thread puts parts in; `done` is called in a loop's. budget: may be shared with other writers."""

    def __init__(self, budget: ByteBudget) -> None:
        self.source = MemorySource()
        """Reads the parts for the engine."""
        self._budget = budget
        self._parts: dict[int, Part] = {}

    def wait_for_room(self, data: PartBuffer, give_up: Callable[[], bool]) -> bool:
        """Takes room for `data`, waits for it; False when `give_up` came true while waiting."""
        return self._budget.take(data.held, give_up=give_up)

    def put(self, part: Part, data: PartBuffer) -> None:
        """Adds a part, for which there is room."""
        data.leave_memory()
        self.source.put(part.number, data)
        self._parts[part.number] = part

    def done(self, number: int) -> None:
        """The server has the part: its bytes are dropped. A part that is not in here is none of ours."""
        if self._parts.pop(number, None) is not None:
            self._budget.give(self.source.drop(number))

    def unsent(self) -> list[Part]:
        """The parts that the server does not have yet."""
        return list(self._parts.values())

    def poke(self) -> None:
        """Has `wait_for_room` ask `give_up` now."""
        self._budget.poke()

    def clear(self) -> None:
        """Drops all bytes."""
        self._parts.clear()
        self._budget.give(self.source.clear())
