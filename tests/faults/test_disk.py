"""Files that change, disks that are full, targets that become something else: the right bytes, or an error."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.cli import ROOT, Cli, Running
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
SIZE = 4 * PART + 1


class Disk:
    """A file of 4 parts and a byte, on disk and in S3, behind a slow proxy."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy) -> None:
        self.cli, self.boto, self.bucket, self.proxy = cli, boto, bucket, proxy
        self.file, self.folder = folder / "f", folder / "target"
        self.folder.mkdir()
        self.out = self.folder / "out"
        make_file(self.file, SIZE, 1)

    @property
    def through(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.proxy.endpoint_url}

    def sick(self, how: str) -> dict[str, str]:
        return {**self.through, "SICK": how, "PYTHONPATH": f"{Path(__file__).parent / 'sick'}:{ROOT}"}

    def download(self, *options: object) -> tuple[object, ...]:
        slots = ("--download-slots", "1")
        return ("download", "--part-size", "5M", *slots, *options, f"s3://{self.bucket}/k", self.out)

    def upload(self, *options: object) -> tuple[object, ...]:
        return ("upload", "--part-size", "5M", "--upload-slots", "1", *options, self.file, f"s3://{self.bucket}/k")

    def slowly(self, kind: str, command: tuple[object, ...]) -> Running:
        """Starts `command`, whose requests of `kind` are held back; returns when one is done and others are not."""
        self.proxy.rules.append(Rule(kind, faults.delay(0.3)))
        running = self.cli.start(*command, env=self.through)
        assert self.proxy.wait_for(lambda: any(r.done for r in self.proxy.of(kind)))
        return running

    def beside(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def objects(self) -> list[str]:
        return [found["Key"] for found in self.boto.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture
def disk(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Disk:
    return Disk(cli, boto, bucket, tmp_path, proxy)


@pytest.fixture
def stored(disk: Disk) -> Disk:
    """The file is in S3 already."""
    disk.boto.upload_file(str(disk.file), disk.bucket, "k")
    return disk


def truncate(path: Path) -> None:
    os.truncate(path, SIZE - 2 * PART)


def grow(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(b"other bytes of the same length")


@pytest.mark.parametrize("change", [truncate, grow, overwrite])
def test_a_source_that_changes_while_it_is_read(disk: Disk, change: Callable[[Path], None]) -> None:
    running = disk.slowly("UploadPart", disk.upload())
    change(disk.file)
    result = running.wait()
    assert result.rc == 15, result.stderr
    assert disk.objects() == []
    again = disk.cli(*disk.upload("--resume"), env=disk.through)
    assert again.rc == 15
    assert "--force" in again.stderr
    disk.cli.ok(*disk.upload("--force"))
    assert object_digest(disk.boto, disk.bucket, "k") == digest(disk.file)
    assert disk.boto.list_multipart_uploads(Bucket=disk.bucket).get("Uploads", []) == []


def test_an_object_that_is_replaced_while_it_is_fetched(stored: Disk) -> None:
    running = stored.slowly("GetRange", stored.download())
    make_file(stored.file, SIZE, 2)
    stored.boto.upload_file(str(stored.file), stored.bucket, "k")
    result = running.wait()
    assert result.rc == 15, result.stderr
    assert not stored.out.exists()
    stored.proxy.clear()
    stored.cli.ok(*stored.download("--download-exists", "resume"))
    assert digest(stored.out) == digest(stored.file)


def test_a_disk_that_fills_up(stored: Disk) -> None:
    result = stored.cli(*stored.download(), env=stored.sick(f"full after {2 * PART + 1000}"))
    assert result.rc == 1
    assert "No space left on device" in result.stderr
    assert result.stderr.count("\n") == 1
    assert stored.beside() == [".out.partial", ".out.progress"]
    stored.proxy.clear()
    again = stored.cli(*stored.download("--download-exists", "resume"), env=stored.through)
    assert again.rc == 0, again.stderr
    assert digest(stored.out) == digest(stored.file)
    assert stored.beside() == ["out"]
    assert stored.proxy.count("GetRange") == 3, "two parts were on the disk"


def test_a_quota_that_is_used_up(stored: Disk) -> None:
    result = stored.cli(*stored.download(), env=stored.sick(f"quota after {PART + 1000}"))
    assert (result.rc, result.stderr.count("\n")) == (1, 1)
    assert os.strerror(errno.EDQUOT) in result.stderr
    assert stored.beside() == [".out.partial", ".out.progress"]
    assert stored.cli(*stored.download("--download-exists", "resume")).rc == 0
    assert digest(stored.out) == digest(stored.file)


def test_a_source_that_cannot_be_read_any_more(disk: Disk) -> None:
    result = disk.cli(*disk.upload(), env=disk.sick(f"unreadable after {2 * PART + 1000}"))
    assert (result.rc, result.stderr.count("\n")) == (1, 1)
    assert os.strerror(errno.EIO) in result.stderr
    assert disk.objects() == []
    again = disk.cli(*disk.upload("--resume"), env=disk.through)
    assert again.rc == 0, again.stderr
    assert object_digest(disk.boto, disk.bucket, "k") == digest(disk.file)
    assert disk.proxy.parts_sent_again() == []


def test_a_disk_without_room_for_manifests(disk: Disk) -> None:
    result = disk.cli(*disk.upload(), env=disk.sick("no manifests"))
    assert result.rc == 0, result.stderr
    assert "no manifest can be kept" in result.stderr
    assert object_digest(disk.boto, disk.bucket, "k") == digest(disk.file)


@pytest.mark.parametrize("mode", ["refuse", "discard", "resume"])
def test_killed_just_after_the_file_got_its_name(stored: Disk, mode: str) -> None:
    killed = stored.cli(*stored.download(), env=stored.sick("killed after link"))
    assert killed.rc == -9
    assert digest(stored.out) == digest(stored.file)
    before = stored.out.read_bytes()
    options = () if mode == "refuse" else ("--file-exists", "overwrite", "--download-exists", mode)
    stored.proxy.clear()
    stored.proxy.rules.append(Rule("GetRange", faults.delay(0.3)))
    running = stored.cli.start(*stored.download(*options), env=stored.through)
    if mode != "refuse":
        assert stored.proxy.wait_for(lambda: stored.proxy.count("GetRange") >= 2)
        assert stored.out.read_bytes() == before, "the file under its name is not the one that is written to"
    assert running.wait().rc == (11 if mode == "refuse" else 0)
    assert digest(stored.out) == digest(stored.file)
    assert stored.beside() == ["out"]


@pytest.mark.parametrize("mode", ["refuse", "skip", "overwrite"])
@pytest.mark.parametrize("call", ["unlink", "replace"])
def test_killed_when_only_the_manifest_was_left(stored: Disk, call: str, mode: str) -> None:
    first = ("--file-exists", "overwrite") if call == "replace" else ()
    killed = stored.cli(*stored.download(*first), env=stored.sick(f"killed after {call}"))
    assert (killed.rc, stored.beside()) == (-9, [".out.progress", "out"])
    options = () if mode == "refuse" else ("--file-exists", mode)
    again = stored.cli(*stored.download(*options))
    assert again.rc == {"refuse": 11, "skip": 0, "overwrite": 0}[mode], again.stderr
    assert digest(stored.out) == digest(stored.file)
    assert stored.beside() == ["out"]


def test_a_target_that_becomes_a_folder(stored: Disk) -> None:
    running = stored.slowly("GetRange", stored.download("--file-exists", "overwrite"))
    stored.out.mkdir()
    (stored.out / "kept").touch()
    result = running.wait()
    assert result.rc == 1
    assert result.stderr.startswith("error: ")
    assert [path.name for path in stored.out.iterdir()] == ["kept"]
    (stored.out / "kept").unlink()
    stored.out.rmdir()
    stored.proxy.clear()
    assert stored.cli(*stored.download("--download-exists", "resume"), env=stored.through).rc == 0
    assert stored.proxy.count("GetRange") == 0, "everything was there"
    assert digest(stored.out) == digest(stored.file)


@pytest.mark.parametrize("exists", ["refuse", "overwrite"])
def test_a_target_that_becomes_a_link(stored: Disk, exists: str) -> None:
    victim = stored.folder.parent / "victim"
    victim.write_bytes(b"precious")
    options = () if exists == "refuse" else ("--file-exists", exists)
    running = stored.slowly("GetRange", stored.download(*options))
    stored.out.symlink_to(victim)
    result = running.wait()
    assert result.rc == (11 if exists == "refuse" else 0), result.stderr
    assert victim.read_bytes() == b"precious"
    if exists == "overwrite":
        assert not stored.out.is_symlink()
        assert digest(stored.out) == digest(stored.file)


def test_a_planted_link_is_not_written_through(stored: Disk) -> None:
    victim = stored.folder.parent / "victim"
    victim.write_bytes(b"precious")
    (stored.folder / ".out.partial").symlink_to(victim)
    assert stored.cli(*stored.download("--download-exists", "discard")).rc == 0  # the link is what is discarded
    assert victim.read_bytes() == b"precious"
    assert stored.out.is_file()
    assert not stored.out.is_symlink()
