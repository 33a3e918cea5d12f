"""`--trace`: the one recorder of this process, which writes requests and waits to a file as they end.

Each event is written at once (one `write(2)` a request): what has ended is in the file, whatever happens to the
process.
Where nothing is recorded, an event costs one comparison. Any thread.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Mapping

from ..core.trace_events import HEAD, Encoder, RequestSpan
from ..errors import UsageError
from .file_io import write_all


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
                raise UsageError(f"{path} exists and is no trace: give another name to --trace")
            os.ftruncate(self._fd, 0)
        self._warn = warn
        self._lock = threading.Lock()
        self._path = path
        self._pid = os.getpid()
        self._encoder = Encoder(self._pid)
        self._write(self._encoder.start(name, time.monotonic(), time.time()))

    def request(self, span: RequestSpan) -> None:
        """A request that has ended."""
        with self._lock:
            self._write(self._encoder.request(span))

    def wait(self, name: str, began: float, ended: float, args: Mapping[str, object]) -> None:
        """A part that waited, in monotonic seconds."""
        with self._lock:
            self._write(self._encoder.wait(name, began, ended, args))

    def instant(self, name: str, args: Mapping[str, object]) -> None:
        with self._lock:
            self._write(self._encoder.instant(name, time.monotonic(), args))

    def counters(self, values: Mapping[str, float]) -> None:
        with self._lock:
            self._write(self._encoder.counters(time.monotonic(), values))

    def close(self) -> None:
        with self._lock:
            self._write(self._encoder.end(time.monotonic()))
            self._end()

    def _write(self, text: str) -> None:
        if self._fd < 0 or self._pid != os.getpid():
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
