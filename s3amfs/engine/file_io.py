"""Whole writes and reads of ranges of local files: the kernel may take or give less than it was asked for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

READ_BYTES = 1024 * 1024


class _Spent(threading.local):
    """Seconds that one thread has spent in reads and writes of the files of transfers."""

    def __init__(self) -> None:
        self.seconds = [0.0, 0.0]
        _all_spent.append(self.seconds)


_all_spent: list[list[float]] = []
_spent = _Spent()


def read_at(fd: int, size: int, offset: int) -> bytes:
    """As `os.pread`, for the parts of transfers: the time it takes is counted."""
    began = time.monotonic()
    data = os.pread(fd, size, offset)
    _spent.seconds[0] += time.monotonic() - began
    return data


def write_pieces_at(fd: int, pieces: list[bytes], offset: int) -> int:
    """As `os.pwritev`, for the parts of transfers: the time it takes is counted."""
    began = time.monotonic()
    written = os.pwritev(fd, pieces, offset)
    _spent.seconds[1] += time.monotonic() - began
    return written


def busiest() -> tuple[float, float]:
    """(seconds in `read_at`, seconds in `write_pieces_at`) so far of the threads that have spent most there."""
    spent = list(_all_spent)
    return max((seconds[0] for seconds in spent), default=0.0), max((seconds[1] for seconds in spent), default=0.0)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of `data` where the file is. Raises OSError, as of a full disk, maybe after a part of it."""
    done = os.write(fd, data) if data else 0
    if done < len(data):
        with memoryview(data) as view:
            while done < len(view):
                done += os.write(fd, view[done:])


def write_all_at(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """The same at `offset` bytes."""
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(fd, view[done:], offset + done)


def hash_range(fd: int, start: int, end: int, *updates: Callable[[bytes], object]) -> int:
    """Gives the bytes [start, end) of a file to each of `updates`, in order; returns how many there were.

    Fewer than asked for only where the file ends before. Raises OSError.
    """
    at = start
    while at < end:
        data = os.pread(fd, min(READ_BYTES, end - at), at)
        if not data:
            break
        for update in updates:
            update(data)
        at += len(data)
    return at - start


def make_private(folder: str) -> None:
    """Makes `folder`, and what is missing above it, for this user alone. Raises OSError.

    Source of the rule: os.makedirs gives its mode to the last folder only, the others get the umask's.
    """
    above = os.path.dirname(folder)
    if above != folder and above and not os.path.isdir(above):
        make_private(above)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
