"""The files of an unfinished download."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3amfs.core.checksums import crc
from s3amfs.core.manifest import Header, Manifest, SourceIdentity
from s3amfs.core.parts import Part, Plan
from s3amfs.engine.attempt import PartResult
from s3amfs.errors import (
    InvalidDestination,
    MissingFolder,
    PartialDownloadExists,
    TargetFileExists,
    TransferError,
    TransferLocked,
)
from s3amfs.transfers import local_files
from s3amfs.transfers.partial_file import PartialFile, crc_of

SOURCE = SourceIdentity("s3://b/k", size=3)


def test_a_late_writer_of_an_earlier_run_changes_nothing(tmp_path: Path) -> None:
    """A worker on another machine may still write a range of another version after its run was killed."""
    left = tmp_path / ".f.partial"
    left.write_bytes(b"old")
    late = os.open(left, os.O_WRONLY)
    file = PartialFile(str(tmp_path / "f"))
    assert file.open("discard", SOURCE) == (None, "")
    file.begin(Header("download", SOURCE, file.path, "https://s3", 3, 5 << 20, None))
    os.pwrite(file.fd, b"new", 0)
    os.pwrite(late, b"old", 0)
    os.close(late)
    file.publish(replace=False)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


def header(size: int = 3, source: SourceIdentity = SOURCE) -> Header:
    return Header("download", source, "/t", "https://s3", size, 5 << 20, None)


def begun(path: Path, size: int = 3) -> PartialFile:
    file = PartialFile(str(path))
    assert file.open("resume", SOURCE) == (None, "")
    file.begin(header(size))
    return file


# -- the target -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["refuse", "skip", "overwrite"])
def test_an_existing_target(tmp_path: Path, mode: str) -> None:
    target = tmp_path / "f"
    assert not PartialFile(str(target)).check_target(mode), "there is none"
    target.write_bytes(b"old")
    file = PartialFile(str(target))
    if mode == "refuse":
        with pytest.raises(TargetFileExists, match="--file-exists"):
            file.check_target(mode)
    else:
        assert file.check_target(mode) is (mode == "skip")
    assert not file.is_stream
    assert target.read_bytes() == b"old"


def test_what_can_be_no_target(tmp_path: Path) -> None:
    with pytest.raises(MissingFolder):
        PartialFile(str(tmp_path / "none" / "f")).check_target("overwrite")
    (tmp_path / "d").mkdir()
    with pytest.raises(InvalidDestination, match="not a regular file"):
        PartialFile(str(tmp_path / "d")).check_target("overwrite")


def test_pipes_and_devices_are_written_to_in_order(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe, null = PartialFile(str(tmp_path / "pipe")), PartialFile(os.devnull)
    assert not pipe.check_target("overwrite")
    assert not null.check_target("overwrite")
    assert (pipe.is_stream, null.is_stream) == (True, True)


def test_a_link_is_followed_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    assert PartialFile(str(tmp_path / "link")).path == str(tmp_path / "real")
    replaced = PartialFile(str(tmp_path / "link"), follow_link=False)
    assert replaced.path == str(tmp_path / "link")
    assert not replaced.check_target("overwrite")
    assert not replaced.is_stream


# -- leftovers of a run that was killed as it published ---------------------------------------------------------------


def test_a_second_name_of_the_target_is_removed_with_its_manifest(tmp_path: Path) -> None:
    file = begun(tmp_path / "f")
    os.pwrite(file.fd, b"new", 0)
    os.link(file.partial, file.path)
    file.close()
    assert not PartialFile(str(tmp_path / "f")).check_target("overwrite")
    assert os.listdir(tmp_path) == ["f"]


def test_a_manifest_that_is_alone_is_removed(tmp_path: Path) -> None:
    file = begun(tmp_path / "f")
    os.rename(file.partial, file.path)
    file.close()
    PartialFile(str(tmp_path / "f")).check_target("overwrite")
    assert os.listdir(tmp_path) == ["f"]


def test_a_partial_file_of_another_content_stays(tmp_path: Path) -> None:
    begun(tmp_path / "f").close()
    (tmp_path / "f").write_bytes(b"old")
    PartialFile(str(tmp_path / "f")).check_target("overwrite")
    assert sorted(os.listdir(tmp_path)) == [".f.partial", ".f.progress", "f"]


def test_nothing_is_cleaned_while_another_process_is_at_it(tmp_path: Path) -> None:
    file = begun(tmp_path / "f")
    os.link(file.partial, file.path)
    PartialFile(str(tmp_path / "f")).check_target("overwrite")
    assert os.path.exists(file.partial)
    file.close()


# -- opening --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [".f.partial", ".f.progress"])
def test_leftovers_are_refused_where_that_is_asked_for(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"")
    with pytest.raises(PartialDownloadExists, match="--download-exists resume"):
        PartialFile(str(tmp_path / "f")).open("refuse", SOURCE)


def test_what_is_resumed_and_why_not(tmp_path: Path) -> None:
    begun(tmp_path / "f").close()
    again = PartialFile(str(tmp_path / "f"))
    manifest, why = again.open("resume", SOURCE)
    assert manifest is not None and (manifest.header.size, why) == (3, "")
    again.close()
    manifest, why = again.open("discard", SOURCE)
    assert (manifest, why) == (None, "")
    again.close()
    manifest, why = again.open("resume", SourceIdentity("s3://b/k", size=4))
    assert manifest is None
    assert "size" in why
    again.close()
    os.unlink(again.partial)
    assert again.open("resume", SOURCE) == (None, ""), "the file is gone, so nothing of it is there"
    again.close()
    os.unlink(again.progress)
    manifest, why = again.open("resume", SOURCE)
    assert (manifest, why) == (None, "nothing says what its bytes are")
    again.close()


def test_one_transfer_at_a_time(tmp_path: Path) -> None:
    file = begun(tmp_path / "f")
    other = PartialFile(str(tmp_path / "f"))
    with pytest.raises(TransferLocked, match="/f: "):
        other.open("resume", SOURCE)
    assert not other.waited
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.open, "resume", SOURCE, wait=True)
        while not other.waited:
            assert not waiting.done()
        file.close()
        manifest, _ = waiting.result(60)
    assert manifest is not None
    other.close()


def test_a_new_file_has_its_size_at_once(tmp_path: Path) -> None:
    left = tmp_path / ".f.partial"
    left.write_bytes(b"old")
    file = PartialFile(str(tmp_path / "f"))
    file.open("discard", SOURCE)
    file.begin(header(1000))
    assert os.fstat(file.fd).st_size == 1000
    assert left.read_bytes() == bytes(1000)
    file.close()
    assert file.fd == -1
    empty = begun(tmp_path / "g", 0)
    assert os.fstat(empty.fd).st_size == 0
    empty.close()


def test_without_room_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int, folder: str) -> None:
        raise TransferError(f"no room for {size}")

    monkeypatch.setattr(local_files, "require_room", refuse)
    file = PartialFile(str(tmp_path / "f"))
    file.open("resume", SOURCE)
    with pytest.raises(TransferError, match="no room for 3"):
        file.begin(header())
    assert os.listdir(tmp_path) == []
    file.close()
    sparse = PartialFile(str(tmp_path / "f"))
    sparse.open("resume", SOURCE)
    sparse.begin(header(), sparse=True)
    assert sparse.proven(Manifest(header()), Plan(3, 5 << 20), 1, sparse=True) == {}
    with pytest.raises(TransferError, match="no room"):
        sparse.proven(Manifest(header()), Plan(3, 5 << 20), 1)
    sparse.close()


# -- what is on disk --------------------------------------------------------------------------------------------------


def test_only_ranges_that_are_on_disk_as_recorded_count(tmp_path: Path) -> None:
    plan, data = Plan(25, 10), bytes(range(25))
    file = begun(tmp_path / "f", 25)
    os.pwrite(file.fd, data, 0)
    for part in plan:
        crc = crc_of(file.fd, part, "crc64nvme")
        file.record(PartResult(part.number, part.length, f"e{part.number}", crc))
    file.record(PartResult(9, 10, "", 1))
    file.close()
    again = PartialFile(str(tmp_path / "f"))
    manifest, _ = again.open("resume", SOURCE)
    assert manifest is not None
    assert sorted(again.proven(manifest, plan, 2)) == [1, 2, 3]
    assert again.proven(manifest, plan, 2)[3].etag == "e3"
    assert sorted(again.proven(manifest, Plan(25, 12), 2)) == [], "other parts"
    os.pwrite(again.fd, b"x", 10)
    os.ftruncate(again.fd, 24)
    assert sorted(again.proven(manifest, plan, 2)) == [1]
    assert os.fstat(again.fd).st_size == 25
    again.close()


def test_the_crc_of_a_range(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        assert crc_of(file.fileno(), Part(1, 2, 5), "crc32c") == crc("crc32c", b"23456")


# -- the end --------------------------------------------------------------------------------------------------------


def no_links(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, "no links here")

    return refuse


@pytest.mark.parametrize("number", [0, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_file_that_appeared_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file = begun(tmp_path / "f")
    os.pwrite(file.fd, b"new", 0)
    if number:
        monkeypatch.setattr(os, "link", no_links(number))
    (tmp_path / "f").write_bytes(b"theirs")
    with pytest.raises(TargetFileExists, match="appeared meanwhile"):
        file.publish(replace=False)
    assert (tmp_path / "f").read_bytes() == b"theirs"
    file.publish(replace=True)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("number", [0, errno.EPERM])
def test_a_new_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    file = begun(tmp_path / "f")
    os.pwrite(file.fd, b"new", 0)
    if number:
        monkeypatch.setattr(os, "link", no_links(number))
    file.publish(replace=False)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


def test_other_trouble_with_links_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = begun(tmp_path / "f")
    monkeypatch.setattr(os, "link", no_links(errno.EIO))
    with pytest.raises(OSError, match="no links here"):
        file.publish(replace=False)
    file.close()


def test_a_replaced_file_gives_its_mode_to_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o640)
    file = begun(tmp_path / "f")
    os.fchmod(file.fd, 0o600)
    file.publish(replace=True)
    file.close()
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_nothing_is_left_of_what_is_discarded(tmp_path: Path) -> None:
    file = begun(tmp_path / "f")
    file.discard()
    file.discard()
    file.close()
    assert os.listdir(tmp_path) == []


def test_a_partial_file_is_opened_where_there_is_one_and_never_made(tmp_path: Path) -> None:
    file = PartialFile(str(tmp_path / "f"))
    assert not file.open_there()
    assert not os.path.lexists(file.partial)
    file.close()
    Path(file.partial).write_bytes(b"old")
    assert file.open_there()
    assert os.pread(file.fd, 9, 0) == b"old"
    file.close()
