"""Who closes a file and who dies with it open: what is said where /proc says little or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from s3amfs.mount.processes import PF_EXITING, dies_of_a_signal, is_written_elsewhere, process_of, was_killed
from tests.support.mounts import run

RUNNING = 0x400000
"""Flags of a process that does not end (PF_RANDOMIZE)."""


def stat(flags: int, exit_code: int, name: str = "cp") -> str:
    """A line as the kernel writes it: 52 fields, the name in brackets."""
    fields = ["1", f"({name})", "R", *["0"] * 49]
    fields[8], fields[51] = str(flags), str(int(exit_code))
    return " ".join(fields) + "\n"


@pytest.mark.parametrize("name", ["cp", "a b) R 1 (c", "", ") 4 9 9 9 9 9 4"])
@pytest.mark.parametrize(
    ("flags", "exit_code", "killed"),
    [
        (RUNNING | PF_EXITING, signal.SIGKILL, True),
        (RUNNING | PF_EXITING, signal.SIGSEGV | 0x80, True),  # with a core
        (RUNNING | PF_EXITING, 0, False),  # it exits, or this may not be read: a close
        (RUNNING | PF_EXITING, 1 << 8, False),  # exit(1)
        (RUNNING, signal.SIGKILL, False),  # it closes its file, and has not begun to die
        (RUNNING, 0, False),
    ],
)
def test_what_the_kernel_says(flags: int, exit_code: int, killed: bool, name: str) -> None:
    assert dies_of_a_signal(stat(flags, exit_code, name)) is killed


@pytest.mark.parametrize("text", ["", "1 (cp) R", " ".join(stat(PF_EXITING, 9).split()[:51]), ")"])
def test_a_line_without_an_exit_code_is_a_close(text: str) -> None:
    assert dies_of_a_signal(text) is False


def test_the_fields_are_those_of_this_kernel() -> None:
    """A process that has died and was not waited for yet is one that is exiting, with all it died of."""
    for number in (signal.SIGKILL, 0):
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        if number:
            process.send_signal(number)
        else:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        try:
            assert was_killed(process.pid) is bool(number)
        finally:
            process.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_death_that_another_user_may_not_read_looks_like_a_close() -> None:
    """As for a daemon that is not root: the kernel writes 0 for the exit_code of other users' processes."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        other = ("setpriv", "--reuid=4321", "--regid=4321", "--clear-groups")
        seen = run(*other, "cat", f"/proc/{process.pid}/stat")
        assert int(seen.rpartition(")")[2].split()[6]) & PF_EXITING
        assert dies_of_a_signal(seen) is False
        assert was_killed(process.pid) is True, "root sees it"
    finally:
        process.communicate()


def test_who_cannot_be_seen_counts_as_one_that_closed() -> None:
    """It has gone, or is outside: no process has this number (it is above the largest that there can be)."""
    nobody = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert was_killed(nobody) is False
    assert process_of(nobody) == nobody
    assert was_killed(os.getpid()) is False


def test_who_writes_is_seen_also_where_the_kernel_has_dropped_the_name(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with path.open("wb"):
        assert is_written_elsewhere(str(path))
        path.unlink()
        assert is_written_elsewhere(str(path))
    assert not is_written_elsewhere(str(path))
