"""In which order tests run: those that take minutes first, some in each process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Test = TypeVar("Test")


def dealt(slow: Sequence[Test], quick: Sequence[Test], processes: int) -> list[Test]:
    """Returns all tests, so that each of several processes begins with its share of the slow ones.

    pytest-xdist (worksteal) gives each process one stretch of the list; a process that is done with its own takes over
    the end of another's. If all slow ones were in front, the first process would run them one after the other.
    """
    rest, found, total = list(quick), list[Test](), len(slow) + len(quick)
    for number in range(processes):
        length = (total - len(found)) // (processes - number)
        mine = slow[number::processes]
        room = max(0, length - len(mine))
        found += [*mine, *rest[:room]]
        del rest[:room]
    return found + rest
