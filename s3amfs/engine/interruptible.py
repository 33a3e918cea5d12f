"""Waiting that ends when the one who asked has gone: a mount's caller that is being killed, for which nobody waits.

`asking(is_gone)` says for this thread how that is found out; every wait of the engine then looks a few times a second,
and raises Interrupted. A thread without it waits as long as it takes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Protocol, TypeVar

from ..errors import Interrupted

LOOK_SECONDS = 0.2
"""How often a waiting thread looks whether it still has to."""
T = TypeVar("T")
_thread = threading.local()


class Lock(Protocol):
    """A Lock, RLock or Condition."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...

    def release(self) -> None: ...


class asking:  # noqa: N801 - used as a function; a generator would take three times as long
    """Within it, waits of this thread end by Interrupted once `is_gone` says so."""

    __slots__ = ("_before", "_is_gone")

    def __init__(self, is_gone: Callable[[], bool]) -> None:
        self._is_gone = is_gone

    def __enter__(self) -> None:
        self._before = getattr(_thread, "is_gone", None)
        _thread.is_gone = self._is_gone

    def __exit__(self, *_: object) -> None:
        _thread.is_gone = self._before


def check() -> None:
    """Raises Interrupted if nobody waits for what this thread does."""
    is_gone = getattr(_thread, "is_gone", None)
    if is_gone is not None and is_gone():
        raise Interrupted("the process that asked for it is being killed")


def _can_end() -> bool:
    return getattr(_thread, "is_gone", None) is not None


def wait_for(event: threading.Event, timeout: float | None = None) -> bool:
    """`event.wait(timeout)`, timeout in seconds. Returns whether it is set; raises Interrupted."""
    if not _can_end():
        return event.wait(timeout)
    left = timeout
    while not event.wait(LOOK_SECONDS if left is None else min(LOOK_SECONDS, left)):
        check()
        if left is not None:
            left -= LOOK_SECONDS
            if left <= 0:
                return event.is_set()
    return True


def wait_on(condition: threading.Condition) -> None:
    """`condition.wait()`, which may come back early: look again at what you wait for. Raises Interrupted."""
    if _can_end():
        condition.wait(LOOK_SECONDS)
        check()
    else:
        condition.wait()


def result_of(future: Future[T]) -> T:
    """`future.result()`. Raises also Interrupted."""
    while _can_end():
        try:
            return future.result(LOOK_SECONDS)
        except NotYet:
            if future.done():
                return future.result()
            check()
    return future.result()


class holding:  # noqa: N801 - as `asking`
    """`with lock`. Raises also Interrupted, before."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not _can_end():
            self._lock.acquire()
            return
        while not self._lock.acquire(timeout=LOOK_SECONDS):
            check()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
