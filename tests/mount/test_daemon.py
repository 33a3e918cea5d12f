"""`s3am mount` and `s3am umount`: what they refuse, their options, what they log."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.trace_events import parse_trace
from s3amfs.errors import NotFound, TransferError
from s3amfs.mount import daemon
from s3amfs.mount.options import MountOptions
from tests.mount.conftest import Stored
from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.mounts import Mount, run
from tests.support.proxy import FaultProxy


@pytest.mark.parametrize(
    ("url", "folder", "code", "word"),
    [
        ("s3://no-such-bucket-here", "there", 17, "does not exist"),
        ("s3://{bucket}", "not-there", 6, "is not a directory"),
        ("http://x", "there", 7, "s3://"),
    ],
)
def test_what_cannot_be_mounted(
    cli: Cli, bucket: str, tmp_path: Path, url: str, folder: str, code: int, word: str
) -> None:
    (tmp_path / "there").mkdir()
    result = cli("mount", url.format(bucket=bucket), tmp_path / folder)
    assert result.rc == code
    assert result.stderr.count("\n") == 1
    assert word in result.stderr
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_spool_folder_that_is_none(cli: Cli, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    result = cli("mount", "--spool-dir", tmp_path / "nowhere", f"s3://{bucket}", tmp_path / "m")
    assert result.rc == 6
    assert "--spool-dir" in result.stderr
    assert not os.path.ismount(tmp_path / "m")


def test_forbidden(cli: Cli, bucket: str, tmp_path: Path) -> None:
    result = cli("mount", f"s3://{bucket}", tmp_path, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert result.rc == 14, result.stderr


def test_twice_on_one_directory(mounted: Mount) -> None:
    result = mounted.cli("mount", mounted.url, mounted.directory)
    assert result.rc == 6
    assert "mounted already" in result.stderr


def test_a_busy_mount_says_by_whom(mounted: Mount) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; f = open(sys.argv[1], 'w'); print(flush=True); input()", mounted / "f"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    result = mounted.umount()
    assert result.rc == 1
    assert str(holder.pid) in result.stderr
    holder.communicate(b"\n", timeout=30)
    assert mounted.umount().rc == 0
    assert not os.path.ismount(mounted.directory)


def test_umount_stores_what_waits(mounted: Mount, stored: Stored) -> None:
    (mounted / "f").write_text("x")
    os.utime(mounted / "f", (10**9, 10**9))
    (mounted / "f").chmod(0o600)
    assert mounted.umount().rc == 0
    assert stored.head("f")["Metadata"] == {"mtime": "1000000000.000000000", "mode": str(0o100600)}
    assert mounted.umount().rc == 6


def test_an_umount_that_loses_something_says_so(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    (watched / "f").write_text("x")
    proxy.rules.append(Rule(("Copy", "Put"), faults.error(403, "AccessDenied"), times=None))
    (watched / "f").chmod(0o600)
    result = watched.umount()
    assert result.rc == 1
    assert "still mounted" in result.stderr
    assert os.path.ismount(watched.directory)
    assert watched.umount().rc == 0
    assert stored.get("f") == b"x"


def test_read_only(new_mount: Callable[..., Mount], stored: Stored) -> None:
    stored.put("f", b"x")
    mount = new_mount("--read-only")
    assert (mount / "f").read_bytes() == b"x"
    with pytest.raises(OSError, match="Read-only"):
        (mount / "g").write_bytes(b"")
    with pytest.raises(OSError, match="Read-only"):
        (mount / "f").unlink()


def test_owner_and_umask(new_mount: Callable[..., Mount], stored: Stored) -> None:
    stored.put("d/f", b"x")
    mount = new_mount("--uid", "1234", "--gid", "2345", "--umask", "027")
    found = (mount / "d" / "f").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 2345, 0o640)
    assert (mount / "d").stat().st_mode & 0o777 == 0o750


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others can reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("allowed", [True, False])
def test_other_users(cli: Cli, bucket: str, open_folder: Path, stored: Stored, allowed: bool) -> None:
    stored.put("f", b"x")
    options = ("--allow-other", "--umask", "0") if allowed else ()
    mount = Mount(cli, f"s3://{bucket}", open_folder / "m", *options)
    other = ("setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", "sh", "-c")
    script = f"cd {mount.directory} && cat f && echo mine > g && chmod 600 g"
    try:
        done = subprocess.run([*other, script], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode == 0) is allowed, done.stderr
        if allowed:
            found = (mount / "g").stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (4321, 4321, 0o600)
            (mount / "f").chmod(0o600)
            denied = subprocess.run([*other, f"cat {mount / 'f'}"], capture_output=True, timeout=30, check=False)
            assert denied.returncode != 0, "modes count"
            assert mount.umount().rc == 0
            assert stored.head("g")["Metadata"]["uid"] == "4321"
    finally:
        mount.close()


def test_options_for_fuse(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("-o", "noexec,noatime", "-o", "max_idle_threads=4")
    line = next(line for line in Path("/proc/mounts").read_text().splitlines() if str(mount.directory) in line)
    assert {"noexec", "noatime"} <= set(line.split()[3].split(","))
    assert line.split()[2] == "fuse.s3am"


@pytest.mark.parametrize("seconds", [0, 3600])
def test_how_long_what_was_seen_is_believed(new_mount: Callable[..., Mount], stored: Stored, seconds: int) -> None:
    stored.put("f", b"x")
    mount = new_mount("--metadata-ttl", seconds)
    assert (mount / "f").stat().st_size == 1
    stored.put("f", b"longer")
    assert (mount / "f").stat().st_size == (1 if seconds else 6)


def test_a_prefix_is_a_root(new_mount: Callable[..., Mount], stored: Stored) -> None:
    stored.put("other", b"x")
    mount = new_mount(prefix="runs/today")
    assert os.listdir(mount.directory) == []
    (mount / "f").write_bytes(b"y")
    assert stored.listed() == ["other", "runs/today/f"]


@pytest.mark.fuse
def test_in_the_foreground(cli: Cli, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    running = cli.start("mount", "--foreground", f"s3://{bucket}", folder)
    try:
        assert running.kill_when(lambda: os.path.ismount(folder), number=15)
    finally:
        result = running.wait(60)
    assert result.rc == 0, result.stderr
    assert not os.path.ismount(folder)


@pytest.mark.interpreter
def test_no_secret_in_any_argument(mounted: Mount) -> None:
    arguments = Path(f"/proc/{mounted.daemon}/cmdline").read_bytes()
    assert mounted.cli.environment["AWS_SECRET_ACCESS_KEY"].encode() not in arguments
    assert mounted.cli.environment["AWS_SECRET_ACCESS_KEY"] not in mounted.log.read_text()


@pytest.mark.fuse
def test_from_fstab(cli: Cli, bucket: str, stored: Stored, tmp_path: Path) -> None:
    """As mount(8) calls its helpers: SPEC DIR [-sfnv] [-o OPTIONS]."""
    stored.put("f", b"x")
    folder = tmp_path / "m"
    folder.mkdir()
    code = "import sys; from s3amfs.cli.mount_helper import main; sys.exit(main())"
    options = "rw,noauto,_netdev,umask=077,metadata_ttl=2"
    words = [sys.executable, "-c", code, f"s3://{bucket}", str(folder), "-n", "-o", options]
    try:
        run(*words, env=cli.environment)
        assert (folder / "f").stat().st_mode & 0o777 == 0o600
    finally:
        assert cli("umount", folder).rc == 0


def test_debug_logs_operations_and_requests(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("--debug")
    (mount / "f").write_bytes(b"x")
    assert mount.umount().rc == 0
    said = mount.log.read_text()
    assert "create /f: done in" in said
    assert "PUT http" in said
    assert mount.cli.environment["AWS_SECRET_ACCESS_KEY"] not in said


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_trace(new_mount: Callable[..., Mount], tmp_path: Path) -> None:
    """Each request is in the file soon after it has ended, while the mount serves; the bracket closes it at the end."""

    def puts() -> int:
        events: list[Any] = parse_trace((tmp_path / "t.json").read_text())
        spans = [event for event in events if event.get("cat") == "request"]
        return [span["name"] for span in spans if span["args"]["url"].endswith("/f")].count("PUT")

    mount = new_mount("--trace", tmp_path / "t.json")
    (mount / "f").write_bytes(b"x")
    eventually(lambda: puts() == 1)
    assert mount.umount().rc == 0
    eventually(lambda: (tmp_path / "t.json").read_text().endswith("\n]\n"))


def test_status(mounted: Mount) -> None:
    with open(mounted / "f", "wb"):
        found = mounted.cli("mount", "--status", "--json", mounted.directory)
        assert found.rc == 0, found.stderr
        assert '"open": {"Streaming": 1}' in found.stdout
        assert f'"pid": {mounted.daemon}' in found.stdout
    assert "open files: none" in mounted.cli("mount", "--status", mounted.directory).stdout
    metrics = mounted.cli("mount", "--metrics", mounted.directory).stdout
    assert f's3am_mount_up{{mount="{mounted.directory}"' in metrics
    assert 's3am_mount_requests_total{class="' in metrics
    assert mounted.cli("mount", "--status", mounted.directory.parent).rc == 6
    assert mounted.cli("mount", mounted.url).rc == 2


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b'["NotFound", "no bucket"]', NotFound, "no bucket"),
        (b'["SomethingElse", "odd"]', TransferError, "odd"),
        (b"", TransferError, "/m could not be mounted"),
    ],
)
def test_the_error_of_the_child_is_raised_by_its_parent(said: bytes, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        daemon._raise_what_it_said(said, "/m")
    assert type(caught.value) is kind


def test_options_of_fuse() -> None:
    plain = daemon._fuse_options(S3Location("box", "a,b\\"), MountOptions(metadata_ttl=7))
    assert plain == {
        "fsname": "s3://box/a\\,b\\\\",
        "subtype": "s3am",
        "default_permissions": True,
        "attr_timeout": 7,
        "entry_timeout": 7,
    }
    more = MountOptions(read_only=True, allow_other=True, fuse_options=("noatime", "max_read=65536", "x=a=b"))
    given = daemon._fuse_options(S3Location("box"), more)
    assert (given["ro"], given["allow_other"]) == (True, True)
    assert (given["noatime"], given["max_read"], given["x"]) == (True, "65536", "a=b")
