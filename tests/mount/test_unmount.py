"""`s3am umount` in hard cases: a dead daemon, another PID namespace, no fusermount3."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s3amfs.errors import TransferError
from s3amfs.mount import unmount
from s3amfs.mount.processes import find_process, pid_namespace
from s3amfs.mount.unmount import is_dead, unescape
from tests.support.cli import Cli
from tests.support.mounts import Mount


def kill_only(mount: Mount) -> None:
    """The daemon dies; the mount stays, dead."""
    watch = os.pidfd_open(mount.daemon)
    os.kill(mount.daemon, signal.SIGKILL)
    assert select.select([watch], [], [], 60)[0]
    os.close(watch)


def test_mount_takes_the_place_of_a_dead_one(mounted: Mount) -> None:
    (mounted / "f").write_bytes(b"x")
    kill_only(mounted)
    assert is_dead(str(mounted.directory))
    mounted.mount()
    assert (mounted / "f").read_bytes() == b"x"


def test_umount_clears_a_dead_mount_and_says_so(mounted: Mount) -> None:
    kill_only(mounted)
    result = mounted.umount()
    assert result.rc == 0
    assert "s3am pending" in result.stderr
    assert not mounted.is_mounted


def test_a_live_mount_and_a_plain_folder_are_not_dead(mounted: Mount, tmp_path: Path) -> None:
    assert not is_dead(str(mounted.directory))
    assert not is_dead(str(tmp_path))
    assert not is_dead(str(tmp_path / "nowhere"))


def test_a_read_only_mount_is_unmounted(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("--read-only")
    assert mount.umount().rc == 0
    assert not mount.is_mounted


@pytest.mark.skipif(os.geteuid() != 0, reason="umount(2) is root's")
def test_a_mount_that_another_namespace_has(mounted: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmount, "ELSEWHERE_SECONDS", 0.1)
    (mounted / "f").write_bytes(b"x")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as other:
        assert other.stdout is not None
        if other.stdout.readline() != b"ready\n":
            pytest.skip("no mount namespace can be made here")
        with pytest.raises(TransferError, match=rf"mount namespaces .*{other.pid} \("):
            unmount.umount(str(mounted.directory))
        assert not mounted.is_mounted
        other.communicate()


def test_root_needs_no_fusermount3(mounted: Mount, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = mounted.cli("umount", mounted.directory, env={"PATH": str(tmp_path / "empty")})
    assert result.rc == 0, result.stderr
    assert not mounted.is_mounted


def test_processes_are_found_by_their_namespace() -> None:
    assert find_process(os.getpid(), pid_namespace()) == os.getpid()
    assert find_process(os.getpid(), "pid:[1]") is None


def test_paths_in_mountinfo() -> None:
    assert unescape("/a\\040b\\134c\\011") == "/a b\\c\t"


def test_a_part_size_that_s3_does_not_take(cli: Cli, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    result = cli("mount", "--part-size", "1M", f"s3://{bucket}", tmp_path / "m")
    assert result.rc == 2
    assert not os.path.ismount(tmp_path / "m")


def test_a_prefix_names_no_options(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount(prefix="c\\,allow_other")
    line = next(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(mount.directory) in line)
    assert "allow_other" not in line.rpartition(" - ")[2].split()[2].split(",")


def test_attributes_are_read_by_name_and_not_listed(mounted: Mount) -> None:
    (mounted / "f").write_bytes(b"x")
    assert os.listxattr(mounted / "f") == []
    assert os.getxattr(mounted / "f", "user.s3am.etag")
