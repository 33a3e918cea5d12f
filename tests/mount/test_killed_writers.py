"""Programs that are killed, fork, or end without a close, while they write through the kernel: what is published."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy
from tests.support.python_process import ended, python

MIB = 1024 * 1024
PART = 5 * MIB

WRITE_AND_WAIT = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
data = memoryview(open(sys.argv[2], "rb").read())
while data:
    data = data[os.write(fd, data):]
print(flush=True)
input()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_writer_publishes_nothing(
    watched: Mount, proxy: FaultProxy, stored: Stored, tmp_path: Path, number: int
) -> None:
    stored.put("k", b"old")
    (tmp_path / "data").write_bytes(content(3 * PART + 10, 1))
    writer = python(WRITE_AND_WAIT, watched / "k", tmp_path / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 3)
    os.kill(writer.pid, number)
    assert ended(writer) == -number
    assert (watched / "k").read_bytes() == b"old"
    assert stored.get("k") == b"old"
    assert stored.uploads() == ["k"]
    # What was sent is not lost: a second writer of the same data sends the rest alone.
    (watched / "k").write_bytes((tmp_path / "data").read_bytes())
    assert stored.get("k") == (tmp_path / "data").read_bytes()
    assert proxy.count("UploadPart", status=200) == 4
    assert stored.uploads() == []


def test_a_killed_writer_with_threads_and_more_descriptors(mounted: Mount, stored: Stored) -> None:
    stored.put("k", b"old")
    code = """
import os, sys, threading
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
more = [os.dup(fd) for _ in range(3)]
lock = threading.Lock()
def write():
    for _ in range(100):
        with lock:
            os.write(more[0], bytes(10000))
    done.wait()
    while True:
        pass
done = threading.Barrier(5)
for _ in range(4):
    threading.Thread(target=write, daemon=True).start()
done.wait()
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    assert ended(writer) == -signal.SIGKILL
    assert (mounted / "k").read_bytes() == b"old"
    assert mounted.umount().rc == 0
    assert stored.get("k") == b"old"


@pytest.mark.parametrize("kill", [True, False])
def test_a_writer_that_closes_a_duplicate_and_is_killed_later(mounted: Mount, stored: Stored, kill: bool) -> None:
    """Each close is a commit: what was published by one stays, what was written after it does not come."""
    code = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"first ")
os.close(os.dup(fd))
os.write(fd, b"second")
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    if kill:
        writer.kill()
    else:
        writer.communicate(b"\n", timeout=30)
    ended(writer)
    assert stored.get("k") == (b"first " if kill else b"first second")


def test_a_killed_patch_changes_nothing(mounted: Mount, stored: Stored) -> None:
    stored.put("k", content(12 * MIB, 1))
    code = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, b"half a change", 6000000)
print(flush=True)
input()
"""
    writer = python(code, mounted / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    ended(writer)
    assert stored.get("k") == (mounted / "k").read_bytes() == content(12 * MIB, 1)
    assert stored.uploads() == []


def kill_a_writer(path: Path, scratch: Path) -> None:
    """It has written, but not closed."""
    (scratch / "data").write_bytes(b"half")
    writer = python(WRITE_AND_WAIT, path, scratch / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.kill()
    ended(writer)


def test_a_killed_writer_of_a_small_new_file_leaves_nothing(mounted: Mount, stored: Stored, tmp_path: Path) -> None:
    kill_a_writer(mounted / "k", tmp_path)
    assert not (mounted / "k").exists()
    assert stored.listed() == []


@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC, os.O_RDWR, os.O_WRONLY])
def test_a_killed_writers_new_file_is_made_anew_at_once(
    new_mount: Callable[..., Mount], stored: Stored, tmp_path: Path, flags: int
) -> None:
    """The kernel remembers its name for --metadata-ttl seconds."""
    mount = new_mount("--metadata-ttl", "60")
    kill_a_writer(mount / "k", tmp_path)
    with pytest.raises(FileNotFoundError):
        os.open(mount / "k", os.O_RDONLY)
    fd = os.open(mount / "k", flags | os.O_CREAT)
    assert os.pwrite(fd, b"new one", 0) == 7
    os.close(fd)
    assert stored.get("k") == b"new one"


def test_an_exit_without_close_publishes(mounted: Mount, stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"all of it")
    writer = python(WRITE_AND_WAIT + "os._exit(3)", mounted / "k", tmp_path / "data")
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.communicate(b"\n", timeout=60)
    assert writer.returncode == 3
    assert stored.get("k") == b"all of it"


def test_a_killed_child_that_wrote_nothing_does_no_harm(mounted: Mount, stored: Stored) -> None:
    code = """
import os, signal, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"parent ")
if (child := os.fork()) == 0:
    signal.pause()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
os.write(fd, b"goes on")
os.close(fd)
"""
    assert ended(python(code, mounted / "k")) == 0
    assert stored.get("k") == b"parent goes on"


def test_what_a_killed_child_wrote_is_not_published_by_its_parent(mounted: Mount, stored: Stored) -> None:
    code = """
import errno, os, signal, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
if (child := os.fork()) == 0:
    os.write(fd, b"half of the child's")
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
try:
    os.write(fd, b"parent's")
except OSError as error:
    sys.exit(error.errno)
"""
    assert ended(python(code, mounted / "k")) == errno.EIO
    assert stored.listed() == []
