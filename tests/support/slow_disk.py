"""A file system in user space whose reads are slow: `python -m tests.support.slow_disk FILE DIRECTORY RATE`.

It shows FILE as DIRECTORY/f, RATE bytes a second, and serves until it is unmounted.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from typing import Any

import mfusepy


class SlowDisk(mfusepy.Operations):  # type: ignore[misc]
    """One file, read by one thread at a time."""

    use_ns = True

    def __init__(self, file: str, rate: float) -> None:
        self._fd = os.open(file, os.O_RDONLY)
        self._rate = rate
        self._lock = threading.Lock()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path != "/f":
            raise mfusepy.FuseOSError(errno.ENOENT)
        found = os.fstat(self._fd)
        return {"st_mode": stat.S_IFREG | 0o644, "st_size": found.st_size, "st_nlink": 1, "st_mtime": found.st_mtime_ns}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", "f"]

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self._lock:
            data = os.pread(self._fd, size, offset)
            time.sleep(len(data) / self._rate)  # this is the disk's speed
            return data


if __name__ == "__main__":
    mfusepy.FUSE(SlowDisk(sys.argv[1], float(sys.argv[3])), sys.argv[2], foreground=True, ro=True)
