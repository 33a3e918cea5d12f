"""libcurl's multi interface behind two nouns: `Exchange` (one request and its reply) and `Multi` (many at a time).

The former is in `exchange.py`, its handle in `handle.py`. A `Multi` belongs to one thread; only `wake()` may be called
from others. Nothing here retries or decides.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import pycurl

from ...core.trace_events import RequestSpan
from .exchange import Exchange, note_acknowledged, span_of
from .handle import Handles, conclude, pin
from .options import ca_bundle
from .reached import Reached
from .wakeup import Wakeup

Observer = Callable[[RequestSpan], None]

MAX_CONNECTIONS_KEPT: Final = 512


def protocols() -> frozenset[str]:
    """The schemes that this libcurl knows, such as 'https' and 'sftp'."""
    return frozenset(pycurl.version_info()[8])


class Multi:
    """Drives exchanges with curl_multi_socket_action over epoll, so that thousands of sockets cost nothing."""

    def __init__(
        self,
        on_crash: Callable[[], None] | None = None,
        reached: Reached | None = None,
        observer: Callable[[], Observer | None] = lambda: None,
    ) -> None:
        """on_crash: called while an exception is handled that `on_done` or a timer raised, which must not stop the
        other exchanges; None: it is raised by `poll`. observer: returns what is called with each request that is
        over; None: nothing is. Raises OSError."""
        self._on_crash = on_crash
        self._observer = observer
        self._reached = reached if reached is not None else Reached()
        self._multi = self._new_multi()
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._wakeup = Wakeup()
        self._epoll.register(self._wakeup.fd, select.EPOLLIN)
        self._deadline: float | None = None
        self._active: dict[pycurl.Curl, Exchange] = {}
        self._handles = Handles(ca_bundle(), MAX_CONNECTIONS_KEPT)
        self._to_resume: deque[Exchange] = deque()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._timer_count = 0
        self._ended: deque[tuple[pycurl.Curl, int, str]] = deque()

    def _new_multi(self) -> pycurl.CurlMulti:
        try:
            multi = pycurl.CurlMulti()
        except pycurl.error as error:
            # All that curl needs for it is a little memory and a descriptor, and it does not say which is missing.
            raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)} ({error})") from None
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, MAX_CONNECTIONS_KEPT)
        return multi

    # -- called by the owner thread ---------------------------------------------------------------------------------

    @property
    def active(self) -> int:
        return len(self._active)

    def exchanges(self) -> list[Exchange]:
        """All that are under way. Any thread."""
        return list(self._active.values())

    def note_acknowledged(self) -> None:
        """Brings `acknowledged` of all bodies that are being sent up to date."""
        for handle, exchange in self._active.items():
            if exchange.reader is not None and exchange.reply.bytes_up:
                note_acknowledged(exchange, handle)

    def start(self, exchange: Exchange) -> None:
        handle = self._handles.take(exchange)
        try:
            pin(handle, exchange, self._reached.names)
        except BaseException:
            handle.close()
            raise
        exchange._handle = handle
        exchange.started = time.monotonic()
        self._active[handle] = exchange
        self._multi.add_handle(handle)

    def cancel(self, exchange: Exchange) -> None:
        """Cuts the transfer; `on_done` is not called. The connection is closed, since its state is unknown."""
        handle = exchange._handle
        if handle is not None and self._active.pop(handle, None) is exchange:
            exchange._handle = None
            self._observe(exchange, handle, cut=True)
            self._reached.names.end(exchange.request.url, exchange.address)
            self._multi.remove_handle(handle)
            handle.close()

    def abort(self, error: Exception) -> None:
        """Ends everything that is under way with `error`; here `on_done` is called."""
        for exchange in list(self._active.values()):
            self.cancel(exchange)
            exchange.error, exchange.reply.curl_code = error, pycurl.E_ABORTED_BY_CALLBACK
            self._guard(partial(exchange.on_done, exchange))

    def resume(self, exchange: Exchange) -> None:
        """Continues an exchange whose reader or sink paused. Safe inside callbacks: it is done at the next poll."""
        self._to_resume.append(exchange)

    def call_later(self, delay: float, function: Callable[[], object]) -> None:
        """Calls `function` in this thread after `delay` seconds."""
        self._timer_count += 1
        heapq.heappush(self._timers, (time.monotonic() + delay, self._timer_count, function))

    def poll(self, timeout: float | None) -> None:
        """Waits for something to do, at most `timeout` seconds (None: any time), does it and reports what ended."""
        self._resume_paused()
        for fd, events in self._epoll.poll(self._wait_seconds(timeout)):
            if fd == self._wakeup.fd:
                self._wakeup.drain()
                continue
            mask = 0
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                mask |= pycurl.CSELECT_IN
            if events & (select.EPOLLOUT | select.EPOLLERR):
                mask |= pycurl.CSELECT_OUT
            self._multi.socket_action(fd, mask)
            self._resume_paused()
        now = time.monotonic()
        if self._deadline is not None and self._deadline <= now:
            self._deadline = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()
        while self._timers and self._timers[0][0] <= now:
            self._guard(heapq.heappop(self._timers)[2])

    def hang_up(self) -> None:
        """Closes the connections that are kept for later, unless something is under way. Not inside callbacks."""
        if self._active or self._ended:
            return
        self._multi.close()  # libcurl has no other way
        self._deadline = None
        self._multi = self._new_multi()

    def close(self) -> None:
        for exchange in list(self._active.values()):
            self.cancel(exchange)
        self._handles.close()
        self._multi.close()
        self._epoll.close()
        self._wakeup.close()

    # -- called by any thread ---------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Ends a running or coming `poll` at once."""
        self._wakeup.wake()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _wait_seconds(self, timeout: float | None) -> float | None:
        ends = [] if timeout is None else [timeout]
        if self._ended:
            return 0.0
        now = time.monotonic()
        if self._deadline is not None:
            ends.append(self._deadline - now)
        if self._timers:
            ends.append(self._timers[0][0] - now)
        return max(0.0, min(ends)) if ends else None

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if self._watched.pop(fd, None) is not None:
                try:
                    self._epoll.unregister(fd)
                except (FileNotFoundError, OSError):
                    return  # curl closed it first: epoll forgot it by itself
            return
        events = 0
        if what & pycurl.POLL_IN:
            events |= select.EPOLLIN
        if what & pycurl.POLL_OUT:
            events |= select.EPOLLOUT
        if fd in self._watched:
            try:
                self._epoll.modify(fd, events)
            except FileNotFoundError:  # the number was reused for a new socket
                self._epoll.register(fd, events)
        else:
            try:
                self._epoll.register(fd, events)
            except FileExistsError:
                self._epoll.modify(fd, events)
        self._watched[fd] = events

    def _on_timer(self, timeout_ms: int) -> None:
        self._deadline = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000

    def _resume_paused(self) -> None:
        while self._to_resume:
            exchange = self._to_resume.popleft()
            handle = exchange._handle
            if handle is None:
                continue
            try:
                handle.pause(pycurl.PAUSE_CONT)  # gives the sink what curl had kept, at once
            except pycurl.error as error:
                self._ended.append((handle, *error.args[:2]))

    def _collect(self) -> None:
        """Reports what ended. Should `on_done` raise, the others are reported by the next `poll`."""
        more = 1
        while more:
            more, succeeded, failed = self._multi.info_read()
            self._ended += ((handle, 0, "") for handle in succeeded)
            self._ended += failed
        while self._ended:
            self._finish(*self._ended.popleft())

    def _finish(self, handle: pycurl.Curl, code: int, message: str) -> None:
        exchange = self._active.pop(handle, None)
        if exchange is None:  # cancelled by the end of another
            return
        exchange._handle = None
        conclude(exchange, handle, code, message, self._reached)
        reply = exchange.reply
        self._observe(exchange, handle, cut=False)
        self._multi.remove_handle(handle)
        self._handles.give_back(handle, exchange)
        sink = exchange.sink if not exchange._sink_begun and reply.curl_code == 0 else None
        if sink is not None and reply.status < 300:
            try:
                sink.begin(reply)  # an empty body: the sink still has to see and judge the reply
            except BaseException as error:  # noqa: BLE001 - handed to the owner of the exchange
                exchange.error = error
        self._guard(partial(exchange.on_done, exchange))

    def _observe(self, exchange: Exchange, handle: pycurl.Curl, *, cut: bool) -> None:
        observer = self._observer()
        if observer is not None:
            self._guard(lambda: observer(span_of(exchange, handle, cut=cut)))

    def _guard(self, function: Callable[[], object]) -> None:
        try:
            function()
        except Exception:
            if self._on_crash is None:
                raise
            self._on_crash()
