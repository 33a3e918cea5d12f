"""Names of partial files, whose they are, and who may read a file that replaces another."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.errors import AccessDenied, TransferError
from s3amfs.transfers.local_files import keep_access, open_own, own_names, partial_names, require_room
from s3amfs.transfers.partial_file import PartialFile

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to play another user")


def test_short_names_are_kept() -> None:
    assert partial_names("genome.bam") == (".genome.bam.partial", ".genome.bam.progress")
    assert partial_names("genome.bam", owner=7) == (".genome.bam.7.partial", ".genome.bam.7.progress")


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_names_always_fit_and_differ(name: str) -> None:
    partial, progress = partial_names(name)
    assert partial != progress
    assert max(len(os.fsencode(n)) for n in (partial, progress)) <= 255 or len(os.fsencode(name)) > 255
    assert partial_names(name + "x")[0] != partial


def test_long_names_that_begin_alike_have_different_partial_files() -> None:
    one, other = "n" * 250, "n" * 251
    assert partial_names(one) != partial_names(other)
    assert len(partial_names("\u00e9" * 127)[0].encode()) <= 255


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_replaced_file_leaves_its_mode(tmp_path: Path, mode: int) -> None:
    target, partial = tmp_path / "f", tmp_path / ".f.partial"
    target.write_bytes(b"old")
    target.chmod(mode)
    fd = open_own(str(partial), str(target))
    assert stat.S_IMODE(os.fstat(fd).st_mode) == mode | 0o600
    keep_access(fd, str(target))
    assert stat.S_IMODE(os.fstat(fd).st_mode) == mode
    os.close(fd)


@ROOT
def test_a_partial_file_of_another_user_is_left_alone(tmp_path: Path) -> None:
    there = tmp_path / ".f.partial"
    there.write_bytes(b"")
    os.chown(there, 65534, 65534)
    partial, progress = own_names(str(tmp_path), "f")
    assert (partial, progress) == (f"{tmp_path}/.f.0.partial", f"{tmp_path}/.f.0.progress")
    with pytest.raises(AccessDenied):
        open_own(str(there), str(tmp_path / "f"))


@ROOT
def test_the_owner_of_a_replaced_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    os.chown(target, 65534, 65534)
    fd = open_own(str(tmp_path / ".f.partial"), str(target))
    assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (65534, 65534)
    os.close(fd)


def test_a_link_is_not_a_partial_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / ".f.partial").symlink_to(tmp_path / "other")
    partial, _ = own_names(str(tmp_path), "f")
    assert partial != f"{tmp_path}/.f.partial"


def test_a_full_disk_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    require_room(fd, 1, str(tmp_path))
    with pytest.raises(TransferError, match=r"room for .* are needed: make room, then go on with --download-exists"):
        require_room(fd, 1 << 60, str(tmp_path))
    os.close(fd)


def test_a_link_is_followed_or_replaced_as_asked(tmp_path: Path) -> None:
    target, link = tmp_path / "f", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    followed, itself = PartialFile(str(link)), PartialFile(str(link), follow_link=False)
    assert (followed.path, itself.path) == (str(target), str(link))
    assert not itself.check_target("overwrite")
    os.mkfifo(tmp_path / "pipe")
    other = tmp_path / "to-pipe"
    other.symlink_to(tmp_path / "pipe")
    stream, replaced = PartialFile(str(other)), PartialFile(str(other), follow_link=False)
    for file in (stream, replaced):
        file.check_target("overwrite")
    assert (stream.is_stream, replaced.is_stream) == (True, False)
