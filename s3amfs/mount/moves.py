"""Renames under way: what they move is published when they have ended, under the name that it has then.

A key is copied and then deleted. A close between the two would store the last bytes under the old name only, and the
new name would keep those of before. Threads may share it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..engine.interruptible import holding, wait_on


class Moves:
    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._moving: list[tuple[str, str]] = []

    @contextmanager
    def moving(self, old: str, new: str) -> Iterator[None]:
        """Within it, the keys `old` and `new`, and all below them, are being moved."""
        with self._condition:
            self._moving.append((old, new))
        try:
            yield
        finally:
            with self._condition:
                self._moving.remove((old, new))
                self._condition.notify_all()

    def has(self, key: str) -> bool:
        """Whether `key` is being moved."""
        with self._condition:
            return any(key == each or key.startswith(each + "/") for pair in self._moving for each in pair)

    def wait(self, key: Callable[[], str]) -> None:
        """Until `key`, which a rename may change, is not being moved. Raises Interrupted."""
        with holding(self._condition):
            while self.has(key()):
                wait_on(self._condition)
