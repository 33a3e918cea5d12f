"""Servers that go away, killed daemons, full disks: an error at write, fsync or close, never silence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_disk import ROOT
from tests.mount.conftest import Stored
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
SICK = Path(__file__).parents[1] / "faults" / "sick"


@pytest.fixture
def impatient(new_mount: Callable[..., Mount], proxy: FaultProxy) -> Mount:
    """Gives up after two seconds of trouble."""
    return new_mount("--retry-budget", "2", "--part-size", "5M", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})


@pytest.mark.parametrize("size", [10, 3 * PART])
def test_a_server_that_goes_away_and_comes_back(impatient: Mount, proxy: FaultProxy, stored: Stored, size: int) -> None:
    stored.put("k", b"old")
    data = content(size, 1)
    file = open(impatient / "k", "wb", buffering=0)  # noqa: SIM115 - it is closed below, by hand
    file.write(data[: size // 2])
    proxy.down()
    with pytest.raises(OSError, match="Input/output error"):
        try:
            file.write(data[size // 2 :])
        finally:
            file.close()
    proxy.up()
    assert stored.get("k") == b"old"
    (impatient / "k").write_bytes(data)
    assert stored.get("k") == data
    assert (impatient / "k").read_bytes() == data


def test_an_fsync_that_fails_may_be_tried_again(impatient: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(2 * PART + 7, 1)
    with open(impatient / "k", "wb", buffering=0) as file:
        file.write(data)
        proxy.rules.append(Rule("Complete", faults.error(503, "SlowDown")))
        with pytest.raises(OSError, match="Input/output error"):
            os.fsync(file.fileno())
        assert stored.listed() == []
        proxy.clear()
        proxy.rules.clear()
        os.fsync(file.fileno())
        assert stored.get("k") == data
        assert proxy.count("UploadPart") <= 1, "what had been sent is found again"


def test_a_short_outage_is_not_noticed(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    data = content(4 * PART, 1)
    proxy.rules.append(Rule(("UploadPart", "GetRange"), faults.reset("request_body"), nth=2))
    proxy.rules.append(Rule(("UploadPart", "GetRange", "Complete"), faults.error(503, "SlowDown"), nth=(3, 5)))
    (watched / "k").write_bytes(data)
    assert stored.get("k") == data
    assert (watched / "k").read_bytes() == data


def test_a_killed_daemon_leaves_no_half_object(watched: Mount, proxy: FaultProxy, stored: Stored, cli: Cli) -> None:
    stored.put("k", b"old")
    data = content(4 * PART, 1)
    file = open(watched / "k", "wb", buffering=0)  # noqa: SIM115 - it is closed below, by hand
    file.write(data[: 3 * PART])
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 3)
    watched.kill()
    with pytest.raises(OSError) as failed:
        file.write(b"more")
    assert failed.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    with pytest.raises(OSError, match=r"(Transport endpoint is not connected|Software caused connection abort)"):
        file.close()
    assert stored.get("k") == b"old"
    assert "k" in cli.ok("pending", f"s3://{stored.bucket}").stdout
    watched.mount()
    (watched / "k").write_bytes(data)
    assert stored.get("k") == data
    assert proxy.count("UploadPart", status=200) == 4, "parts of the first attempt are found again"
    assert stored.uploads() == []


def test_closes_that_hang_stop_nothing_else(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    stored.put("other", b"x")
    proxy.rules.append(Rule("Put", faults.stall("before_response", 8)))
    writers = [threading.Thread(target=(watched / f"k{n}").write_bytes, args=(b"x",)) for n in range(24)]
    for writer in writers:
        writer.start()
    assert proxy.wait_for(lambda: proxy.count("Put") == len(writers))
    assert (watched / "other").read_bytes() == b"x"
    assert sorted(os.listdir(watched.directory))[-1] == "other"
    assert proxy.count("Put", status=200) == 0, "none of the closes has come back yet"
    proxy.rules.clear()
    for writer in writers:
        writer.join()
    assert len(stored.listed()) == len(writers) + 1


def test_a_full_spool(new_mount: Callable[..., Mount], stored: Stored) -> None:
    stored.put("k", content(MIB, 1))
    mount = new_mount(env={"SICK": f"full after {2 * MIB}", "PYTHONPATH": f"{SICK}:{ROOT}"})
    with pytest.raises(OSError, match="No space left"), open(mount / "k", "r+b", buffering=0) as file:
        for _ in range(4):
            file.seek(1, os.SEEK_CUR)
            file.write(bytes(MIB))
    assert stored.head("k")["ContentLength"] == MIB


MAPPED = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.ftruncate(fd, 1 << 21)
view = mmap.mmap(fd, 0)
sum(view[place] for place in range(0, len(view), 4096))
view[:] = b"x" * len(view)
view.close()
try:
    os.close(fd)
except OSError:
    sys.exit(3)
"""


