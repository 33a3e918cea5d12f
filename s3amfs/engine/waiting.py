"""Waits that take long are reported, each once: on stderr by a command, as a log warning in a library.

The clock of a wait is its caller's; nothing here waits or retries. Any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WAIT_SECONDS = 5.0
"""A wait that takes longer is reported."""

Listener = Callable[[str], None]
"""Gets one line, 'waiting: …'."""

_listener: Listener = logging.getLogger("s3amfs").warning


def listen(listener: Listener) -> None:
    """From now on `listener` gets the lines of this process."""
    global _listener
    _listener = listener


def report(cause: str) -> None:
    """Reports that something waits for `cause`, one line without secrets."""
    _listener(f"waiting: {cause}")


class Wait:
    """One wait: `look` is called again and again while it lasts, `progressed` when it got on."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._reported: set[str] = set()

    def progressed(self) -> None:
        self._since = time.monotonic()

    def look(self, cause: Callable[[], str | None]) -> None:
        """Reports `cause()` if the wait takes long now and that was not reported before; None: nothing is awaited."""
        if time.monotonic() - self._since < WAIT_SECONDS:
            return
        self._since = time.monotonic()
        found = cause()
        if found is not None and found not in self._reported:
            self._reported.add(found)
            report(found)


@contextmanager
def long_wait(cause: str) -> Iterator[None]:
    """Around a step that blocks: reports `cause` if it takes long. Costs a thread."""
    timer = threading.Timer(WAIT_SECONDS, report, (cause,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
