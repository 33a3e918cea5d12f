"""The kernel has one size for each path: no reader and no append may suffer from that of another version.

It keeps attributes for a minute here, the mount looks again after a moment. Reads without fstat(2): after a read, that
would make the kernel ask again, for the access time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable

import pytest

from tests.mount.conftest import Stored
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.python_process import ended, python

KIB = 1024
OLD, LONGER, SHORTER = content(200 * KIB - 7, 1), content(400 * KIB, 2), content(100, 3)

WRITE_A_LITTLE = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.ftruncate(fd, 10)
os.fstat(fd)
print(flush=True)
input()
"""


@pytest.fixture
def mount(new_mount: Callable[..., Mount]) -> Mount:
    return new_mount("--metadata-ttl", "0.1", "-o", "attr_timeout=60,entry_timeout=60")


def store(mount: Mount, stored: Stored, name: str, data: bytes) -> None:
    """By another client; returns when the mount sees it."""
    stored.put(name, data)
    etag = hashlib.md5(data).hexdigest()
    until = time.monotonic() + 10
    while os.getxattr(mount / name, "user.s3am.etag").decode() != etag:
        assert time.monotonic() < until
        time.sleep(0.02)


def rest(fd: int) -> bytes:
    found = b""
    while piece := os.read(fd, 64 * KIB):
        found += piece
    return found


def read(mount: Mount, name: str) -> bytes:
    fd = os.open(mount / name, os.O_RDONLY)
    try:
        return rest(fd)
    finally:
        os.close(fd)


def append(mount: Mount, name: str, data: bytes) -> None:
    fd = os.open(mount / name, os.O_WRONLY | os.O_APPEND)
    os.write(fd, data)
    os.close(fd)


def test_a_reader_is_not_cut_off_where_a_shorter_version_is_looked_at(
    new_mount: Callable[..., Mount], stored: Stored
) -> None:
    mount = new_mount("--metadata-ttl", "0.3")
    first = read_and_replaced(mount, stored, SHORTER)
    time.sleep(0.4)
    os.stat(mount / "k")
    assert read(mount, "k") == SHORTER
    assert OLD.startswith(OLD[: 4 * KIB] + rest(first)), "never a mixture"
    os.lseek(first, 4 * KIB, os.SEEK_SET)
    assert rest(first) == OLD[4 * KIB :]
    os.close(first)
    assert read(mount, "k") == SHORTER
    time.sleep(0.4)
    assert os.stat(mount / "k").st_size == len(SHORTER)


def read_and_replaced(mount: Mount, stored: Stored, newer: bytes) -> int:
    """Returns a descriptor of the old version of `k`, of which a part has been read; `newer` is there now.

    The daemon has the old version as a whole, the kernel has that part.
    """
    stored.put("k", OLD)
    whole = os.open(mount / "k", os.O_RDONLY | os.O_DIRECT)
    assert rest(whole) == OLD
    os.close(whole)
    fd = os.open(mount / "k", os.O_RDONLY)
    assert os.read(fd, 4 * KIB) == OLD[: 4 * KIB]
    store(mount, stored, "k", newer)
    return fd


def look(mount: Mount, fd: int) -> list[int]:
    """The sizes by name and by descriptor, which the kernel keeps; it has none that is still valid."""
    time.sleep(0.15)
    return [os.stat(mount / "k").st_size, os.fstat(fd).st_size]


def test_what_is_written_while_an_older_version_is_read_has_its_own_size(
    new_mount: Callable[..., Mount], stored: Stored
) -> None:
    mount = new_mount("--metadata-ttl", "0.1")
    first = read_and_replaced(mount, stored, SHORTER)
    fd = os.open(mount / "k", os.O_RDWR | os.O_TRUNC | os.O_APPEND)
    os.write(fd, b"0123456789")
    os.fsync(fd)
    assert look(mount, fd) == [10, 10]
    os.write(fd, b"more")
    os.close(fd)
    os.close(first)
    assert stored.get("k") == b"0123456789more"


def test_an_append_goes_on_while_one_of_two_older_versions_is_closed(
    new_mount: Callable[..., Mount], stored: Stored
) -> None:
    mount = new_mount("--metadata-ttl", "0.1")
    first = read_and_replaced(mount, stored, LONGER)
    second = os.open(mount / "k", os.O_RDONLY)
    assert os.read(second, 4 * KIB) == LONGER[: 4 * KIB]
    store(mount, stored, "k", SHORTER)
    fd = os.open(mount / "k", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"a")
    os.close(first)
    assert look(mount, fd) == [len(SHORTER) + 1] * 2
    os.write(fd, b"b")
    os.fsync(fd)
    assert look(mount, fd) == [len(SHORTER) + 2] * 2
    os.write(fd, b"c")
    os.close(fd)
    os.close(second)
    assert stored.get("k") == SHORTER + b"abc"


def test_a_rename_takes_along_those_who_read_an_older_version(new_mount: Callable[..., Mount], stored: Stored) -> None:
    mount = new_mount("--metadata-ttl", "0.1")
    first = read_and_replaced(mount, stored, SHORTER)
    os.rename(mount / "k", mount / "new")
    (mount / "k").write_bytes(b"another")
    with open(mount / "k", "rb") as other:
        assert look(mount, other.fileno()) == [7, 7]
    assert read(mount, "new") == SHORTER
    os.close(first)


def test_an_append_to_a_shorter_version_while_an_older_one_is_read(mount: Mount, stored: Stored) -> None:
    first = read_and_replaced(mount, stored, SHORTER)
    append(mount, "k", b"more")
    assert stored.get("k") == SHORTER + b"more"
    os.close(first)


def test_the_end_of_an_older_version_is_not_that_of_the_newer_one(mount: Mount, stored: Stored) -> None:
    """A read that ends early makes the kernel's size smaller."""
    first = read_and_replaced(mount, stored, LONGER)
    assert read(mount, "k") == LONGER
    assert rest(first) == OLD[4 * KIB :]
    os.close(first)
    assert read(mount, "k") == LONGER
    append(mount, "k", b"more")
    assert stored.get("k") == LONGER + b"more"


@pytest.mark.parametrize("moved", ["d/k", "d"])
def test_a_rename_takes_the_size_along(mount: Mount, stored: Stored, moved: str) -> None:
    stored.put("d/k", OLD)
    assert os.stat(mount / "d/k").st_size == len(OLD)
    os.rename(mount / moved, mount / moved.replace("d", "e", 1) if moved == "d" else mount / "d/new")
    name = "e/k" if moved == "d" else "d/new"
    store(mount, stored, name, LONGER)
    assert read(mount, name) == LONGER


def test_the_size_of_what_a_killed_writer_wrote(mount: Mount, stored: Stored) -> None:
    stored.put("k", OLD)
    writer = python(WRITE_A_LITTLE, mount / "k")
    assert writer.stdout is not None
    writer.stdout.readline()
    assert os.stat(mount / "k").st_size == 10
    writer.kill()
    ended(writer)
    assert read(mount, "k") == OLD
    append(mount, "k", b"more")
    assert stored.get("k") == OLD + b"more"
