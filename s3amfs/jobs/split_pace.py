"""The clock of a process of a split job: it looks again after a pause where core/shares.py has nothing for it to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from ..core.shares import LOOK_SECONDS, Schedule
from ..core.split_job import Share


class Pace:
    """For the thread that moves."""

    def __init__(self, share: Share, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        """count: parts of the whole. clock: seconds, steady."""
        self._schedule = Schedule(share, count)
        self._clock = clock
        self._never = threading.Event()
        """Never set: other machines send no signal of their progress, so a process can only wait and look again."""

    def next_beside(self, moving: Collection[int], missing: Collection[int]) -> list[int]:
        """Numbers of the parts to move beside those that do; [] at once where there is nothing to do now."""
        return self._schedule.next_batch(missing, self._clock(), moving)

    def next_batch(self, missing: Collection[int]) -> list[int]:
        """Numbers of the parts to move now, of those that are `missing`; [] after a pause: look again."""
        batch = self._schedule.next_batch(missing, self._clock())
        if not batch:
            self._never.wait(LOOK_SECONDS)
        return batch
