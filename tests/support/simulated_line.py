"""A simulated line for tests of the controller of slots, and its course in a line of text."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from s3amfs.core.goodput import Look
from s3amfs.core.pacing import Controller
from s3amfs.core.pacing_phases import Phase

STEP = 0.1
MB = 1e6


@dataclass
class Line:
    """A line of `rate` bytes per second in all and `one` a connection; goodput follows the slots at once."""

    controller: Controller
    rate: float
    one: float
    noise: float = 0.0
    supply: int = 1 << 30
    """Slots for which there is something to do."""
    worked: float = 0.0
    counter: Callable[[float], Any] = int
    now: float = 0.0
    moved: float = 0.0
    phases: list[Phase] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)

    def run(self, seconds: float, each: Callable[[Line], None] = lambda line: None) -> float:
        """Bytes per second in that time."""
        drawn, before, end = random.Random(1), self.moved, self.now + seconds
        while self.now < end:
            used = min(self.controller.slots, self.supply)
            rate = min(self.rate, used * self.one) * (1 + self.noise * drawn.uniform(-1, 1))
            self.now += STEP
            self.moved += rate * STEP
            each(self)
            self.controller.sample(self.now, Look(self.counter(self.moved), 0, used, self.worked * STEP))
            self.phases.append(self.controller.phase)
            self.slots.append(self.controller.slots)
        return (self.moved - before) / seconds


def cold(latency: float, ceiling: int = 1024) -> Controller:
    controller = Controller(ceiling)
    controller.found_latency(latency)
    return controller


LETTERS = {
    Phase.STARTING: "S",
    Phase.HOLDING: "H",
    Phase.PROBING_UP: "U",
    Phase.PROBING_DOWN: "D",
    Phase.BACKING_OFF: "B",
}


def course(line: Line) -> str:
    """'0.1S64 0.4S128': the second, the phase and the slots at each change."""
    found, last = [], None
    for number, state in enumerate(zip(line.phases, line.slots, strict=True), 1):
        if state != last:
            found.append(f"{number * STEP:.1f}{LETTERS[state[0]]}{state[1]}")
            last = state
    return " ".join(found)
