"""This machine's side of put and get: a small file is read in one state, or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3amfs.engine.file_state import FileState, state_of
from s3amfs.errors import SourceChanged
from s3amfs.filesystem import local


def test_a_file_at_rest(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with local.unchanged(str(tmp_path / "f")):
        assert local.read_file(str(tmp_path / "f")) == b"content"


@pytest.mark.parametrize("data", [b"other", b"more than there was"])
def test_a_file_that_is_written_to_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"a few")
    os.utime(file, (1, 1))
    look = state_of

    def and_changes(there: os.stat_result) -> FileState:
        found = look(there)
        file.write_bytes(data)
        return found

    monkeypatch.setattr(local, "state_of", and_changes)
    with pytest.raises(SourceChanged, match="while it was read"):
        local.read_file(str(file))


def test_a_file_that_is_replaced_while_it_is_sent(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "g").write_bytes(b"new")
    with pytest.raises(SourceChanged, match="send it again"), local.unchanged(str(tmp_path / "f")):
        os.replace(tmp_path / "g", tmp_path / "f")


def test_the_error_of_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "absent" / "file")
    with pytest.raises(FileNotFoundError) as caught:
        local.write_file(path, b"data")
    assert caught.value.filename == path
