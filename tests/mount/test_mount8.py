"""`mount -t s3am`, `mount -a` and `umount` of util-linux, with the helper where they look for it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount.conftest import Stored
from tests.support.cli import Cli
from tests.support.mounts import run

HELPER = Path("/sbin/mount.s3am")
pytestmark = [pytest.mark.fuse, pytest.mark.skipif(os.getuid() != 0, reason="mount(8) is for root")]


@pytest.fixture
def helper() -> Iterator[Path]:
    """The helper is installed; one test of this machine at a time has it. One that is there already comes back."""
    ours = Path(sys.executable).parent / "mount.s3am"
    with open(Path(tempfile.gettempdir()) / "s3am-test-mount-helper.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = HELPER.readlink() if HELPER.is_symlink() else None
        assert there is not None or not HELPER.exists(), f"{HELPER} is no link: move it away to run this test"
        HELPER.unlink(missing_ok=True)
        HELPER.symlink_to(ours)
        try:
            yield HELPER
        finally:
            HELPER.unlink()
            if there is not None and there != ours and there.exists():  # else a run that was killed has left it
                HELPER.symlink_to(there)


@pytest.fixture
def folder(helper: Path, cli: Cli, tmp_path: Path) -> Iterator[Path]:
    """Where to mount; nothing is mounted there in the end."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    yield folder
    while os.path.ismount(folder):
        subprocess.run(["umount", "-l", folder], timeout=30, check=True)


def line_of(folder: Path) -> list[str]:
    wanted = str(folder).replace(" ", "\\040")
    return next(line.split() for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == wanted)


@pytest.fixture
def surroundings(cli: Cli, tmp_path: Path) -> dict[str, str]:
    """mount(8) hands neither HOME nor PATH on, so `~` is the one of the user database: said is what that would say."""
    profile = tmp_path / "credentials"
    profile.write_text(
        f"[data]\naws_access_key_id = {cli.environment['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {cli.environment['AWS_SECRET_ACCESS_KEY']}\n"
    )
    state = {"S3AM_STATE_DIR": str(tmp_path / "state"), "PATH": cli.environment["PATH"]}
    return {"AWS_SHARED_CREDENTIALS_FILE": str(profile), **state}


@pytest.fixture
def common(cli: Cli) -> str:
    return f"profile=data,region=us-east-1,endpoint_url={cli.environment['AWS_ENDPOINT_URL']}"


def test_mount_by_type(bucket: str, stored: Stored, folder: Path, surroundings: dict[str, str], common: str) -> None:
    stored.put("runs/f", b"x")
    options = f"noexec,umask=077,metadata_ttl=2,uid=1234,{common}"
    run("mount", "-t", "s3am", f"s3://{bucket}/runs", folder, "-o", options, env=surroundings)
    found = (folder / "f").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (1234, 0o600)
    assert line_of(folder)[2] == "fuse.s3am"
    assert "noexec" in line_of(folder)[3].split(",")
    (folder / "g").write_bytes(b"y")
    run("umount", folder)
    assert stored.get("runs/g") == b"y"


def test_an_error_is_that_of_mount(folder: Path, surroundings: dict[str, str], common: str) -> None:
    command = ["mount", "-t", "s3am", "s3://no-such-bucket-here", str(folder), "-o", common]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "does not exist" in done.stderr
    assert not os.path.ismount(folder)


def test_fstab(
    bucket: str, stored: Stored, folder: Path, surroundings: dict[str, str], common: str, tmp_path: Path
) -> None:
    """All of a table at once, and again: what is mounted stays as it is."""
    stored.put("f", b"x")
    table = tmp_path / "fstab"
    place = str(folder).replace(" ", "\\040")
    table.write_text(f"s3://{bucket} {place} s3am _netdev,allow_other,ro,{common} 0 0\n")
    run("mount", "-a", "-T", table, env=surroundings)
    assert (folder / "f").read_bytes() == b"x"
    assert {"ro", "allow_other"} <= set(line_of(folder)[3].split(","))
    run("mount", "-a", "-T", table, env=surroundings)
    run("umount", folder)
    assert not os.path.ismount(folder)
    run("mount", "-T", table, folder, env=surroundings)
    assert (folder / "f").read_bytes() == b"x"
