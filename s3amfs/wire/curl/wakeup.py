"""Ends another thread's wait on an epoll: a pair of sockets, of which one end is watched."""

from __future__ import annotations

import socket
from typing import Final

WAKE_UPS: Final = 4096
"""Taken at a time; fewer: there are no more."""


class Wakeup:
    """`wake` may be called from any thread, the rest belongs to the one that waits. Raises OSError."""

    def __init__(self) -> None:
        self._receive, self._send = socket.socketpair()
        self._receive.setblocking(False)
        self._send.setblocking(False)

    @property
    def fd(self) -> int:
        """The descriptor to watch: it becomes readable."""
        return self._receive.fileno()

    def wake(self) -> None:
        """Ends the wait that runs or the next one. Never blocks."""
        try:
            self._send.send(b"\0")
        except BlockingIOError:
            return  # the buffer is full of wake-ups already

    def drain(self) -> None:
        """Takes all wake-ups that have come."""
        try:
            while len(self._receive.recv(WAKE_UPS)) == WAKE_UPS:
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Closes both sockets."""
        self._receive.close()
        self._send.close()
