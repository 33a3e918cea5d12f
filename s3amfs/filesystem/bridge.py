"""From coroutines to the engine and back, without ever blocking the event loop.

`run` gives a blocking verb a thread that ends with it; `answer` waits for a request that was begun; `room` waits for a
slot. All of them may be cancelled. State is of this process: a forked child begins with none.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fsspec.callbacks import Callback

from ..core.events import BytesMoved, Event, TransferResult, Warned
from ..engine import waiting
from ..engine.limits import SlotGate
from ..errors import Interrupted

T = TypeVar("T")
log = logging.getLogger("s3amfs")

MOST_THREADS = 32
"""Verbs at a time; each only waits, since the engine's loops do the work."""


class Cancelled:
    """Cancels a running verb that no caller waits for any more."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def check(self) -> None:
        """Raises Interrupted; for the callbacks of a verb, which then stops its transfer."""
        if self._set:
            raise Interrupted("the operation was cancelled")


def on_event_of(
    callback: Callback, cancelled: Cancelled, keep: Callable[[TransferResult], None]
) -> Callable[[Event], None]:
    """Returns an `on_event` that updates an fsspec callback: exact bytes, never backwards.

    keep: gets the result. It raises Interrupted once no caller waits any more.
    """

    def on_event(event: Event) -> None:
        cancelled.check()
        if isinstance(event, BytesMoved):
            if callback.size is None and event.total is not None:
                callback.set_size(event.total)
            callback.absolute_update(event.done)
        elif isinstance(event, TransferResult):
            keep(event)
        else:
            pass_on_warning(event)

    return on_event


def pass_on_warning(event: Event) -> None:
    """A warning goes to the log `s3amfs`, which Python shows on stderr unless the program decides otherwise."""
    if isinstance(event, Warned):
        warn(event.message)


def warn(message: str) -> None:
    """Shows `message` to the user of the file system."""
    log.warning("%s", message)


class Threads:
    """At most `limit` threads, each of them there only while there is work."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        """Runs `work`, which raises nothing, in a thread. Raises OSError."""
        with self._lock:
            if self._running >= self._limit:
                self._waiting.append(work)
                return
            self._running += 1
        try:
            threading.Thread(target=self._run, args=(work,), name="s3am-fs", daemon=True).start()
        except RuntimeError as error:  # a limit, or the interpreter ends
            with self._lock:
                self._running -= 1
            raise OSError(errno.EAGAIN, f"no thread can be started ({error})") from None

    def _run(self, work: Callable[[], None]) -> None:
        while True:
            work()
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                work = self._waiting.popleft()


_threads = Threads(MOST_THREADS)


def _forget_after_fork() -> None:
    global _threads, _mailboxes_lock
    _threads = Threads(MOST_THREADS)
    _mailboxes_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)


def call(function: Callable[..., T], *given: Any) -> T:
    """Calls a function of the user. Raises a RuntimeError in place of an exception that would end the event loop."""
    try:
        return function(*given)
    except Exception:
        raise
    except BaseException as error:
        raise _harmless(error) from error


def _harmless(error: BaseException) -> Exception:
    """asyncio takes StopIteration for the end of a coroutine, and SystemExit for the end of the event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    harmless = RuntimeError(f"{type(error).__name__} was raised by a callback: {error}")
    harmless.__cause__ = error
    return harmless


class _Mailbox:
    """Hands results to one event loop: all that come before it looks cost one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)  # the key of the table that has this
        self._letters: deque[Callable[[], None]] = deque()
        self._woken = False

    def put(self, letter: Callable[[], None]) -> None:
        """Calls `letter`, which raises nothing, in the event loop, soon. Any thread."""
        self._letters.append(letter)
        if self._woken:
            return
        self._woken = True
        loop = self._loop()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            return  # the event loop is closed: nobody waits

    def _deliver(self) -> None:
        self._woken = False  # first: what is put in from here on wakes again
        while self._letters:
            self._letters.popleft()()


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = weakref.WeakKeyDictionary()
_mailboxes_lock = threading.Lock()


def _mailbox() -> _Mailbox:
    """The running event loop's."""
    loop = asyncio.get_running_loop()
    with _mailboxes_lock:
        found = _mailboxes.get(loop)
        if found is None:
            found = _mailboxes[loop] = _Mailbox(loop)
        return found


async def run(function: Callable[[], T], cancelled: Cancelled | None = None) -> T:
    """Calls `function` in a thread and returns its result. cancelled: set when this coroutine is cancelled."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    mailbox = _mailbox()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            _settle(mailbox, future, None, _harmless(error))
        else:
            _settle(mailbox, future, result, None)

    _threads.submit(work)
    try:
        return await future
    except asyncio.CancelledError:
        if cancelled is not None:
            cancelled.set()
        raise


async def answer(begin: Callable[[Callable[[T], None]], Callable[[], None]], cause: str) -> T:
    """Returns the value that `begin` passes to its callback, from any thread; `begin` returns a function that aborts.

    cause: named in the report of a long wait.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    mailbox = _mailbox()
    cut = begin(lambda result: _settle(mailbox, future, result, None))
    report = loop.call_later(waiting.WAIT_SECONDS, waiting.report, cause)
    try:
        return await future
    except asyncio.CancelledError:
        cut()
        raise
    finally:
        report.cancel()


@asynccontextmanager
async def room(gate: SlotGate, size: int = 0) -> AsyncIterator[None]:
    """A slot of `gate` and room for `size` bytes."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    here = threading.get_ident()

    def granted() -> None:
        if threading.get_ident() == here:
            settle()
        else:
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:  # the event loop is closed: nobody waits
                gate.leave(size)

    def settle() -> None:
        if future.cancelled():
            gate.leave(size)
        else:
            future.set_result(None)

    gate.enter(granted, size)
    try:
        await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled():
            gate.leave(size)  # granted, and cancelled before this went on
        raise
    try:
        yield
    finally:
        gate.leave(size)


def _settle(mailbox: _Mailbox, future: asyncio.Future[T], result: Any, error: Exception | None) -> None:
    def settle() -> None:
        if future.done():  # nobody waits, or it is known already
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    mailbox.put(settle)
