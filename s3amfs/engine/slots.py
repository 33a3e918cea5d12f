"""Limits that several transfers share: requests in flight (`SlotGate`) and bytes held in memory (`ByteBudget`)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class SlotGate:
    """At most `limit` holders at a time; who comes later is called in order of arrival. Never blocks."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._held = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, begin: Callable[[], None]) -> None:
        """Calls `begin` now, or in another thread when a slot is free. Every call of `begin` is owed a `leave`."""
        with self._lock:
            if self._held >= self.limit:
                self._waiting.append(begin)
                return
            self._held += 1
        begin()

    def leave(self) -> None:
        with self._lock:
            if not self._waiting:
                self._held -= 1
                return
            begin = self._waiting.popleft()
        begin()


class ByteBudget:
    """Bytes that may be in memory at a time. `take` blocks until there is room, and a lone taker always gets in."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._condition = threading.Condition()

    def take(self, count: int, *, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Takes `count` bytes; False when `give_up` came true while waiting (call `poke` after changing it)."""
        with self._condition:
            while self._used and self._used + count > self.limit:
                if give_up():
                    return False
                self._condition.wait()
            self._used += count
            return True

    def give(self, count: int) -> None:
        with self._condition:
            self._used -= count
            self._condition.notify_all()

    def poke(self) -> None:
        with self._condition:
            self._condition.notify_all()
