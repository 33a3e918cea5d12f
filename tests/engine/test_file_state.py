"""The state of a local file changes with whatever may change its content."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from s3amfs.engine.file_state import state_of


def write(file: Path) -> None:
    file.write_bytes(b"longer than it was")


def set_times(file: Path) -> None:
    os.utime(file, (1, 1))


def replace(file: Path) -> None:
    there = file.stat()
    (file.parent / "other").write_bytes(b"same")
    os.replace(file.parent / "other", file)
    os.utime(file, ns=(there.st_atime_ns, there.st_mtime_ns))


@pytest.mark.parametrize("change", [write, set_times, replace])
def test_a_change_of_content_or_file(tmp_path: Path, change: Callable[[Path], None]) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"text")
    before = state_of(file.stat())
    assert state_of(file.stat()) == before
    change(file)
    now = state_of(file.stat())
    assert now != before
    assert now.without_ctime != before.without_ctime


def test_a_name_that_is_lost_changes_nothing_but_the_ctime(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"text")
    with file.open("rb") as opened:
        before = state_of(os.fstat(opened.fileno()))
        file.unlink()
        now = state_of(os.fstat(opened.fileno()))
    assert now.without_ctime == before.without_ctime
