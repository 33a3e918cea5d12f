"""The loop threads that own curl, and the one `Engine` of a process.

A `Loop` is one thread with one `Multi`; everything about an exchange happens in its loop's thread. Other threads hand
work over with `submit` and never touch an exchange. The engine is made at first use, and again in a forked child, since
threads do not survive a fork. Loops are daemon threads and live as long as the interpreter: an exit handler that closes
a file still needs them, whenever it runs, and a new thread cannot be started then (Python 3.12).
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable

from ..core.bottleneck import Bottleneck
from ..core.http import origin
from ..errors import TransferError
from ..wire.curl.direct import Direct
from ..wire.curl.exchange import Exchange
from ..wire.curl.multi import Multi
from ..wire.curl.reached import Reached
from ..wire.curl.streams import Reader, Sink
from ..wire.messages import HttpRequest, Reply
from . import trace, waiting
from .interruptible import check, wait_for
from .limits import SlotGate
from .line import Lines
from .sampler import Sampler

SHARED_SLOTS = 4096
"""Requests with parts in each direction, of all transfers that share them: their lines have limits of their own."""
SMALL_SLOTS = 64
SMALL_BYTES = 32 * 1024 * 1024
SMALL_IN_FLIGHT = 64 * 1024 * 1024
"""Bytes of small objects at a time: a slot for each of 64 chunks of 1 MiB."""
ENDED = "the engine's thread has ended (it crashed, or this process is a fork of the one that had it): open it again"


class Loop:
    """One thread that drives many exchanges."""

    def __init__(self, name: str, reached: Reached | None = None) -> None:
        """Raises OSError."""
        self._inbox: deque[Callable[[], None]] = deque()
        self._pid = os.getpid()
        self._ended = False
        self._woken = False
        self.multi = Multi(report_crash, reached, trace.request)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # a limit, or the interpreter ends
            self.multi.close()
            raise OSError(errno.EAGAIN, f"no thread can be started ({error})") from None

    def submit(self, function: Callable[[], None]) -> None:
        """Runs `function` in the loop's thread, soon. Any thread may call this.

        Raises TransferError in a forked child, and after the loop has ended: nothing would ever run it.
        """
        if self.ended:
            raise TransferError(ENDED)
        self._inbox.append(function)
        if not self._woken and threading.get_ident() != self._thread.ident:
            self._woken = True  # one wake-up for all that is handed over until the loop looks
            self.multi.wake()
        if self._ended and self._take_back(function):
            raise TransferError(ENDED)

    @property
    def native_id(self) -> int:
        """The kernel's number of its thread."""
        return self._thread.native_id or 0

    @property
    def inside(self) -> bool:
        return threading.get_ident() == self._thread.ident

    @property
    def ended(self) -> bool:
        """Whether its thread is no more: it crashed, or is another process's."""
        return self._ended or self._pid != os.getpid()

    def _run(self) -> None:
        while True:
            self._woken = False
            self._run_inbox()
            try:
                self.multi.poll(0 if self._inbox else None)
            except Exception as error:  # noqa: BLE001 - reported, and raised to all that wait for an answer
                report_crash()
                self._end(error)
                return

    def _run_inbox(self) -> None:
        while self._inbox:
            function = self._inbox.popleft()
            try:
                function()
            except Exception:  # noqa: BLE001 - a bug in one transfer must not stop the loop that others depend on
                report_crash()

    def _end(self, error: Exception) -> None:
        """Without epoll or curl there is no going on: every exchange ends with `error`."""
        self._ended = True
        while self._inbox or self.multi.active:
            self.multi.abort(error)
            self._run_inbox()

    def _take_back(self, function: Callable[[], None]) -> bool:
        try:
            self._inbox.remove(function)
        except ValueError:  # the loop ran it as its last
            return False
        return True


def report_crash() -> None:
    """Says on stderr, as for a thread that crashed, what exception is being handled."""
    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


def _ended(_exchange: Exchange) -> None:
    """It has been called."""


class Call:
    """A pending control call; `wait` gives its reply."""

    def __init__(self, loop: Loop, request: HttpRequest, reader: Reader | None, sink: Sink | None) -> None:
        self._done = threading.Event()
        self._loop = loop
        self._exchange = Exchange(request, self._finished, reader=reader, sink=sink)
        loop.submit(self._start)

    def _start(self) -> None:
        try:
            self._loop.multi.start(self._exchange)
        except BaseException as error:  # noqa: BLE001 - raised to the waiter
            self._exchange.error = error
            self._done.set()

    def _finished(self, exchange: Exchange) -> None:
        exchange.on_done = _ended  # it holds this, and must not live on with its body until the garbage is collected
        self._done.set()

    @property
    def reply(self) -> Reply:
        """As far as it came; whole after `wait`."""
        return self._exchange.reply

    def wait(self) -> Reply:
        """Blocks until the reply is there; an interruption cuts the request. Raises what a reader or sink raised."""
        try:
            if not wait_for(self._done, waiting.WAIT_SECONDS):
                waiting.report(f"an answer of {origin(self._exchange.request.url)}")
                wait_for(self._done)
        except BaseException:
            self._loop.submit(lambda: self._loop.multi.cancel(self._exchange))
            raise
        if self._exchange.error is not None:
            raise self._exchange.error
        return self._exchange.reply


