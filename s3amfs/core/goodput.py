"""Goodput of a line from looks at its counters, a window at a time. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from .define import define

SATURATED: Final = 0.85
"""Share of the time that the loop's thread may run before this machine counts as the limit."""


def settle_seconds(latency: float | None) -> float:
    """A new connection needs a round trip or two, its request another one."""
    return min(1.2, max(0.1, 2.5 * (latency or 0.0)))


def window_seconds(latency: float | None, *, compares: bool = True) -> float:
    """The length of a window of measurement. compares: with another one; else it only shows that bytes move."""
    return min(1.2, max(0.2, (2.5 if compares else 1.0) * (latency or 0.0)))


@define(frozen=True, slots=True)
class Look:
    """The counters of a line at a moment."""

    moved: int
    """Bytes of good parts so far, in all."""
    ended: int
    """Requests so far."""
    in_use: int
    """Slots now."""
    worked: float = 0.0
    """Seconds since the last look for which the thread that moves the bytes ran, or wanted to: where that is nearly all
    the time, this machine is the limit and no more slots help."""
    waiting: int | None = None
    """Parts without a slot, up to the end of a lone transfer; None: very many, or unknown."""
    held_up: int = 0
    """Slots in use for requests that wait for their turn (`Controller.reserve`)."""


@define(frozen=True, slots=True)
class Measured:
    """A window of measurement."""

    rate: float
    """Bytes of good parts per second."""
    in_use: float
    """Slots whose request has begun, in the mean."""
    most: int
    """Slots whose request has begun, at the most."""
    saturated: bool
    """This machine was the limit."""


@define(slots=True)
class _Window:
    """Measured since `start`."""

    start: float
    bytes: int = 0
    busy: float = 0.0
    """Slot-seconds in use."""
    most: int = 0
    """Slots in use."""
    worked: float = 0.0
    """Seconds for which the loop's thread ran or wanted to."""
    ended: int = 0


@define(slots=True)
class Meter:
    """Counts what moves between two looks, but for the time in which a new number of slots settles.

    lumpy: bytes count only when a whole part is done, as in copies by the server; a window then lasts until each slot
    has ended one.
    """

    lumpy: bool = False
    _last: float | None = field(default=None, init=False)
    _moved: int = field(default=0, init=False)
    _ended: int = field(default=0, init=False)
    _in_use: int = field(default=0, init=False)
    _settled_at: float = field(default=float("-inf"), init=False)
    _window: _Window | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        """Whether there was a first look, and no `pause` since."""
        return self._last is not None

    def start(self, now: float, look: Look) -> None:
        """The first look: what has moved before does not count."""
        self._last, self._moved, self._ended, self._in_use = now, look.moved, look.ended, look.in_use - look.held_up

    def pause(self) -> None:
        """Nothing moves any more: the next look is a first one."""
        self._last = None

    def discard_until(self, when: float) -> None:
        """Begins a new window at `when`, monotonic seconds; bytes that move before are not counted."""
        self._settled_at, self._window = when, None

    def look(self, now: float, look: Look, *, slots: int, seconds: float) -> Measured | None:
        """A look after the first one. slots: how many there may be. seconds: how long a window lasts at least.

        Returns the window that this look ends; None as long as it goes on, or while nothing counts.
        """
        assert self._last is not None
        elapsed, count, more = now - self._last, look.moved - self._moved, look.ended - self._ended
        before = self._in_use
        self.start(now, look)
        if now < self._settled_at or elapsed <= 0:
            return None
        window = self._window
        if window is None:
            window = self._window = _Window(now - elapsed)
        window.bytes += count
        window.busy += self._in_use * elapsed
        window.most = max(window.most, before, self._in_use)
        window.worked += look.worked
        window.ended += more
        length = now - window.start
        if length < seconds or (self.lumpy and window.ended < slots):
            return None
        self._window = None
        saturated = window.worked > SATURATED * length
        return Measured(window.bytes / length, window.busy / length, window.most, saturated)
