"""Real small disks (tmpfs) and a real resolver, in a mount namespace of the child: nothing of the machine changes."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.kernel import require_own_mounts
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 11 * MIB


class Apart:
    """`s3am` after some mounts that only it sees."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path) -> None:
        self.cli, self.boto, self.bucket, self.folder = cli, boto, bucket, folder
        self.file, self.disk = folder / "f", folder / "disk"
        self.url = f"s3://{bucket}/k"
        require_own_mounts()
        self.disk.mkdir()
        make_file(self.file, SIZE, 1)

    def start(self, mounts: str, *words: object, **environment: str) -> subprocess.Popen[str]:
        """mounts: shell commands before; $disk is the folder of the small disk."""
        script = f'set -e; disk="$1"; shift; {mounts}; exec "$@"'
        own = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = ["unshare", "--mount", *own, "sh", "-c", script, "sh", str(self.disk)]
        return subprocess.Popen(
            [*command, *self.cli.command, *map(str, words)],
            env={**self.cli.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, mounts: str, *words: object, **environment: str) -> tuple[int, str]:
        process = self.start(mounts, *words, **environment)
        _, said = process.communicate(timeout=200)
        assert "Traceback" not in said
        return process.returncode, said


@pytest.fixture
def apart(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> Apart:
    return Apart(cli, boto, bucket, tmp_path)


def test_a_target_disk_that_is_too_small(apart: Apart) -> None:
    apart.cli.ok("upload", apart.file, apart.url)
    code, said = apart.run('mount -t tmpfs -o size=8m none "$disk"', "download", apart.url, apart.disk / "out")
    assert (code, said.count("\n")) == (1, 1)
    assert "the disk has room for 8 MiB" in said


def test_a_target_that_is_read_only(apart: Apart) -> None:
    apart.cli.ok("upload", apart.file, apart.url)
    code, said = apart.run('mount -t tmpfs -o ro none "$disk"', "download", apart.url, apart.disk / "out")
    assert (code, said.count("\n")) == (1, 1)
    assert "Read-only file system" in said


@pytest.mark.parametrize("options", ["size=4k,nr_inodes=2", "size=4k", "ro"])
def test_state_that_cannot_be_kept(apart: Apart, options: str) -> None:
    """A full or read-only disk for manifests: the upload succeeds, and says what that costs."""
    fill = 'head -c 4096 /dev/zero > "$disk/fill" 2>/dev/null || true'
    mounts = f'mount -t tmpfs -o {options} none "$disk"; {fill}'
    state = str(apart.disk / "state")
    code, said = apart.run(mounts, "upload", "--part-size", "5M", apart.file, apart.url, S3AM_STATE_DIR=state)
    assert code == 0, said
    assert "no manifest can be kept" in said
    assert object_digest(apart.boto, apart.bucket, "k") == digest(apart.file)


def test_names_that_cannot_be_resolved_for_a_while(apart: Apart, proxy: FaultProxy) -> None:
    """DNS fails, then comes back: the transfer goes on by itself."""
    hosts, resolver = apart.folder / "hosts", apart.folder / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost\n")
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    mounts = f"mount --bind {hosts} /etc/hosts; mount --bind {resolver} /etc/resolv.conf"
    endpoint = proxy.endpoint_url.replace("127.0.0.1", "storage.s3am.test")
    began = time.monotonic()
    process = apart.start(
        mounts, "--verbose", "upload", "--part-size", "5M", apart.file, apart.url, AWS_ENDPOINT_URL=endpoint
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "trying again" in first, first
    assert proxy.requests == []
    with open(hosts, "a") as file:  # in place: the bind mount is of this file
        file.write("127.0.0.1 storage.s3am.test\n")
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 200
    assert object_digest(apart.boto, apart.bucket, "k") == digest(apart.file)


def test_a_manifest_of_another_user(apart: Apart, proxy: FaultProxy) -> None:
    """It can't be read or replaced: the upload is resumed by comparing its parts, and the file stays as it is."""
    proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    words = ("--part-size", "5M", "--upload-slots", "1", apart.file, apart.url)
    env = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    assert apart.cli("upload", *words, env=env).rc == 14
    (manifest,) = apart.cli.home.rglob("*.manifest")
    if os.geteuid() == 0:
        os.chown(manifest, 12345, 12345)
    else:
        manifest.chmod(0)
    before = manifest.stat()
    proxy.rules.clear()
    # Root reads everything: here it is without what lets it.
    alone = 'set -- setpriv --bounding-set -all --inh-caps -all "$@"' if os.geteuid() == 0 else "true"
    code, said = apart.run(alone, "upload", "--resume", *words, **env)
    assert code == 0, said
    assert "no manifest can be kept" in said
    assert object_digest(apart.boto, apart.bucket, "k") == digest(apart.file)
    assert proxy.parts_sent_again() == []
    after = manifest.stat()
    assert (after.st_uid, after.st_size, after.st_mtime_ns) == (before.st_uid, before.st_size, before.st_mtime_ns)
