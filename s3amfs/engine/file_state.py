"""The state of a local file: whether it is still what it was when it was looked at. One comparison for all sources."""

from __future__ import annotations

import os
from typing import NamedTuple


class FileState(NamedTuple):
    """Changes when a file is written to or replaced."""

    size: int
    """Bytes."""
    mtime_ns: int
    inode: int
    ctime_ns: int
    """No program can set it back; it also changes with mode, owner and links."""

    @property
    def without_ctime(self) -> tuple[int, int, int]:
        """For files that may lose a name, or be given another mode, meanwhile."""
        return self[:3]


def state_of(there: os.stat_result) -> FileState:
    """The state that `there` shows."""
    return FileState(there.st_size, there.st_mtime_ns, there.st_ino, there.st_ctime_ns)
