"""Spools on disk: no name until they are to outlive their process; records that say whose they are."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from s3amfs.core import unpublished
from s3amfs.engine.spool import SMALL_BYTES, Spool, SpoolRecord, is_recorded, left_records


@pytest.mark.parametrize("can_link", [True, False])
def test_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool) -> None:
    def refuse(*args: object, **names: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not can_link:  # as on file systems that know no O_TMPFILE
        monkeypatch.setattr(os, "link", refuse)
    spool = Spool(str(tmp_path))
    spool.write(b"data", 10)
    assert list(tmp_path.iterdir()) == []
    path = Path(spool.give_name("a name \udc80" + "x" * 300))
    assert Path(spool.give_name("again")) == path
    spool.write(b"more", 14)
    assert path.read_bytes() == bytes(10) + b"datamore"
    assert path.stat().st_mode & 0o777 == 0o600
    spool.close()
    found = Spool.open(str(path))
    assert found.read(10, 8) == b"datamore"
    found.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_left_when_its_process_lets_go(tmp_path: Path) -> None:
    header = unpublished.Header("s3://b/k", "aws", "/data", "", 0, 0, {}, 1.0)
    record = SpoolRecord.create(header, str(tmp_path))
    record.append(unpublished.encode_written(0, 7))
    (tmp_path / "changes" / "torn.changes").write_bytes(b'{"s3am"')
    assert list(left_records(str(tmp_path))) == [], "it is worked on"
    assert is_recorded("/data", str(tmp_path))
    record.close()
    ((again, found),) = left_records(str(tmp_path))
    assert (found.header, found.size) == (header, 7)
    assert list(left_records(str(tmp_path))) == [], "whoever looks has its lock"
    again.remove()
    assert not is_recorded("/data", str(tmp_path))


def test_a_record_of_another_version_is_named_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list[str]()
    monkeypatch.setattr(logging.getLogger("s3amfs"), "warning", lambda text, *args: lines.append(text % args))
    header = unpublished.Header("s3://b/k", "aws", "/data", "", 0, 0, {}, 1.0)
    SpoolRecord.create(header, str(tmp_path)).close()
    (path,) = (tmp_path / "changes").iterdir()
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "version": 2, "new": True}) + "\n")
    before = path.read_bytes()
    assert list(left_records(str(tmp_path))) == []
    (said,) = lines
    assert "another version" in said and "/data" in said
    assert is_recorded("/data", str(tmp_path)), "its spool is not nobody's"
    assert path.read_bytes() == before


def test_a_state_folder_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system."""

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="locks"):
        SpoolRecord.create(unpublished.Header("s3://b/k", "aws", "/data", "", 0, 0, {}, 1.0), str(tmp_path))
    assert list((tmp_path / "changes").iterdir()) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES])
def test_a_folder_that_takes_no_spool_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def refuse(*args: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "open", refuse)
    spool = Spool(str(tmp_path))
    spool.write(b"small", 0)
    for act in (lambda: spool.write(b"x", SMALL_BYTES), lambda: spool.resize(SMALL_BYTES + 1), lambda: spool.path):
        with pytest.raises(OSError, match=os.strerror(error)):
            act()
    assert spool.read(0, 9) == b"small" + bytes(4), "what was there before"
    spool.discard()


def test_a_small_spool_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", pytest.fail)
        spool = Spool(str(tmp_path))
        spool.write(b"abc", 5)
        spool.write(b"BCDE", 6)
        spool.resize(8)
        spool.resize(12)
        assert spool.read(0, 12) == bytes(5) + b"aBC" + bytes(4)
        assert list(spool.present) == [(5, 8)]
    assert Path(spool.path).read_bytes() == bytes(5) + b"aBC" + bytes(4)
    spool.write(b"z", 11)
    assert spool.read(4, 20) == b"\0aBC\0\0\0z" + bytes(12)
    spool.close()
    with pytest.raises(OSError, match="Bad file"):
        spool.write(b"x", 0)


def test_few_spools_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else thousands of small files that are open would fill it."""
    monkeypatch.setattr("s3amfs.engine.spool._places", threading.BoundedSemaphore(1))
    first, second, third = (Spool(str(tmp_path)) for _ in range(3))
    for spool in (first, second, third):
        spool.resize(0)
        spool.write(b"head", 0)
    second.write(b"tail", 4)
    assert [spool._fd is None for spool in (first, second, third)] == [True, False, False]
    assert [spool.read(0, 8) for spool in (first, second)] == [b"head\0\0\0\0", b"headtail"]
    first.give_name("k")
    fourth = Spool(str(tmp_path))
    fourth.resize(9)
    assert fourth._fd is None, "the first one's place"
    for spool in (first, second, third, fourth, fourth):
        spool.discard()
    fifth = Spool(str(tmp_path))
    fifth.write(b"x", 0)
    assert fifth._fd is None


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_spool_that_outgrows_memory_has_all_of_it(tmp_path: Path, ahead: int) -> None:
    spool = Spool(str(tmp_path))
    spool.write(b"head", 0)
    spool.write(b"tail", SMALL_BYTES - 3 + ahead)
    data = b"head" + bytes(SMALL_BYTES - 7 + ahead) + b"tail"
    assert spool.read(0, len(data)) == Path(spool.path).read_bytes() == data
    spool.discard()


def test_what_is_not_the_file_that_was_written_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PermissionError):
        Spool.open(str(tmp_path / "pipe"))
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with pytest.raises(OSError, match="symbolic links"):
        Spool.open(str(tmp_path / "link"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of somebody else's")
def test_another_users_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"x")
    os.chown(tmp_path / "theirs", 4321, 4321)
    with pytest.raises(PermissionError):
        Spool.open(str(tmp_path / "theirs"))


GIB = 1 << 30


@pytest.mark.parametrize(
    ("blocks", "free", "size", "kept", "is_there"),
    [
        (100 * GIB, 1 * GIB + 11, 10, 0, True),
        (100 * GIB, 1 * GIB + 10, 10, 0, False),
        (5 * GIB, GIB // 2 + 11, 10, 0, True),
        (5 * GIB, GIB // 2 + 10, 10, 0, False),
        (100 * GIB, 4 * GIB + 11, 10, 4 * GIB, True),
        (100 * GIB, 4 * GIB + 10, 10, 4 * GIB, False),
    ],
    ids=[
        "a GiB is left",
        "less is left",
        "a tenth of a small disk",
        "less than a tenth",
        "as much as is here",
        "more is here",
    ],
)
def test_room_is_what_leaves_a_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, free: int, size: int, kept: int, is_there: bool
) -> None:
    disk = SimpleNamespace(f_frsize=1, f_blocks=blocks, f_bavail=free)
    spool = Spool(str(tmp_path))
    monkeypatch.setattr("s3amfs.engine.spool.os.statvfs", lambda fd: disk)
    assert spool.has_room(size, kept) is is_there
    spool.discard()
