"""When parts in flight are looked at, and which are asked for again."""

from __future__ import annotations

from collections.abc import Callable

from s3amfs.core.lag import LEAST_DONE, Running
from s3amfs.engine.stragglers import LAG_SECONDS, Stragglers


class Home:
    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.running: list[Running] | None = []
        self.again: list[int] = []
        self.stragglers = Stragglers(
            lambda delay, function: self.later.append((delay, function)), lambda: self.running, self.again.append
        )

    def finish(self, count: int) -> None:
        for number in range(count):
            self.stragglers.done(number, 1000, 1.0)

    def look(self) -> None:
        ((delay, function),) = self.later
        assert delay == LAG_SECONDS
        self.later.clear()
        function()


def test_nothing_is_looked_at_before_there_is_something_to_compare_with() -> None:
    home = Home()
    home.finish(LEAST_DONE - 1)
    assert home.later == []
    home.finish(1)
    assert len(home.later) == 1
    home.finish(LEAST_DONE)
    assert len(home.later) == 1, "one look at a time"


def test_a_part_far_behind_is_asked_for_again() -> None:
    home = Home()
    home.finish(LEAST_DONE * 4)
    home.running = [Running(50, 1000, 0, 1000.0), *(Running(60 + n, 1000, 500, 0.5) for n in range(20))]
    home.look()
    assert (home.again, home.stragglers.asked_again) == ([50], 1)
    home.running = home.running[1:]
    home.look()
    assert (home.again, home.stragglers.asked_again) == ([50], 1)
    assert len(home.later) == 1, "looked at again and again"


def test_no_look_after_the_end() -> None:
    home = Home()
    home.finish(LEAST_DONE)
    home.running = None
    home.look()
    assert home.later == []
