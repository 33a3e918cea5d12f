"""The bytes of one part that is filled before it is sent: in memory while it is small, in a file without a name beyond.

For standard input, FUSE writes and replies that no ranges can be asked of. One thread fills it, then a loop reads it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from .file_io import write_all_at

MEMORY_BYTES = 10 * 1024 * 1024
"""Larger parts go to a file: with what is in flight and read ahead, a stream holds less than 48 MiB."""
FILE_COST = 8 * 1024 * 1024
"""Bytes of a budget that a part in a file counts for, so that not too many wait on the disk."""
CHUNK_BYTES = 1024 * 1024


class PartBuffer:
    """Bytes to which more are appended."""

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        self._memory = bytearray(data)
        self._fd = -1
        self._length = len(self._memory)

    def __len__(self) -> int:
        return self._length

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def held(self) -> int:
        """Bytes that it counts for in a budget of memory."""
        return self._length if self._fd < 0 else FILE_COST

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Raises OSError where the file can't grow."""
        if self._fd < 0 and self._length + len(data) > MEMORY_BYTES:
            self._fd = _nameless_file()
            write_all_at(self._fd, self._memory, 0)
            self._memory = bytearray()
        if self._fd < 0:
            self._memory += data
        else:
            write_all_at(self._fd, data, self._length)
        self._length += len(data)

    def overwrite(self, data: bytes | bytearray | memoryview, at: int) -> None:
        """Other bytes from `at` on, within what is there. Raises OSError."""
        if at < 0 or at + len(data) > self._length:
            raise ValueError(f"{len(data)} bytes at {at} of {self._length}")
        if self._fd < 0:
            self._memory[at : at + len(data)] = data
        else:
            write_all_at(self._fd, data, at)

    def truncate(self, length: int) -> None:
        """Keeps the first `length` bytes."""
        if self._fd < 0:
            del self._memory[length:]
        else:
            os.ftruncate(self._fd, length)
        self._length = min(self._length, length)

    def read(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from `at` on; b'' at the end. Raises OSError."""
        if self._fd < 0:
            return bytes(memoryview(self._memory)[at : at + size])
        return os.pread(self._fd, size, at)

    def chunks(self) -> Iterator[bytes]:
        """All bytes in order, a few at a time."""
        for at in range(0, self._length, CHUNK_BYTES):
            yield self.read(at, CHUNK_BYTES)


def temporary_folder() -> str:
    """Folder for large files that are gone with the process: TMPDIR, else /var/tmp, since /tmp may lie in memory."""
    chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return tempfile.gettempdir() if chosen or not os.access("/var/tmp", os.W_OK | os.X_OK) else "/var/tmp"


def _nameless_file() -> int:
    """A descriptor of a new file that is in no folder. Raises OSError."""
    folder = temporary_folder()
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system without O_TMPFILE
        fd, name = tempfile.mkstemp(prefix="s3am-", dir=folder)
        os.unlink(name)
        return fd
