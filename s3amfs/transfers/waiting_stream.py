"""A stream that is read whole although somebody has made its descriptor non-blocking.

The flag belongs to the open file, which processes share: others (ssh, Node) set it on what is our standard input, too.
Python's `read` then returns None where nothing has come yet, which looks like the end to whoever tests for emptiness.
"""

from __future__ import annotations

import select
from typing import BinaryIO


class WaitingStream:
    """stream: with a descriptor, or never without bytes before its end. Does not close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """1 to `size` bytes, b'' at the end; waits until there are some. Raises OSError."""
        while True:
            data: bytes | None = self._stream.read(size)
            if data is not None:
                return data
            poll = select.poll()
            poll.register(self._stream.fileno(), select.POLLIN)
            poll.poll()
