"""`.s3am/`, the folder of partial files in a local target: shared by the runs at work there, cleaned by the first one.

Each run holds a shared lock (flock) of the folder; it ends with the process, also after `kill -9`. A run that gets the
lock for itself knows that nobody writes there: small partial files and probes are then what a killed run has left, and
go. Large partial files have the same name in each run, which continues them; they go when no job is left that would.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable

from ..core.entries import RESERVED

NAME = RESERVED.rstrip("/")
_OF_ONE_RUN = re.compile(r"[0-9]+-[0-9]+\.partial|s3am-probe-[0-9a-f]{16}-.*", re.DOTALL)
_OF_A_KEY = re.compile(r"[0-9a-f]{32}|\.[0-9a-f]{32}\.(?:partial|progress)")


def open_partials(root: int, open_folder: Callable[[], int]) -> int:
    """A descriptor of the folder, locked and cleaned. root: descriptor of the target.

    open_folder: opens the folder below `root`, and makes it where it is missing. Raises OSError.
    """
    while True:
        folder = open_folder()
        try:
            if _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                _remove(folder, _OF_ONE_RUN)
            _lock(folder, fcntl.LOCK_SH)
            if _is_still_there(root, folder):
                return folder
        except BaseException:
            os.close(folder)
            raise
        os.close(folder)


def close_partials(root: int, folder: int, none_left: Callable[[], bool]) -> None:
    """Gives up the lock; the folder goes if nobody else is at work in it and it is empty.

    none_left: whether no unfinished job needs the large partial files; asked where there are some.
    """
    try:
        if _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if os.listdir(folder) and none_left():
                _remove(folder, _OF_A_KEY)
            with contextlib.suppress(OSError):  # something unfinished is in it
                os.rmdir(NAME, dir_fd=root)
    finally:
        os.close(folder)


def _lock(folder: int, how: int) -> bool:
    """False where somebody else has it, or the file system knows no locks: then nothing is cleaned."""
    try:
        fcntl.flock(folder, how)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise
    return True


def _remove(folder: int, names: re.Pattern[str]) -> None:
    for name in os.listdir(folder):
        if names.fullmatch(name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def _is_still_there(root: int, folder: int) -> bool:
    """Whether the folder that is open was not removed, by a run that ended, before it was locked."""
    try:
        there = os.stat(NAME, dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(folder))
