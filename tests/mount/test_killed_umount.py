"""`s3am umount` that is killed: the mount is still of use or it is gone, nothing is lost, and a second one works."""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.mount.conftest import Stored
from tests.support.faults import Rule, stall
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

HELD = """#!/bin/sh
{before}
{program} "$@"; status=$?
{after}
exit $status
"""
WAIT = 'echo here > "$ARRIVED"; read line < "$GO_ON"'


def wait_for_end(process: int) -> None:
    """Returns when `process` has ended; fails the test after a minute."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60)[0], "the daemon is still there"
    finally:
        os.close(descriptor)


def new_pipe(path: Path) -> BinaryIO:
    """A named pipe, open at both ends: no opening of it blocks, and whoever reads it goes on when this is closed."""
    os.mkfifo(path)
    return cast(BinaryIO, open(path, "r+b", buffering=0))


def change(mount: Mount) -> None:
    """Something that waits to be stored: a mode that was set after the close."""
    (mount / "f").write_bytes(b"x")
    (mount / "f").chmod(0o600)


def assert_kept(stored: Stored) -> None:
    assert stored.get("f") == b"x"
    assert stored.head("f")["Metadata"]["mode"] == str(0o100600)


def test_while_it_stores_what_waits(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    proxy.rules.append(Rule("Copy", stall("before_response", seconds=3), nth=1))
    change(watched)
    running = watched.cli.start("umount", watched.directory)
    assert running.kill_when(lambda: proxy.count("Copy") > 0)
    assert running.wait().rc == -9
    assert watched.is_mounted
    (watched / "g").write_bytes(b"y")
    assert (watched / "f").read_bytes() == b"x"
    assert watched.umount().rc == 0
    wait_for_end(watched.daemon)
    assert_kept(stored)
    assert stored.get("g") == b"y"


@pytest.mark.parametrize("place", ["before", "after"])
def test_beside_its_helper(new_mount: Callable[..., Mount], stored: Stored, tmp_path: Path, place: str) -> None:
    """Killed just before fusermount3 has unmounted, or just after."""
    helper = tmp_path / "bin" / "fusermount3"
    helper.parent.mkdir()
    waits = {"before": "", "after": "", place: WAIT}
    helper.write_text(HELD.format(program=shutil.which("fusermount3"), **waits))
    helper.chmod(0o755)
    mount = new_mount()
    change(mount)
    path = f"{helper.parent}:{os.environ['PATH']}"
    env = {"PATH": path, "ARRIVED": str(tmp_path / "arrived"), "GO_ON": str(tmp_path / "go_on")}
    with new_pipe(tmp_path / "arrived") as arrived, new_pipe(tmp_path / "go_on") as go_on:
        running = mount.cli.start("umount", mount.directory, env=env)
        assert select.select([arrived], [], [], 60)[0], "the helper was not called"
        running.kill()
        assert running.wait().rc == -9
        assert mount.is_mounted is (place == "before")
        if place == "before":
            assert (mount / "f").read_bytes() == b"x"
            assert mount.umount().rc == 0
        go_on.write(b"\n")
    wait_for_end(mount.daemon)
    assert not mount.is_mounted
    assert mount.umount().rc == 6, "there is nothing to unmount any more, and it says so"
    assert_kept(stored)
    mount.mount()
    assert (mount / "f").read_bytes() == b"x"
