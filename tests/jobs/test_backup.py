"""`--backup-dir`: what is kept before it is replaced, under which name, and when it must not be replaced at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.compare import Rules
from s3amfs.core.entries import Entry, Kind
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.jobs import backup
from s3amfs.jobs.backup import Backup
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.local_target import TargetChanged

CLIENT: Any = SimpleNamespace(engine=SimpleNamespace(sending="the gate"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dst" / "a").mkdir(parents=True)
    (tmp_path / "dst" / "a" / "f").write_bytes(b"old")
    return tmp_path


def listed(path: Path, key: str) -> Entry:
    there = os.lstat(path)
    kind = Kind.LINK if path.is_symlink() else Kind.FILE
    return Entry(key, there.st_size, there.st_mtime_ns, kind, changed=there.st_ctime_ns, inode=there.st_ino)


def local(root: Path, **more: Any) -> Backup:
    options = TreeOptions(Rules("down"), backup_dir=LocalPath(str(root / "kept")), **more)
    return Backup(LocalPath(str(root / "dst")), CLIENT, options)


def test_without_a_folder_nothing_is_kept(root: Path) -> None:
    none = Backup(LocalPath(str(root / "dst")), CLIENT, TreeOptions(Rules("down")))
    entry = Entry("a/none")
    assert not none.wanted and none.keep(entry) is entry
    assert local(root).wanted


def test_a_file_gets_a_second_name_below_the_folder(root: Path) -> None:
    file = root / "dst" / "a" / "f"
    before = listed(file, "a/f")
    now = local(root).keep(before)
    assert (root / "kept" / "a" / "f").samefile(file)
    assert now == listed(file, "a/f"), "its ctime is that after the second name"
    assert os.listdir(root / "kept" / "a") == ["f"]


def test_what_changed_since_the_listing_must_not_go(root: Path) -> None:
    file = root / "dst" / "a" / "f"
    before = listed(file, "a/f")
    file.write_bytes(b"newer")
    with pytest.raises(TargetChanged, match="a/f changed"):
        local(root).keep(before)
    assert not (root / "kept").exists()


def test_the_latest_of_one_name_is_kept(root: Path) -> None:
    file = root / "dst" / "a" / "f"
    local(root).keep(listed(file, "a/f"))
    file.unlink()
    file.write_bytes(b"second")
    local(root).keep(listed(file, "a/f"))
    assert (root / "kept" / "a" / "f").read_bytes() == b"second"


def test_what_a_killed_process_left_beside_it_is_no_hindrance(root: Path) -> None:
    file = root / "dst" / "a" / "f"
    (root / "kept" / "a").mkdir(parents=True)
    (root / "kept" / "a" / f"f.s3am-{os.getpid()}.partial").write_bytes(b"left")
    local(root).keep(listed(file, "a/f"))
    assert os.listdir(root / "kept" / "a") == ["f"]
    assert (root / "kept" / "a" / "f").read_bytes() == b"old"


def test_a_link_is_kept_as_a_link(root: Path) -> None:
    link = root / "dst" / "a" / "l"
    link.symlink_to("nowhere")
    local(root).keep(listed(link, "a/l"))
    assert os.readlink(root / "kept" / "a" / "l") == "nowhere"


def refusing(number: int) -> Any:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return link


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_no_second_name_is_possible_it_is_a_copy(
    number: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup.os, "link", refusing(number))
    file = root / "dst" / "a" / "f"
    local(root).keep(listed(file, "a/f"))
    kept = root / "kept" / "a" / "f"
    assert kept.read_bytes() == b"old" and not kept.samefile(file)
    assert kept.stat().st_mtime_ns == file.stat().st_mtime_ns


def test_other_trouble_is_raised(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup.os, "link", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        local(root).keep(listed(root / "dst" / "a" / "f", "a/f"))
    assert os.listdir(root / "kept" / "a") == []


def test_an_object_is_copied_inside_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def upload(source: Any, target: Any, client: Any, options: Any, *, gate: Any) -> None:
        made.append((source, target, client, options, gate))

    monkeypatch.setattr(backup, "upload", upload)
    where = S3Location("kept", "p/")
    options = TreeOptions(Rules("up"), backup_dir=where, key_for=lambda location: location.key)  # type: ignore[arg-type,return-value]
    entry = Entry("a/f", etag="1")
    assert Backup(S3Location("b", "dst/"), CLIENT, options).keep(entry) is entry
    ((source, target, client, using, gate),) = made
    assert (source, target) == (S3Location("b", "dst/a/f"), S3Location("kept", "p/a/f"))
    assert (client, gate) == (CLIENT, "the gate")
    assert (using.exists, using.unfinished, using.source_key) == ("overwrite", "continue", "dst/a/f")
    assert using.object.customer_key == "p/a/f"
