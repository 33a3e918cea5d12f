"""The bounded pipe between the two exchanges of a relay, and the end of it that both of them hold. One thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..core.continuation import tail
from ..core.failures import Failure, Kind
from ..wire.curl.exchange import Exchange
from ..wire.curl.streams import PAUSE
from ..wire.messages import Reply
from .joining import mark_of
from .loop import Loop
from .part_problem import PartProblem

PIPE_BYTES = 256 * 1024
"""Room of the pipe of a relay; curl's own buffers on either side come on top."""


class Pipe:
    """Bytes between the two exchanges of a relay, in one thread."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.received = 0
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.reader_waits = False
        self.writer_waits = False

    @property
    def is_filling(self) -> bool:
        """The source gives more than the target takes."""
        return self.writer_waits or self._size > PIPE_BYTES // 2

    def put(self, data: bytes) -> bool:
        """Takes `data` unless there is no room."""
        if self._size and self._size + len(data) > PIPE_BYTES:
            self.writer_waits = True
            return False
        self._chunks.append(data)
        self._size += len(data)
        self.received += len(data)
        return True

    def get(self, size: int) -> bytes | None:
        """Up to `size` bytes; None when there are none yet."""
        if not self._chunks:
            self.reader_waits = True
            return None
        taken: list[bytes] = []
        while self._chunks and size > 0:
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            taken.append(chunk)
            size -= len(chunk)
            self._size -= len(chunk)
        return taken[0] if len(taken) == 1 else b"".join(taken)


class RelayEnd:
    """Both ends of the pipe of a relay: the sink of the source's exchange and the inner reader of the target's."""

    def __init__(self, loop: Loop, pipe: Pipe, accept: Callable[[Reply], None]) -> None:
        self._loop = loop
        self.pipe = pipe
        self._accept = accept
        self.mark = ""
        self.last = b""
        self.source: Exchange | None = None
        self.target: Exchange | None = None
        self.start_target: Callable[[], None] | None = None

    @property
    def moved(self) -> int:
        return self.pipe.received

    def begin(self, reply: Reply) -> None:
        self._accept(reply)
        self.mark = mark_of(reply)

    def write(self, data: bytes) -> object | None:
        pipe = self.pipe
        if pipe.received + len(data) > pipe.length:
            raise PartProblem(Failure(Kind.FATAL, "the source sent more bytes than the range asked for"))
        if not pipe.put(data):
            return PAUSE
        self.last = tail(self.last, data)
        if self.start_target is not None:  # the source has begun to deliver: only now is a target's slot of any use
            start, self.start_target = self.start_target, None
            self._loop.submit(start)
        elif pipe.reader_waits:
            pipe.reader_waits = False
            assert self.target is not None
            self._loop.multi.resume(self.target)
        return None

    def read(self, size: int) -> bytes | object:
        data = self.pipe.get(size)
        if data is None:
            return PAUSE
        if self.pipe.writer_waits:
            self.pipe.writer_waits = False
            assert self.source is not None
            self._loop.multi.resume(self.source)
        return data

    def rewind(self) -> bool:
        return False
