"""`--bwlimit`: the bytes of all transfers of this process that share a limit pass through one `Limiter`.

`LimitedReader` and `LimitedSink` stand between curl and the body of a part: where a body may not move yet they pause
its exchange and have it resumed when its turn comes. They belong to one loop; a limiter may be used from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..core.bandwidth import Bandwidth, Bucket, parse_bandwidth, quantum
from ..errors import UsageError
from ..wire.curl.streams import PAUSE, Reader, Sink
from ..wire.messages import Reply

Later = Callable[[float], None]
"""Has the exchange resumed after so many seconds; called inside its callbacks."""
MOST_FILE_BYTES = 64 * 1024


class Limiter:
    """The one limit of all who share it."""

    def __init__(self, bandwidth: Bandwidth) -> None:
        self._lock = threading.RLock()  # a signal's handler may come upon its own thread
        self._bandwidth = bandwidth
        self._bucket = Bucket()
        self._rate = 0
        self._looked = float("-inf")

    @property
    def least(self) -> int:
        """Bytes per second below which no limit of it goes; 0: it has none."""
        return self._bandwidth.least

    def chunk(self) -> int:
        """Bytes to reserve at a time."""
        with self._lock:
            rate = self._rate_now(time.monotonic())
        return quantum(rate) if rate else 1 << 30

    def reserve(self, count: int) -> float:
        """In how many seconds `count` bytes may move; they are then reserved."""
        now = time.monotonic()
        with self._lock:
            rate = self._rate_now(now)
            return self._bucket.reserve(count, rate, now) if rate else 0.0

    def reload(self) -> None:
        """Reads the file again, if it came from one. Raises UsageError if that fails; the limit stays as it is then."""
        file = self._bandwidth.file
        if file is not None:
            self.change(read_bandwidth(file))

    def change(self, bandwidth: Bandwidth) -> None:
        """Another limit from now on."""
        with self._lock:
            self._bandwidth, self._looked = bandwidth, float("-inf")
            self._bucket.forget()

    def _rate_now(self, now: float) -> int:
        if now - self._looked >= 1.0:
            clock = time.localtime()
            rate = self._bandwidth.rate_at(clock.tm_hour * 60 + clock.tm_min)
            if rate != self._rate:
                self._bucket.forget()
            self._rate, self._looked = rate, now
        return self._rate


def read_bandwidth(file: str) -> Bandwidth:
    """Reads a `--bwlimit-file`. Raises UsageError."""
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read(MOST_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{file} can't be read ({reason}): give a file with a rate or a schedule") from None
    return parse_bandwidth(text, file=file)


_limiters: dict[Bandwidth, Limiter] = {}
_lock = threading.Lock()


def limiter_of(limit: Bandwidth | int) -> Limiter | None:
    """The limiter of all who are given the same limit in this process; None: `limit` (bytes per second) is 0."""
    if not limit:
        return None
    bandwidth = Bandwidth(((0, limit),)) if isinstance(limit, int) else limit
    with _lock:
        return _limiters.setdefault(bandwidth, Limiter(bandwidth))


def reload_limits() -> None:
    """Every limit that came from a file is read again. Raises UsageError. May be called by a signal's handler."""
    for limiter in list(_limiters.values()):
        limiter.reload()


class LimitedReader:
    """The body of a request, as fast as the limit allows."""

    def __init__(self, inner: Reader, limiter: Limiter, later: Later) -> None:
        self._inner = inner
        self._limiter = limiter
        self._later = later
        self._granted = 0
        self.waiting = False
        """Its turn has not come yet."""

    def read(self, size: int) -> bytes | object:
        self.waiting = False
        if not self._granted:
            count = min(size, self._limiter.chunk())
            delay = self._limiter.reserve(count)
            self._granted = count
            if delay > 0:
                self.waiting = True
                self._later(delay)
                return PAUSE
        data = self._inner.read(min(size, self._granted))
        if data is not PAUSE:
            assert isinstance(data, bytes)
            self._granted = max(0, self._granted - len(data))
        return data

    def rewind(self) -> bool:
        return self._inner.rewind()


class LimitedSink:
    """The body of a reply, as fast as the limit allows."""

    def __init__(self, inner: Sink, limiter: Limiter, later: Later) -> None:
        self._inner = inner
        self._limiter = limiter
        self._later = later
        self._granted = 0
        self.waiting = False
        """Its turn has not come yet."""

    def begin(self, reply: Reply) -> None:
        self._inner.begin(reply)

    def write(self, data: bytes) -> object | None:
        self.waiting = False
        missing = len(data) - self._granted
        if missing > 0:
            delay = self._limiter.reserve(missing)
            self._granted = len(data)
            if delay > 0:
                self.waiting = True
                self._later(delay)
                return PAUSE
        taken = self._inner.write(data)
        if taken is not PAUSE:
            self._granted -= len(data)
        return taken
