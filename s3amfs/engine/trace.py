"""`--trace`: the one recorder of this process, which writes requests and waits to a file as they end.

A request that moved a part is in the file as soon as it has ended, whatever happens to the process, and so is all that
came before. Everything else waits for the next of these, for `FLUSH_SECONDS` at most: one `write(2)` has many requests
of small objects. Where nothing is recorded, an event costs one comparison. Any thread.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ..core.trace_events import HEAD, Encoder, RequestSpan, moves_part
from ..errors import UsageError
from .file_io import write_all

FLUSH_SECONDS: Final = 0.25


class Recorder:
    """Writes one trace. Ends by itself where its file can't be written."""

    def __init__(self, path: str, name: str, warn: Callable[[str], None]) -> None:
        """Makes the file, or replaces an older trace. name: of the process in the trace. warn: gets one line if the
        file can't be written any more. Raises UsageError for a file that is no trace, and where none can be made."""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"the trace {path} can't be written: {error.strerror}") from None
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            if os.pread(self._fd, len(HEAD), 0) not in (b"", HEAD.encode()):
                os.close(self._fd)
                raise UsageError(f"{path} exists and is not a trace: give another name to --trace")
            os.ftruncate(self._fd, 0)
        self._warn = warn
        self._lock = threading.Lock()
        self._path = path
        self._pid = os.getpid()
        self._encoder = Encoder(self._pid)
        self._pending: deque[RequestSpan | Callable[[], str]] = deque()
        self._closed = threading.Event()
        self._write(self._encoder.start(name, time.monotonic(), time.time()))
        self._flusher: threading.Thread | None = threading.Thread(target=self._run, name="s3am-trace", daemon=True)
        try:
            self._flusher.start()
        except RuntimeError:  # a limit of threads: each event is written at once
            self._flusher = None

    def request(self, span: RequestSpan) -> None:
        """A request that has ended."""
        self._pending.append(span)  # without the lock: the loops' threads take it for parts only
        if self._flusher is None or moves_part(span):
            self._flush()

    def wait(self, name: str, began: float, ended: float, args: Mapping[str, object]) -> None:
        """A part that waited, in monotonic seconds."""
        self._add(lambda: self._encoder.wait(name, began, ended, args))

    def instant(self, name: str, args: Mapping[str, object]) -> None:
        now = time.monotonic()
        self._add(lambda: self._encoder.instant(name, now, args))

    def counters(self, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        self._add(lambda: self._encoder.counters(now, values))

    def close(self) -> None:
        if self._pid != os.getpid():
            return  # a fork of the process whose trace this is
        self._closed.set()
        self._flush()
        with self._lock:
            self._write(self._encoder.end(time.monotonic()))
            self._end()

    def _add(self, event: Callable[[], str]) -> None:
        self._pending.append(event)
        if self._flusher is None:
            self._flush()

    def _run(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        """Encodes and writes what has come: the text of many events in a row costs least."""
        with self._lock:
            lines = []
            while self._pending:
                event = self._pending.popleft()
                lines.append(self._encoder.request(event) if isinstance(event, RequestSpan) else event())
            if lines:
                self._write("".join(lines))

    def _write(self, text: str) -> None:
        if self._fd < 0:
            return
        try:
            data = text.encode()
            written = os.write(self._fd, data)
            if written < len(data):
                write_all(self._fd, data[written:])
        except OSError as error:  # a trace that can't be written is no reason to stop what it shows
            self._end()
            self._warn(f"the trace {self._path} ends here: {error.strerror}")

    def _end(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_recorder: Recorder | None = None


def request() -> Callable[[RequestSpan], None] | None:
    """The function that records a request; None: there is no trace."""
    return None if _recorder is None else _recorder.request


def record(recorder: Recorder | None) -> None:
    """From now on `recorder` gets what happens in this process; None: nothing does."""
    global _recorder
    _recorder = recorder


def recorder() -> Recorder | None:
    """The recorder of this process; None: there is no trace."""
    return _recorder


@contextmanager
def recording(path: str | None, name: str, warn: Callable[[str], None]) -> Iterator[None]:
    """Around what is traced, with the arguments of `Recorder`; a path of None: there is no trace."""
    if path is None:
        yield
        return
    made = Recorder(path, name, warn)
    record(made)
    try:
        yield
    finally:
        record(None)
        made.close()


os.register_at_fork(after_in_child=lambda: record(None))
"""The parent's trace has the parent's requests; another thread of it may hold the lock."""
