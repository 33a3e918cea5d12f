"""Makes system calls of a child process go wrong: on its PYTHONPATH, Python imports this first. SICK says how.

killed after link    SIGKILL as soon as a file has got its second name; also: unlink, replace (of a .partial)
full after N         the disk has room for N bytes of written parts
quota after N        the user has, and then EDQUOT
unreadable after N   the disk reads N bytes of sources, then EIO
no manifests         the disk is full for manifests only
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Sequence
from typing import Any


def _killed_after(name: str) -> None:
    call = getattr(os, name)

    def called(path: Any, *args: Any, **names: Any) -> None:
        call(path, *args, **names)
        if os.fspath(path).endswith(".partial"):
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(os, name, called)


def _full(room: int, number: int = errno.ENOSPC) -> None:
    write = os.pwrite
    left = [room]

    def pwrite(fd: int, data: Any, at: int) -> int:
        if not left[0]:
            raise OSError(number, os.strerror(number))
        taken = write(fd, data[: left[0]], at)  # a nearly full disk takes what still fits
        left[0] -= taken
        return taken

    def pwritev(fd: int, pieces: Sequence[bytes], at: int) -> int:
        return pwrite(fd, b"".join(pieces), at)

    os.pwrite, os.pwritev = pwrite, pwritev  # type: ignore[assignment]


def _unreadable(room: int) -> None:
    read = os.pread
    left = [room]

    def pread(fd: int, size: int, at: int) -> bytes:
        left[0] -= size
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(fd, size, at)

    os.pread = pread  # type: ignore[assignment]


def _no_manifests() -> None:
    write = os.write

    def refusing(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").endswith(".manifest"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    os.write = refusing  # type: ignore[assignment]


_how = os.environ.get("SICK", "")
if _how.startswith("killed after "):
    _killed_after(_how.removeprefix("killed after "))
elif _how.startswith("full after "):
    _full(int(_how.removeprefix("full after ")))
elif _how.startswith("quota after "):
    _full(int(_how.removeprefix("quota after ")), errno.EDQUOT)
elif _how.startswith("unreadable after "):
    _unreadable(int(_how.removeprefix("unreadable after ")))
elif _how == "no manifests":
    _no_manifests()
