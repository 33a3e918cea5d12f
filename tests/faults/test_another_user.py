"""`s3am` run by somebody who may not read, write or keep what it is asked to: one line, and the right exit code.

A run as root becomes the user 65534, in a mount namespace of its own where others may enter the folders of Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ROOT, Cli
from tests.support.files import digest, make_file, object_digest
from tests.support.kernel import require_own_mounts

NOBODY = 65534
MIB = 1024 * 1024
MOUNT_AND_BECOME = """
for closed in $1; do  # folders that only root may enter: others see what is in them, but not what is beside Python
    mkdir "$2/held" && mount --bind "$closed" "$2/held" && mount -t tmpfs -o mode=755 none "$closed" || exit 99
    for name in $3; do
        [ -d "$2/held/$name" ] || continue
        mkdir "$closed/$name" && mount --bind "$2/held/$name" "$closed/$name" || exit 99
    done
    umount -l "$2/held" && rmdir "$2/held" || exit 99
done
shift 3
exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all "$@"
"""


def closed_folders(places: list[Path]) -> dict[Path, set[str]]:
    """The outermost folders on the way to `places` that others may not enter, and the names needed inside."""
    found: dict[Path, set[str]] = {}
    for place in places:
        for folder in reversed(place.parents):
            if folder.stat().st_mode & 0o005 != 0o005:
                found.setdefault(folder, set()).add(place.relative_to(folder).parts[0])
                break
    return found


class Somebody:
    """A folder that all may enter; `home` belongs to a user who is not root, `file` can be read by all."""

    def __init__(self, cli: Cli, bucket: str, folder: Path) -> None:
        self.folder, self.home, self.file = folder, folder / "home", folder / "f"
        self.url = f"s3://{bucket}/k"
        self.environment = {**cli.environment, "HOME": str(self.home), "TMPDIR": str(folder)}
        self.become: list[str] = []
        self.command = cli.command
        self.home.mkdir()
        if os.geteuid() == 0:
            os.chown(self.home, NOBODY, NOBODY)
            places = [Path(sys.base_prefix), ROOT, Path(sysconfig.get_path("purelib"))]
            closed = closed_folders([place.resolve() for place in places])
            names = " ".join(sorted(set().union(*closed.values())))
            require_own_mounts()
            self.become = ["unshare", "--mount", "sh", "-c", MOUNT_AND_BECOME, "sh"]
            self.become += [" ".join(map(str, closed)), str(folder), names]
            self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        make_file(self.file, 6 * MIB, 1)
        self.file.chmod(0o644)

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [*self.become, *self.command, *map(str, words)]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )
        assert "Traceback" not in done.stderr
        return done

    def forbid(self, path: Path, mode: int) -> None:
        """Makes `path` somebody else's, or at least nobody's to use."""
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 0, 0)


@pytest.fixture
def somebody(cli: Cli, bucket: str) -> Iterator[Somebody]:
    folder = Path(tempfile.mkdtemp(prefix="s3am-user-"))
    folder.chmod(0o755)
    yield Somebody(cli, bucket, folder)
    for path in (folder / "home", folder / "target"):
        if path.exists():
            path.chmod(0o700)
    shutil.rmtree(folder)


def test_somebody_else_transfers_as_root_does(somebody: Somebody, boto: Any, bucket: str) -> None:
    done = somebody.run("upload", "--part-size", "5M", somebody.file, somebody.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert object_digest(boto, bucket, "k") == digest(somebody.file)
    done = somebody.run("download", "--part-size", "5M", somebody.url, somebody.home / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert digest(somebody.home / "out") == digest(somebody.file)
    assert (somebody.home / "out").stat().st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())


def test_a_source_that_may_not_be_read(somebody: Somebody, boto: Any, bucket: str) -> None:
    somebody.forbid(somebody.file, 0o000)
    done = somebody.run("upload", somebody.file, somebody.url)
    assert (done.returncode, done.stderr.count("\n")) == (14, 1)
    assert done.stderr.startswith("error: ")
    assert str(somebody.file) in done.stderr
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_target_that_may_not_be_written(somebody: Somebody, boto: Any, bucket: str) -> None:
    boto.upload_file(str(somebody.file), bucket, "k")
    target = somebody.folder / "target"
    target.mkdir()
    somebody.forbid(target, 0o555)
    done = somebody.run("download", somebody.url, target / "out")
    assert (done.returncode, done.stderr.count("\n")) == (14, 1)
    assert done.stderr.startswith("error: ")
    assert list(target.iterdir()) == []


def test_a_home_that_may_not_be_written(somebody: Somebody, boto: Any, bucket: str) -> None:
    """Without a manifest: it works, and one line says what is lost."""
    somebody.forbid(somebody.home, 0o555)
    done = somebody.run("upload", "--part-size", "5M", somebody.file, somebody.url)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("warning: ")
    assert object_digest(boto, bucket, "k") == digest(somebody.file)
