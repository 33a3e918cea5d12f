"""The parts that one process of a split job moves next: its own share, then parts that others will not reach."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from ..core.split_job import Fronts, Share

BATCH = 32
"""Parts of the own share between two listings; so no process has more in flight."""
HELP = 4
"""Parts of others that are taken at a time."""
LOOK_SECONDS = 1.0
PATIENCE = 10.0
"""Seconds without a new part after which an owner counts as dead, and others move its parts."""


class Pace:
    """For the thread that moves."""

    def __init__(self, share: Share, count: int) -> None:
        self._share = share
        self._own = share.own(count)
        self._fronts = Fronts(share, PATIENCE)
        self._never = threading.Event()
        """Never set: other machines send no signal of their progress, so a process can only wait and look again."""

    def next_batch(self, missing: Collection[int]) -> list[int]:
        """Numbers of the parts to move now, of those that are `missing`; [] after a pause: look again."""
        mine = [number for number in self._own if number in missing][:BATCH]
        if mine:
            return mine
        still = self._fronts.still(missing, time.monotonic())
        batch = self._share.to_help(missing, HELP, BATCH, still)
        if not batch:
            self._never.wait(LOOK_SECONDS)
        return batch