WRITTEN_WHEN_UNMAPPED = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
fd = os.open(sys.argv[1], os.O_RDWR)
place = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
os.close(fd)
ctypes.memset(place, ord("x"), 4096)
assert libc.munmap(place, 4096) == 0
"""


def test_a_removal_while_the_last_handle_is_released(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    """What was written through memory is published at the release; until then libfuse counts the file as open."""
    stored.put("k", b"o" * 4096)
    proxy.rules.append(Rule("Put", faults.stall("before_response", 1.0)))
    subprocess.run([sys.executable, "-c", WRITTEN_WHEN_UNMAPPED, watched / "k"], timeout=60, check=True)
    assert proxy.wait_for(lambda: proxy.count("Put") > 0)
    (watched / "k").unlink()
    assert watched.umount().rc == 0
    assert stored.listed() == []
    assert not proxy.of("Copy")


@pytest.mark.parametrize("options", [(), ("--write-back", 0.1)])
def test_a_removal_while_a_close_is_in_flight(
    options: tuple[object, ...], new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored
) -> None:
    mount = new_mount(*options, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    proxy.rules.append(Rule("Put", faults.stall("request_head", 1.0), times=1))
    with open(mount / "k", "wb", buffering=0) as file, open(mount / "k", "rb"):
        file.write(b"x")
        closing = threading.Thread(target=file.close)
        closing.start()
        assert proxy.wait_for(lambda: proxy.count("Put") > 0)
        (mount / "k").unlink()
        closing.join()
    assert mount.umount().rc == 0
    assert stored.listed() == []


def test_a_full_spool_behind_a_memory_map(new_mount: Callable[..., Mount], stored: Stored) -> None:
    """The kernel writes the pages when the file is closed, and the daemon hears of no close after that failed."""
    stored.put("k", b"old")
    mount = new_mount(env={"SICK": f"full after {MIB}", "PYTHONPATH": f"{SICK}:{ROOT}"})
    assert subprocess.run([sys.executable, "-c", MAPPED, mount / "k"], timeout=60, check=False).returncode == 3
    assert mount.umount().rc == 0
    assert stored.get("k") == b"old"


def test_a_stream_needs_no_spool(new_mount: Callable[..., Mount], stored: Stored) -> None:
    mount = new_mount("--part-size", "5M", env={"SICK": "full after 1000", "PYTHONPATH": f"{SICK}:{ROOT}"})
    data = content(3 * PART, 1)
    (mount / "k").write_bytes(data)
    assert stored.get("k") == data
    with open(mount / "k", "r+b", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.write(bytes(PART))


def test_forbidden_is_told(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    stored.put("k", b"x")
    proxy.rules.append(Rule(("Get", "GetRange"), faults.error(403, "AccessDenied")))
    with pytest.raises(PermissionError):
        (watched / "k").read_bytes()
    proxy.rules.append(Rule("Delete", faults.error(403, "AccessDenied")))
    with pytest.raises(PermissionError):
        (watched / "k").unlink()
    assert stored.listed() == ["k"]


def test_a_removal_that_is_forbidden_takes_nothing_from_an_open_file(
    watched: Mount, proxy: FaultProxy, stored: Stored
) -> None:
    stored.put("k", b"old")
    proxy.rules.append(Rule("Delete", faults.error(403, "AccessDenied")))
    with open(watched / "k", "r+b", buffering=0) as file:
        with pytest.raises(PermissionError):
            (watched / "k").unlink()
        file.write(b"new")
    assert stored.get("k") == b"new"
