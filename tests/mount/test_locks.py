"""Locks of a file on a mount: local to the machine, and between two processes they hold."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.mounts import Mount, run

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
getattr(fcntl, sys.argv[2])(file, getattr(fcntl, sys.argv[3]))
print("held", flush=True)
sys.stdin.read()
"""


class Other:
    """A process that takes a lock, and keeps it until it ends."""

    def __init__(self, path: Path, call: str, kind: str) -> None:
        command = [sys.executable, "-c", HOLD, str(path), call, kind]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def holds(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == "held\n"

    def waits(self, path: Path) -> bool:
        """Whether the kernel has it in its list of those that are blocked by a lock of `path`."""
        wanted = str(path.stat().st_ino)
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return any("->" in line and line[-3].endswith(":" + wanted) for line in lines)

    def end(self) -> None:
        self.process.communicate(timeout=60)


@pytest.fixture
def path(mounted: Mount) -> Path:
    (mounted / "f").write_bytes(b"content")
    return mounted / "f"


@pytest.mark.parametrize("call", ["flock", "lockf"])
def test_an_exclusive_lock_keeps_others_out(path: Path, call: str) -> None:
    lock = getattr(fcntl, call)
    other = Other(path, call, "LOCK_EX")
    assert other.holds()
    with path.open("r+b") as file:
        for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            with pytest.raises(BlockingIOError):
                lock(file, kind | fcntl.LOCK_NB)
        other.end()
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("call", ["flock", "lockf"])
def test_who_waits_for_a_lock_gets_it(path: Path, call: str) -> None:
    lock = getattr(fcntl, call)
    with path.open("r+b") as file:
        lock(file, fcntl.LOCK_EX)
        other = Other(path, call, "LOCK_EX")
        deadline = time.monotonic() + 60
        while not other.waits(path):
            assert time.monotonic() < deadline
        assert run("cat", path) == "content", "a lock is no bar to who does not ask"
        lock(file, fcntl.LOCK_UN)
        assert other.holds()
        with pytest.raises(BlockingIOError):
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    other.end()


@pytest.mark.parametrize("call", ["flock", "lockf"])
def test_shared_locks_go_together_and_end_with_their_process(path: Path, call: str) -> None:
    lock = getattr(fcntl, call)
    others = [Other(path, call, "LOCK_SH") for _ in range(2)]
    assert all(other.holds() for other in others)
    with path.open("r+b") as file:
        lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for other in others:
            other.process.kill()
            other.end()
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
