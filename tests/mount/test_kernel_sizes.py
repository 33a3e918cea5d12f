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
    stored.put("k", OLD)
    first = os.open(mount / "k", os.O_RDONLY)
    assert os.read(first, 4 * KIB) == OLD[: 4 * KIB]
    store(mount, stored, "k", SHORTER)
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


def test_an_append_to_a_shorter_version_while_an_older_one_is_read(mount: Mount, stored: Stored) -> None:
    stored.put("k", OLD)
    first = os.open(mount / "k", os.O_RDONLY)
    assert os.read(first, 4 * KIB) == OLD[: 4 * KIB]
    store(mount, stored, "k", SHORTER)
    append(mount, "k", b"more")
    assert stored.get("k") == SHORTER + b"more"
    os.close(first)


def test_the_end_of_an_older_version_is_not_that_of_the_newer_one(mount: Mount, stored: Stored) -> None:
    """A read that ends early makes the kernel's size smaller."""
    stored.put("k", OLD)
    first = os.open(mount / "k", os.O_RDONLY)
    assert os.read(first, 4 * KIB) == OLD[: 4 * KIB]
    store(mount, stored, "k", LONGER)
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
