"""Manifests on disk: locked, durable, private; torn tails are dropped, what is not ours is left alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.manifest import Header, PartRecord, SourceIdentity, UploadRecord, encode, parse
from s3amfs.engine.connect import S3Client
from s3amfs.engine.journal import Journal, state_dir
from s3amfs.errors import TransferError, TransferLocked
from s3amfs.transfers.job import open_journal, stream_job
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from tests.support.clients import PART, Events
from tests.support.files import digest, object_digest

HEADER = Header("upload", SourceIdentity("/f", 10), "s3://b/k", "e", 10, 5, "crc64nvme")
UPLOAD = UploadRecord("id", "crc64nvme", "FULL_OBJECT")
ONE, TWO = PartRecord(1, 5, "a", 1, ""), PartRecord(2, 5, "b", 2, "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "x.manifest"


def written(path: Path) -> bytes:
    """A manifest of two parts, closed."""
    journal = Journal.open(str(path))
    journal.begin(HEADER, UPLOAD)
    journal.record(ONE)
    journal.record(TWO, sync=True)
    journal.close()
    return path.read_bytes()


def test_it_is_private_and_read_back(path: Path) -> None:
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    found = Journal.open(str(path))
    assert found.manifest is not None
    assert (found.manifest.header, found.manifest.parts) == (HEADER, {1: ONE, 2: TWO})
    found.remove()
    assert not path.exists()


def test_every_torn_tail_is_dropped_and_written_over(path: Path) -> None:
    whole = written(path)
    first = len(encode(HEADER) + encode(UPLOAD) + encode(ONE))
    for cut in (first + 1, first + 9, len(whole) - 1):
        path.write_bytes(whole[:cut])
        journal = Journal.open(str(path))
        assert journal.manifest is not None
        assert path.stat().st_size == first
        assert journal.manifest.parts == {1: ONE}
        journal.record(TWO)
        journal.close()
        assert path.read_bytes() == whole


def test_damage_in_the_middle_is_told_and_replaced(path: Path) -> None:
    whole = bytearray(written(path))
    whole[len(encode(HEADER)) + 12] ^= 1
    path.write_bytes(bytes(whole))
    journal = Journal.open(str(path))
    assert journal.manifest is None
    assert "damaged" in str(journal.problem)
    journal.begin(HEADER)
    journal.close()
    assert parse(path.read_bytes()).parts == {}


def test_one_owner_at_a_time(path: Path) -> None:
    first = Journal.open(str(path))
    with pytest.raises(TransferLocked):
        Journal.open(str(path))
    first.begin(HEADER)
    assert Journal.peek(str(path)) is not None
    first.close()
    Journal.open(str(path)).remove()
    assert Journal.peek(str(path)) is None


def test_an_unused_one_leaves_no_file(path: Path) -> None:
    Journal.open(str(path)).close()
    assert list(path.parent.iterdir()) == []


def test_a_newer_version_s_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    newer = encode(Header("upload", SourceIdentity("x"), "t", "e", 1, 1, None, version=99))
    path.write_bytes(newer)
    journal = Journal.open(str(path))
    assert journal.too_new
    with pytest.raises(TransferError, match="version"):
        journal.begin(HEADER)
    journal.remove()
    assert path.read_bytes() == newer


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "precious").write_bytes(b"precious")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        Journal.open(str(path))
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_full_disk_ends_the_records_not_the_transfer() -> None:
    """/dev/full takes no byte."""
    journal = Journal("/dev/full", os.open("/dev/null", os.O_RDWR))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._fd)
    os.close(full)
    journal.record(ONE)
    journal.record(TWO)
    assert journal.write_error is not None
    os.close(journal._fd)


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "a"))
    assert state_dir() == str(tmp_path / "a")
    assert state_dir(str(tmp_path / "b")) == str(tmp_path / "b")
    monkeypatch.delenv("S3AM_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "c"))
    assert state_dir().startswith(str(tmp_path / "c"))


@pytest.mark.parametrize("how", ["a file in its place", "read-only"])
def test_a_folder_that_cannot_be_used(
    client: S3Client, boto: Any, bucket: str, file: Path, tmp_path: Path, events: Events, how: str
) -> None:
    """The transfer goes on, with one warning. (Who may write anywhere, root, can't be kept out by modes: /proc can.)"""
    (tmp_path / "there").write_bytes(b"")
    folder = "/proc/s3amfs" if how == "read-only" else str(tmp_path / "there" / "sub")
    options = UploadOptions(part_size=PART, state_dir=folder)
    upload(LocalPath(str(file)), S3Location(bucket, "k"), client, options, on_event=events)
    assert [warning for warning in events.warnings if "no manifest can be kept" in warning] == events.warnings[:1]
    assert len(events.warnings) == 1
    assert object_digest(boto, bucket, "k") == digest(file)


def test_a_second_transfer_to_the_same_target_is_locked_out(
    client: S3Client, bucket: str, file: Path, state: Path, events: Events
) -> None:
    target = S3Location(bucket, "k")
    journal = open_journal(stream_job(client, target, UploadOptions(), on_event=events))
    assert journal is not None
    with pytest.raises(TransferLocked, match="another process"):
        upload(LocalPath(str(file)), target, client, UploadOptions(part_size=PART))
    journal.close()
    assert upload(LocalPath(str(file)), target, client, UploadOptions(part_size=PART)).parts == 3
    assert [path for path in state.glob("*") if path.name != "lines.json"] == []


class Disk:
    """Notes every fsync, and how many bytes the file had then; real ones, all of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[tuple[str, int]] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            self.synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size))

        monkeypatch.setattr(os, "fsync", fsync)


def test_the_header_and_its_name_are_on_disk_when_begin_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(str(path))
    disk = Disk(monkeypatch)
    journal.begin(HEADER)
    whole = len(encode(HEADER))
    assert (str(path), whole) in disk.synced, "all of the header, before anything depends on it"
    assert str(path.parent) in [name for name, _ in disk.synced], "and the name, or the file is gone with the power"
    journal.close()


def test_an_upload_is_on_disk_when_it_is_recorded_and_parts_need_not_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(str(path))
    journal.begin(HEADER)
    disk = Disk(monkeypatch)
    journal.record(ONE)
    assert disk.synced == []
    journal.record(UPLOAD, sync=True)
    assert disk.synced == [(str(path), len(encode(HEADER) + encode(ONE) + encode(UPLOAD)))]
    journal.close()
