"""The bytes of one part that is filled before it is sent: in memory while it is small, in a file without a name beyond.

For standard input, FUSE writes and replies that no ranges can be asked of. One thread fills it, then a loop reads it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator

from .file_io import write_all_at

MEMORY_BYTES = 10 * 1024 * 1024
"""Larger parts go to a file: with what is in flight and read ahead, a stream holds less than 48 MiB."""
FILE_COST = 8 * 1024 * 1024
"""Bytes of a budget that a part in a file counts for, so that not too many wait on the disk."""
CHUNK_BYTES = 1024 * 1024


class FillingMemory:
    """Memory that the parts of many writers share while they are filled. Threads may share it.

    Nobody waits for it: whoever gets none fills a file. A program may leave a file open for hours with a part half
    full, or write to one file only once another is closed, so a wait might never end.
    limit: bytes. folder: of the files; None: `temporary_folder`.
    """

    def __init__(self, limit: int, folder: str | None = None) -> None:
        self.limit = limit
        self.folder = folder
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes that are taken now."""
        return self._used

    def take(self, count: int) -> bool:
        """Takes `count` bytes if they are free; returns whether they were."""
        with self._lock:
            if self._used + count > self.limit:
                return False
            self._used += count
            return True

    def give(self, count: int) -> None:
        """Gives back `count` bytes."""
        with self._lock:
            self._used -= count


class PartBuffer:
    """Bytes to which more are appended. memory: where its bytes count while it is filled; None: nowhere."""

    def __init__(self, data: bytes | bytearray | memoryview = b"", memory: FillingMemory | None = None) -> None:
        self._memory = bytearray()
        self._fd = -1
        self._length = 0
        self._shared = memory
        self._taken = 0
        """Bytes of the shared memory."""
        if data:
            self.append(data)

    def __len__(self) -> int:
        return self._length

    def __del__(self) -> None:
        # Only now: as long as anybody reads from it, its bytes are in memory, and its descriptor is no other file's.
        self.leave_memory()
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def held(self) -> int:
        """Bytes that it counts for in a budget of memory."""
        return self._length if self._fd < 0 else FILE_COST

    def leave_memory(self) -> None:
        """It is full, and counts elsewhere from now on."""
        if self._shared is not None:
            self._shared.give(self._taken)
            self._shared, self._taken = None, 0

    def drop(self) -> None:
        """Frees the memory or disk of its bytes at once. A transfer that has read them, or the traceback of an error,
        may refer to this object until garbage is collected."""
        self._length = 0
        self.leave_memory()
        if self._fd < 0:
            self._memory = bytearray()
        else:
            os.ftruncate(self._fd, 0)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Raises OSError where the file can't be made or grow: then nothing is appended."""
        if self._fd < 0 and not self._takes(len(data)):
            self._move_to_file()
        if self._fd < 0:
            self._memory += data
        else:
            write_all_at(self._fd, data, self._length)
        self._length += len(data)

    def _takes(self, count: int) -> bool:
        """Whether there is memory for `count` bytes more."""
        if self._length + count > MEMORY_BYTES:
            return False
        if self._shared is not None:
            if not self._shared.take(count):
                return False
            self._taken += count
        return True

    def _move_to_file(self) -> None:
        fd = _nameless_file(self._shared.folder if self._shared is not None else None)
        try:
            write_all_at(fd, self._memory, 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._memory = fd, bytearray()
        if self._shared is not None:
            self._shared.give(self._taken)
            self._taken = 0

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
        if length >= self._length:
            return
        if self._fd < 0:
            del self._memory[length:]
            if self._shared is not None:
                self._shared.give(self._taken - length)
                self._taken = length
        else:
            os.ftruncate(self._fd, length)
        self._length = length

    def read(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from `at` on; b'' at the end. Raises OSError."""
        size = max(0, min(size, self._length - at))  # behind the end may be what a failed write has left
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


def _nameless_file(folder: str | None) -> int:
    """A descriptor of a new file that has no name, in `folder`; None: `temporary_folder`. Raises OSError."""
    folder = folder or temporary_folder()
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # a file system without O_TMPFILE
        fd, name = tempfile.mkstemp(prefix="s3am-", dir=folder)
        os.unlink(name)
        return fd
