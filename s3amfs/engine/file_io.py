"""Whole writes and reads of ranges of local files: the kernel may take or give less than it was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable

READ_BYTES = 1024 * 1024


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Writes all of `data` where the file is. Raises OSError, as of a full disk, maybe after a part of it."""
    with memoryview(data) as view:
        done = 0
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
