"""Requests that are sent by the thread which waits for them: no other thread has to be woken, nor to wake it.

Each is sent over a connection of its own, which is kept for the next one. Any thread; nothing here retries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pycurl

from .exchange import Exchange, span_of
from .handle import Handles, conclude, pin
from .multi import Observer
from .options import ca_bundle
from .reached import Reached

MOST_KEPT: Final = 64
"""Connections that wait for the next request."""
LOOK_SECONDS: Final = 0.2
Look = Callable[[float], None]
"""Called with the seconds since the request began, at least once a second while it lasts."""


class Direct:
    """observer: as of `Multi`."""

    def __init__(self, reached: Reached, observer: Callable[[], Observer | None]) -> None:
        self._reached = reached
        self._observer = observer
        self._bundle: str | None = None
        self._idle: list[Handles] = []
        """The one used last is at the end, so that few are used in turns."""
        self._active: dict[int, Exchange] = {}

    def exchanges(self) -> list[Exchange]:
        """All that are under way."""
        return list(self._active.values())

    def send(self, exchange: Exchange, look: Look) -> None:
        """Returns when `exchange` has ended. `on_done` is not called. look: if it raises, the request is cut, and the
        exception is the exchange's error."""
        exchange.started = time.monotonic()
        handles = self._take()
        handle = handles.take(exchange)
        try:
            pin(handle, exchange, self._reached.names)
            _watch(handle, exchange, look)
        except BaseException:
            handle.close()
            raise
        self._active[id(exchange)] = exchange
        code, message = 0, ""
        try:
            handle.perform()
        except pycurl.error as error:
            code, message = error.args[:2]
        finally:
            del self._active[id(exchange)]
        conclude(exchange, handle, code, message, self._reached)
        observer = self._observer()
        if observer is not None:
            observer(span_of(exchange, handle, cut=exchange.error is not None))
        handle.setopt(pycurl.XFERINFOFUNCTION, _go_on)  # else it would keep what `look` holds
        handles.give_back(handle, exchange)
        if len(self._idle) < MOST_KEPT:
            self._idle.append(handles)
        else:
            handles.close()

    def hang_up(self) -> None:
        """Closes the connections that are kept."""
        with suppress(IndexError):  # other threads take some meanwhile
            while True:
                self._idle.pop().close()

    def _take(self) -> Handles:
        try:
            return self._idle.pop()
        except IndexError:
            self._bundle = self._bundle or ca_bundle()
            return Handles(self._bundle, 1)


def _watch(handle: pycurl.Curl, exchange: Exchange, look: Look) -> None:
    next_look = exchange.started + LOOK_SECONDS

    def on_progress(*_: object) -> int:
        nonlocal next_look
        now = time.monotonic()
        if now < next_look:  # libcurl calls this several times for the shortest request
            return 0
        next_look = now + LOOK_SECONDS
        try:
            look(now - exchange.started)
        except BaseException as error:  # noqa: BLE001 - handed to the owner of the exchange
            exchange.error = error
            return 1
        return 0

    handle.setopt(pycurl.NOPROGRESS, 0)
    handle.setopt(pycurl.XFERINFOFUNCTION, on_progress)


def _go_on(*_: object) -> int:
    return 0
