"""Progress where there is no terminal: a plain line at least every ten seconds, also while nothing moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..core.events import BytesMoved, Event, PartFinished, PartRetried, TransferStarted
from ..core.sizes import format_size

LINE_SECONDS = 10.0


class ProgressLines:
    """Lines about one transfer, by a thread of their own. say: prints one."""

    def __init__(self, started: TransferStarted, say: Callable[[str], None], every: float = LINE_SECONDS) -> None:
        self._verb = started.verb
        self._parts, self._done_parts = started.parts, started.resumed_parts
        self._first = self._done = started.resumed_bytes
        self._total = started.size
        self._retries = 0
        self._begun = time.monotonic()
        self._say = say
        self._every = every
        self._over = threading.Event()
        threading.Thread(target=self._run, name="s3am-progress", daemon=True).start()

    def show(self, event: Event) -> None:
        if isinstance(event, BytesMoved):
            self._done, self._total = event.done, event.total if event.total is not None else self._total
        elif isinstance(event, PartFinished):
            self._done_parts += 1
        elif isinstance(event, PartRetried):
            self._retries += 1

    def line(self, text: str) -> None:
        """Prints something else."""
        self._say(text)

    def close(self) -> None:
        self._over.set()

    def text(self) -> str:
        """Where the transfer is now: bytes, rate, parts, retries."""
        total = f" of {format_size(self._total)}" if self._total is not None else ""
        rate = int((self._done - self._first) / max(0.001, time.monotonic() - self._begun))
        parts = f", part {self._done_parts} of {self._parts}" if self._parts is not None else ""
        retries = f", {self._retries} {'retry' if self._retries == 1 else 'retries'}" if self._retries else ""
        return f"{self._verb}: {format_size(self._done)}{total}, {format_size(rate)}/s{parts}{retries}"

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._say(self.text())
