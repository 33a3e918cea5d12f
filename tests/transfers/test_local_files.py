"""Names of partial files, whose they are, and who may read a file that replaces another."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.errors import AccessDenied, TransferError
from s3amfs.transfers import local_files
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


# -- names that partial files of earlier versions have, too ----------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "limit", "kept"),
    [(245, 255, None), (246, 255, 100), (133, 143, None), (134, 143, 83), (90, 60, 0), (90, 50, 0)],
)
def test_a_name_that_leaves_no_room_is_cut_and_gets_a_digest(length: int, limit: int, kept: int | None) -> None:
    name = "n" * length
    short = name if kept is None else f"{name[:kept]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    names = partial_names(name, limit=limit)
    assert names == (f".{short}.partial", f".{short}.progress")
    assert max(map(len, names)) <= limit


def test_the_id_of_the_user_counts_for_the_length() -> None:
    assert partial_names("n" * 240, owner=12345)[0].startswith(f".{'n' * 100}~")
    assert partial_names("n" * 239, owner=12345)[0] == f".{'n' * 239}.12345.partial"


# -- partial files --------------------------------------------------------------------------------------------------


def test_a_link_is_never_opened_as_a_partial_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"")
    (tmp_path / ".f.partial").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError) as raised:
        open_own(str(tmp_path / ".f.partial"), str(tmp_path / "f"))
    assert raised.value.errno == errno.ELOOP


def test_a_partial_file_of_ours_is_opened_as_it_is(tmp_path: Path) -> None:
    partial = tmp_path / ".f.partial"
    partial.write_bytes(b"what was fetched")
    fd = open_own(str(partial), str(tmp_path / "f"))
    assert os.pread(fd, 99, 0) == b"what was fetched"
    assert os.pwrite(fd, b"W", 0) == 1
    os.close(fd)
    assert own_names(str(tmp_path), "f") == (str(partial), f"{tmp_path}/.f.progress")


@ROOT
def test_files_of_the_owner_of_the_folder_are_not_foreign(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / ".f.partial").write_bytes(b"")
    for path in (folder, folder / ".f.partial"):
        os.chown(path, 65534, 65534)
    assert own_names(str(folder), "f")[0] == f"{folder}/.f.partial"
    (folder / ".g.progress").write_bytes(b"")
    os.chown(folder / ".g.progress", 1234, 1234)
    assert own_names(str(folder), "g")[0] == f"{folder}/.g.0.partial", "one of the two is enough"


def test_a_new_partial_file_is_no_more_visible_than_what_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_modes(*_: object) -> None:
        raise OSError(errno.EPERM, "a file system without modes")

    monkeypatch.setattr(os, "fchmod", without_modes)
    (tmp_path / "f").write_bytes(b"old")
    before = os.umask(0)
    try:
        for name, mode in (("f", 0o600), ("g", 0o666)):
            fd = open_own(str(tmp_path / f".{name}.partial"), str(tmp_path / name))
            assert stat.S_IMODE(os.fstat(fd).st_mode) == mode
            os.close(fd)
    finally:
        os.umask(before)


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    with monkeypatch.context() as patched, pytest.raises(AccessDenied, match=f"^{tmp_path} may not be written to"):
        patched.setattr(os, "open", refused)
        open_own(str(tmp_path / ".f.partial"), str(tmp_path / "f"))


# -- mode and owner of what is replaced ------------------------------------------------------------------------------


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "new", os.O_RDWR | os.O_CREAT, 0o600)
    yield opened
    os.close(opened)


def theirs(path: Path, mode: int, uid: int, gid: int) -> Path:
    path.write_bytes(b"old")
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


@ROOT
@pytest.mark.parametrize(
    ("uid", "gid", "may", "calls", "mode"),
    [
        (0, 0, "all", [], 0o4754),
        (1234, 0, "all", [(1234, 0)], 0o4754),
        (0, 5678, "all", [(0, 5678)], 0o4754),
        (1234, 5678, "all", [(1234, 5678)], 0o4754),
        (1234, 5678, "the group", [(1234, 5678), (-1, 5678)], 0o754),
        (1234, 5678, "nothing", [(1234, 5678), (-1, 5678)], 0o744),
        (0, 5678, "nothing", [(0, 5678), (-1, 5678)], 0o4744 & 0o707 | 0o040),
    ],
)
def test_who_may_read_what_where_owner_or_group_cannot_be_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fd: int,
    uid: int,
    gid: int,
    may: str,
    calls: list[tuple[int, int]],
    mode: int,
) -> None:
    real, asked = os.fchown, list[tuple[int, int]]()

    def fchown(descriptor: int, new_uid: int, new_gid: int) -> None:
        asked.append((new_uid, new_gid))
        if may == "nothing" or (may == "the group" and new_uid != -1):
            raise PermissionError(errno.EPERM, "no")
        real(descriptor, new_uid, new_gid)

    monkeypatch.setattr(os, "fchown", fchown)
    keep_access(fd, str(theirs(tmp_path / "old", 0o4754, uid, gid)))
    assert (asked, stat.S_IMODE(os.fstat(fd).st_mode)) == (calls, mode)


def test_what_is_no_other_file_gives_no_mode(tmp_path: Path, fd: int) -> None:
    os.mkfifo(tmp_path / "pipe", 0o666)
    (tmp_path / "folder").mkdir(0o777)
    for path in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "missing", tmp_path / "new"):
        keep_access(fd, str(path), also=0o077)
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600


# -- room -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "taken", "free", "blocks", "fits"),
    [
        (8 * 4096, 0, 8, 100, True),
        (8 * 4096 + 1, 0, 8, 100, False),
        (8 * 4096 + 512, 1, 8, 100, True),
        (8 * 4096 + 513, 1, 8, 100, False),
        (1, 0, 0, 100, False),
        (1, 0, 0, 0, True),
    ],
    ids=["just", "a byte more", "with what it has", "a byte more than that", "full", "a file system without sizes"],
)
def test_how_much_room_a_file_needs(
    monkeypatch: pytest.MonkeyPatch, size: int, taken: int, free: int, blocks: int, fits: bool
) -> None:
    """taken: blocks of 512 bytes that the file has; free: blocks of 4096 bytes."""
    there = SimpleNamespace(f_blocks=blocks, f_bavail=free, f_frsize=4096)
    of_file = SimpleNamespace(st_blocks=taken)
    system = SimpleNamespace(fstatvfs=lambda fd: there, fstat=lambda fd: of_file)
    monkeypatch.setattr(local_files, "os", system)
    if fits:
        require_room(7, size, "/folder")
    else:
        with pytest.raises(TransferError) as raised:
            require_room(7, size, "/folder")
        assert raised.value.errno == errno.ENOSPC
