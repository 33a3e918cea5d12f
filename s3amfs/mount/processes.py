"""The callers, distinguished by /proc: the kernel flushes the files of a dying process just as it does at a close."""

from __future__ import annotations

import os
import signal
from pathlib import Path

PF_EXITING = 0x4
"""include/linux/sched.h: getting shut down."""
UNLINKING = {"x86_64": ("87", "263"), "aarch64": ("35",), "riscv64": ("35",)}
"""Numbers of unlink and unlinkat by machine."""
STAT_BYTES = 4096
"""More than /proc/PID/stat has: 52 numbers and a name of at most 64 bytes."""
MOST_NAMED = 5
"""Processes of other mount namespaces that are named."""
FATAL = sum(1 << number - 1 for number in (signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS))
"""Signals that end a process with a core dump: they are not made SIGKILL before the process takes them."""


def was_killed(pid: int) -> bool:
    """Whether `pid` is dying of a signal. One that is gone, or may not be looked at, counts as one that has closed.

    Raises OSError where nobody can be looked at (no descriptor is left).
    """
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return dies_of_a_signal(os.read(file, STAT_BYTES).decode(errors="replace"))
        finally:
            os.close(file)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def dies_of_a_signal(stat: str) -> bool:
    """proc(5), /proc/pid/stat: field 9 is flags, field 52 is exit_code as waitpid gives it (0 without permission).

    A kernel before 3.5 has no exit_code there.
    """
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return len(fields) > 49 and bool(int(fields[6]) & PF_EXITING and int(fields[49]) & 0x7F)


def process_of(thread: int) -> int:
    """The process that a thread belongs to; the thread itself where that can't be seen.

    Source of the rule: pidfd_open(2), only a process's first thread has one. That costs a tenth of reading /proc.
    """
    try:
        os.close(os.pidfd_open(thread))
        return thread
    except OSError:
        return _group_of(thread)


def _group_of(thread: int) -> int:
    try:
        for line in Path(f"/proc/{thread}/status").read_text(errors="replace").splitlines():
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    except OSError:
        return thread
    return thread


def is_being_killed(thread: int) -> bool:
    """Whether a signal waits for `thread` that ends its process. One that may not be looked at counts as one that does.

    Source of the rule: signal(7) and kernel/signal.c, complete_signal: a signal that ends a process becomes SIGKILL
    for each of its threads; proc(5): SigPnd and SigCgt in /proc/pid/status.
    """
    try:
        text = Path(f"/proc/{thread}/status").read_text(errors="replace")
    except OSError:
        return True
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    pending = int(fields.get("SigPnd", "0"), 16) | int(fields.get("ShdPnd", "0"), 16)
    return bool(pending & (FATAL & ~int(fields.get("SigCgt", "0"), 16) | 1 << signal.SIGKILL - 1))


def is_unlinking(thread: int) -> bool:
    """Whether `thread` waits in unlink(2) or unlinkat(2), and not, say, in rename(2); False where that can't be seen.

    Source of the rule: proc(5), /proc/pid/syscall; the kernel's tables of system calls.
    """
    try:
        number = Path(f"/proc/{thread}/syscall").read_text().split()[0]
    except (OSError, IndexError):
        return False
    return number in UNLINKING.get(os.uname().machine, ())


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
    """Returns the name of this process's PID namespace."""
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


def is_written_elsewhere(path: str) -> bool:
    """Whether any process that may be looked at has `path` open for writing, beside the descriptor being closed."""
    return any(_writes(entry, path) for entry in os.listdir("/proc") if entry.isdigit())


def _writes(entry: str, path: str) -> bool:
    """By proc(5): /proc/PID/fd, and the flags of open(2), octal, in /proc/PID/fdinfo.

    ' (deleted)' is also behind a name that the kernel has only dropped from its cache.
    """
    folder = f"/proc/{entry}"
    try:
        for number in os.listdir(f"{folder}/fd"):
            if _target(f"{folder}/fd/{number}") in (path, f"{path} (deleted)"):
                info = Path(f"{folder}/fdinfo/{number}").read_text()
                flags = next(line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
                if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
    except OSError:
        return False  # it ended, or is another user's
    return False


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


def processes_with(device: int) -> list[str]:
    """'PID (name)' of processes in whose mount namespace the file system `device` (st_dev) is mounted, the first few.

    Source of the rule: proc(5), /proc/PID/mountinfo, whose third field is major:minor of st_dev.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    found: list[str] = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and len(found) < MOST_NAMED:
                mounts = Path(f"/proc/{entry}/mountinfo").read_text(errors="replace").splitlines()
                if any(line.split()[2] == number for line in mounts):
                    found.append(f"{entry} ({Path(f'/proc/{entry}/comm').read_text().strip()})")
        except OSError:
            continue  # it ended, or is another user's
    return found


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
