"""Limits that several transfers share: requests in flight (`SlotGate`) and bytes held in memory (`ByteBudget`)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .interruptible import check

LOOK_SECONDS = 0.5
"""Between two looks whether a wait is still worth it."""


class SlotGate:
    """At most `limit` holders with at most `most_bytes` at a time; later ones are called in order of arrival.

    Never blocks. A lone holder always gets in, however many bytes it has.
    """

    def __init__(self, limit: int, most_bytes: int | None = None) -> None:
        self.limit = limit
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._held = 0
        self._bytes = 0
        self._waiting: deque[tuple[Callable[[], None], int]] = deque()

    def enter(self, begin: Callable[[], None], size: int = 0) -> None:
        """Calls `begin` now, or in another thread when there is room. Every call of `begin` is owed a `leave`."""
        with self._lock:
            if self._waiting or not self._fits(size):
                self._waiting.append((begin, size))
                return
            self._hold(size)
        begin()

    def leave(self, size: int = 0) -> None:
        """size: as it was when this holder entered."""
        with self._lock:
            self._held -= 1
            self._bytes -= size
            admitted = self._admit()
        for begin in admitted:
            begin()

    def set_limit(self, limit: int) -> None:
        """Changes the limit: those above it stay until they leave."""
        with self._lock:
            self.limit = limit
            admitted = self._admit()
        for begin in admitted:
            begin()

    @property
    def held(self) -> int:
        """Holders now."""
        return self._held

    def _admit(self) -> list[Callable[[], None]]:
        admitted: list[Callable[[], None]] = []
        while self._waiting and self._fits(self._waiting[0][1]):
            begin, size = self._waiting.popleft()
            self._hold(size)
            admitted.append(begin)
        return admitted

    def _hold(self, size: int) -> None:
        self._held += 1
        self._bytes += size

    def _fits(self, size: int) -> bool:
        if self._held == 0:
            return True
        return self._held < self.limit and (self.most_bytes is None or self._bytes + size <= self.most_bytes)


class ByteBudget:
    """Bytes that may be in memory at a time. `take` blocks until there is room, and a lone taker always gets in."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._condition = threading.Condition()

    def take(self, count: int, *, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Takes `count` bytes; False when `give_up` came true while waiting.

        It is called at least every `LOOK_SECONDS` while this waits, in this thread, without a lock held.
        """
        while True:
            with self._condition:
                if not self._used or self._used + count <= self.limit:
                    self._used += count
                    return True
            if give_up():
                return False
            check()
            with self._condition:
                if self._used and self._used + count > self.limit:
                    self._condition.wait(LOOK_SECONDS)

    def give(self, count: int) -> None:
        with self._condition:
            self._used -= count
            self._condition.notify_all()

    def poke(self) -> None:
        with self._condition:
            self._condition.notify_all()
