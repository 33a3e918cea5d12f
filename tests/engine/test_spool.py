"""Spools on disk: no name until they are to outlive their process; records that say whose they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3amfs.core import unpublished
from s3amfs.engine.spool import Spool, SpoolRecord, is_recorded, left_records


@pytest.mark.parametrize("can_link", [True, False])
def test_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool) -> None:
    def refuse(*args: object, **names: object) -> None:
        raise OSError("no links here")

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
