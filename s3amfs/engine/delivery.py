"""Events of one transfer, from the loop where they happen to the thread that owns the transfer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..core.events import BytesMoved, Event, PartFinished, PartRetried
from ..core.machine import Retrying
from . import waiting
from .settings import OnEvent, Settings


class Delivery:
    """`note` and `retrying` are called in the home loop, `deliver` in the owner's thread.

    So a slow callback can't hold the network up.
    """

    def __init__(
        self, settings: Settings, on_event: OnEvent, limit_due: Callable[[], Event | None] = lambda: None
    ) -> None:
        """limit_due: the event that says what limits the transfer, whenever it is time for it."""
        self._settings = settings
        self._on_event = on_event
        self._limit_due = limit_due
        self._events: deque[Event] = deque()
        self._reported = settings.done_before
        """Bytes, as the last BytesMoved said."""
        self._wait = waiting.Wait()
        self._trouble: str | None = None
        """The last failure since bytes moved."""

    def note(self, event: Event) -> None:
        """Keeps `event` for the next `deliver`."""
        self._events.append(event)

    def retrying(self, retry: Retrying) -> None:
        """A part failed and is tried again: from now on the cause that a long wait names."""
        self._trouble = retry.failure.message
        self.note(PartRetried(retry.number, retry.attempt, retry.delay, retry.failure.message))

    def deliver(self, moved: int, *, is_moving: bool) -> None:
        """Calls `on_event` with the events that have come together since the last call; says so where a wait is long.

        moved: bytes of this run so far. is_moving: whether anything is still to be moved.
        """
        while self._events:
            event = self._events.popleft()
            if isinstance(event, PartFinished):
                self._trouble = None
                self._wait.progressed()
            self._on_event(event)
        total = self._settings.done_before + moved
        if total > self._reported:
            self._reported = total
            self._wait.progressed()
            self._on_event(BytesMoved(total, self._settings.total))
        if is_moving and (limit := self._limit_due()) is not None:
            self._on_event(limit)
        self._wait.look(lambda: self._cause() if is_moving else None)

    def _cause(self) -> str:
        """Of a long wait."""
        limit = f"; trying again for up to {self._settings.policy.budget:.0f} s" if self._trouble else ""
        return f"{self._settings.describe}: {self._trouble or 'no byte has moved for a while'}{limit}"