class Engine:
    """All loops of this process. Transfers are spread over them; a part of a transfer stays on one."""

    def __init__(self, loops: int = 2) -> None:
        self.pid = os.getpid()
        self.sending = SlotGate(SHARED_SLOTS)
        self.receiving = SlotGate(SHARED_SLOTS)
        self.small = SlotGate(SMALL_SLOTS, SMALL_IN_FLIGHT)
        """Whole objects in one request, in memory: more at a time, since each of them waits most of its time."""
        self._lock = threading.Lock()
        self._loops: list[Loop | None] = [None] * loops
        self.reached = Reached()
        """The servers that have answered."""
        self._direct = Direct(self.reached, trace.request)
        self.lines = Lines(self._call_later, self.note_acknowledged)
        """Endpoints with their slots, shared by all transfers."""
        self.sampler = Sampler(self, self._call_later)
        """Samples of the requests' states."""

    def loop(self, index: int = 0) -> Loop:
        """The loop number `index` (modulo their count), started at first use. Raises OSError."""
        index %= len(self._loops)
        with self._lock:
            loop = self._loops[index]
            if loop is None or loop.ended:
                loop = self._loops[index] = Loop(f"s3am-loop-{index}", self.reached)
            return loop

    def loops(self) -> list[Loop]:
        """All of them, started. Raises OSError."""
        return [self.loop(index) for index in range(len(self._loops))]

    def native_ids(self) -> list[int]:
        """The kernel's numbers of the loops' threads. Any thread."""
        return [loop.native_id for loop in list(self._loops) if loop is not None and not loop.ended]

    def exchanges(self) -> list[Exchange]:
        """All requests that are under way. Any thread."""
        loops = [loop for loop in list(self._loops) if loop is not None and not loop.ended]
        return [*self._direct.exchanges(), *(exchange for loop in loops for exchange in loop.multi.exchanges())]

    def note_acknowledged(self) -> None:
        """Has the loops look how much of the bodies that they send has arrived: this loop now, others soon."""
        for loop in list(self._loops):
            if loop is not None and not loop.ended:
                if loop.inside:
                    loop.multi.note_acknowledged()
                else:
                    loop.submit(loop.multi.note_acknowledged)

    def latency(self, url: str) -> float:
        """The shortest answer that the server of `url` was seen to give, in seconds; 0.0: unknown."""
        return self.reached.latency(url)

    def call(self, request: HttpRequest, *, reader: Reader | None = None, sink: Sink | None = None) -> Reply:
        """Sends one request, once, and waits for its reply. Raises only what `reader` or `sink` raised."""
        return Call(self.loop(), request, reader, sink).wait()

    def call_here(self, request: HttpRequest, reader: Reader) -> Reply:
        """As `call`, in the calling thread, which has to be one that may wait: a small request costs less so.

        Not for the main thread: of what a signal's handler raises there, only KeyboardInterrupt gets through libcurl.
        """
        exchange, reported = Exchange(request, _ended, reader=reader), False
        exchange.lines = []

        def look(seconds: float) -> None:
            nonlocal reported
            check()
            if seconds >= waiting.WAIT_SECONDS and not reported:
                reported = True
                waiting.report(f"an answer of {origin(request.url)}")

        self._direct.send(exchange, look)
        if exchange.error is not None:
            raise exchange.error
        return exchange.reply

    def _call_later(self, delay: float, function: Callable[[], None]) -> None:
        loop = self.loop()
        loop.submit(lambda: loop.multi.call_later(delay, function))

    def hang_up(self) -> None:
        """Closes kept connections, soon. For finalizers: takes no lock, since they run anywhere, also amid `loop`."""
        self._direct.hang_up()
        for loop in list(self._loops):
            if loop is not None and not loop.ended:
                loop.submit(loop.multi.hang_up)


_engine: Engine | None = None
_engine_lock = threading.Lock()
_abandoned: list[Engine] = []


def get_engine() -> Engine:
    """The process's engine."""
    global _engine
    with _engine_lock:
        if _engine is None or _engine.pid != os.getpid():
            _engine = Engine()
        return _engine


def requests_made() -> Counter[str]:
    """Requests of this process so far, by price class."""
    return Counter(get_engine().reached.requests)


def bytes_moved() -> tuple[int, int]:
    """Bytes of (request bodies, response bodies) that this process has moved so far."""
    reached = get_engine().reached
    return reached.bytes_up, reached.bytes_down


def recent_limit() -> Bottleneck | None:
    """The limit of this process at the moment. Takes no lock and makes no engine: a signal's handler may call it."""
    engine = _engine
    return engine.sampler.recent() if engine is not None and engine.pid == os.getpid() else None


def hang_up() -> None:
    """Closes the connections that the process's engine, if there is one, keeps for later and nothing uses now."""
    engine = _engine
    if engine is not None and engine.pid == os.getpid():
        engine.hang_up()


def _forget_after_fork() -> None:
    """The parent's threads, epoll and sockets are not ours: leave them alone and make new ones at the next use."""
    global _engine, _engine_lock
    if _engine is not None:
        _abandoned.append(_engine)  # collecting it would say TLS good-byes on connections that the parent still uses
    _engine = None
    _engine_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
