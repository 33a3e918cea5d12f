"""Who calls: told apart by /proc, since the kernel flushes the files of a dying process just as it does at a close."""

from __future__ import annotations

import os
from pathlib import Path

PF_EXITING = 0x4
"""include/linux/sched.h: getting shut down."""


def was_killed(pid: int) -> bool:
    """Whether `pid` is dying of a signal. One that may not be looked at counts as one that closed its file."""
    try:
        return dies_of_a_signal(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except OSError:
        return False


def dies_of_a_signal(stat: str) -> bool:
    """proc(5), /proc/pid/stat: field 9 is flags, field 52 is exit_code as waitpid tells it (0 without permission).

    A kernel before 3.5 has no exit_code there.
    """
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return len(fields) > 49 and bool(int(fields[6]) & PF_EXITING and int(fields[49]) & 0x7F)


def process_of(thread: int) -> int:
    """The process that a thread belongs to; the thread itself where that can't be seen."""
    try:
        for line in Path(f"/proc/{thread}/status").read_text(errors="replace").splitlines():
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    except OSError:
        return thread
    return thread


def find_process(pid: int, namespace: str) -> int | None:
    """The process that has the number `pid` in the PID namespace `namespace`, by its number here; None: not seen here.

    namespace: as /proc/PID/ns/pid says it, such as 'pid:[4026531836]'.
    """
    if _target("/proc/self/ns/pid") == namespace:
        return pid
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _target(f"/proc/{entry}/ns/pid") == namespace and _innermost(entry) == pid:
            return int(entry)
    return None


def pid_namespace() -> str:
    return _target("/proc/self/ns/pid")


def _innermost(entry: str) -> int | None:
    """The number of a process in its own PID namespace (proc(5): the last field of NSpid)."""
    try:
        for line in Path(f"/proc/{entry}/status").read_text(errors="replace").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        return None
    return None


def is_open(path: str) -> bool:
    """Whether any process that may be looked at has `path` open, beside the descriptor that is being closed."""
    return any(path in _open_files(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())


def _open_files(pid: int) -> list[str]:
    folder = f"/proc/{pid}/fd"
    try:
        return [_target(f"{folder}/{number}") for number in os.listdir(folder)]
    except OSError:
        return []  # it ended, or is another user's


def users_of(directory: str) -> list[str]:
    """'PID (name)' of the processes that have something below `directory` open or are in it."""
    below = directory.rstrip("/") + "/"
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            links = [f"/proc/{entry}/cwd", *(f"/proc/{entry}/fd/{n}" for n in os.listdir(f"/proc/{entry}/fd"))]
            if any((_target(link) + "/").startswith(below) for link in links):
                found.append(f"{entry} ({Path(f'/proc/{entry}/comm').read_text().strip()})")
        except OSError:
            continue  # it ended, or is another user's
    return found


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
