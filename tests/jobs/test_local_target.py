"""Files of a local target appear whole, under conditions, and never through a link."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from s3amfs.core.entries import Entry, Kind
from s3amfs.jobs import local_target
from s3amfs.jobs.local_target import InTheWay, LocalTarget, TargetChanged


@pytest.fixture
def target(tmp_path: Path) -> LocalTarget:
    return LocalTarget(os.fspath(tmp_path / "dst"))


def nothing(_fd: int) -> None:
    """Gives a file no time."""


def listed(target: LocalTarget, key: str, kind: Kind = Kind.FILE) -> Entry:
    there = os.lstat(os.path.join(target.root, key))
    return Entry(key, there.st_size, there.st_mtime_ns, kind, changed=there.st_ctime_ns, inode=there.st_ino)


def test_the_root_is_made_with_its_first_entry(target: LocalTarget) -> None:
    assert not os.path.exists(target.root)
    assert target.partials_folder(create=False) is None
    target.store("a/b", b"1", None, nothing)
    target.close()
    assert os.listdir(target.root) == ["a"]  # and no .s3am/


def test_a_file_is_replaced_only_as_it_was_listed(target: LocalTarget) -> None:
    target.store("f", b"old", None, nothing)
    with pytest.raises(TargetChanged, match="changed since it was listed"):
        target.store("f", b"new", None, nothing)
    entry = listed(target, "f")
    target.store("f", b"new", entry, nothing)
    with pytest.raises(TargetChanged):
        target.store("f", b"newer", entry, nothing)
    with pytest.raises(TargetChanged):
        target.delete(entry)
    assert Path(target.root, "f").read_bytes() == b"new"
    assert os.listdir(Path(target.root, ".s3am")) == []
    target.delete(listed(target, "f"))
    assert not os.path.exists(os.path.join(target.root, "f"))
    target.close()


def test_a_file_whose_end_fails_never_appears(target: LocalTarget) -> None:
    def fails(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        target.store("f", b"1", None, fails)
    assert os.listdir(Path(target.root, ".s3am")) == []
    target.close()
    assert os.listdir(target.root) == []


def test_links_are_never_followed(target: LocalTarget, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.store("real/f", b"1", None, nothing)
    os.symlink(outside, os.path.join(target.root, "link"))
    with pytest.raises(InTheWay, match="it is not followed"):
        target.store("link/f", b"1", None, nothing)
    with pytest.raises(InTheWay):
        target.store("real/f/below", b"1", None, nothing)
    with pytest.raises(InTheWay, match="is a folder"):
        target.store("real", b"1", None, nothing)
    assert os.listdir(outside) == []
    target.close()


def test_renames_and_folders(target: LocalTarget) -> None:
    target.store("old/f", b"1", None, nothing)
    target.rename(listed(target, "old/f"), "new/g")
    assert Path(target.root, "new/g").read_bytes() == b"1"
    assert target.remove_folder("old")
    assert not target.remove_folder("new")
    target.make_folder("empty/")
    assert os.path.isdir(os.path.join(target.root, "empty"))
    target.close()


def test_links_and_times(target: LocalTarget) -> None:
    target.link("l", b"somewhere", None, 5 * 10**9)
    assert os.readlink(os.path.join(target.root, "l")) == "somewhere"
    target.store("f", b"1", None, nothing)
    there = target.set_times("f", listed(target, "f"), 7 * 10**9)
    assert there.st_mtime_ns == 7 * 10**9
    target.close()


def test_what_a_killed_process_of_the_same_number_has_left_stays(
    target: LocalTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_target, "_numbers", itertools.count())
    left = Path(target.partials_folder(create=True) or "", f"{os.getpid()}-0.partial")
    left.write_bytes(b"left")
    target.store("f", b"new", None, nothing)
    target.link("l", b"f", None, 0)
    assert (Path(target.root, "f").read_bytes(), left.read_bytes()) == (b"new", b"left")
    target.close()
