"""A part that is filled before it is sent: the same bytes in memory and in a file, and a file that has no name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.engine import part_buffer
from s3amfs.engine.part_buffer import FILE_COST, PartBuffer, temporary_folder

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=40), st.just(0)),
        st.tuples(st.just("overwrite"), st.binary(max_size=20), st.integers(0, 200)),
        st.tuples(st.just("truncate"), st.just(b""), st.integers(0, 200)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(CHANGES, st.sampled_from([0, 16, 10_000]))
def test_it_holds_what_a_bytearray_holds(changes: list[tuple[str, bytes, int]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_buffer, "MEMORY_BYTES", most)
        buffer, model = PartBuffer(), bytearray()
        for what, data, at in changes:
            if what == "append":
                buffer.append(memoryview(data))
                model += data
            elif what == "overwrite" and at + len(data) <= len(model):
                buffer.overwrite(data, at)
                model[at : at + len(data)] = data
            elif what == "truncate" and at <= len(model):
                buffer.truncate(at)
                del model[at:]
            assert len(buffer) == len(model)
        assert b"".join(buffer.chunks()) == model
        assert buffer.read(3, 7) == model[3:10]


def test_bytes_that_are_not_there_can_not_be_overwritten() -> None:
    with pytest.raises(ValueError):
        PartBuffer(b"abc").overwrite(b"xy", 2)


def test_a_large_part_is_in_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(part_buffer.tempfile, "tempdir", None)
    monkeypatch.setattr(part_buffer, "MEMORY_BYTES", 1000)
    before = set(os.listdir("/proc/self/fd"))
    buffer = PartBuffer()
    buffer.append(b"a" * 900)
    assert buffer.held == 900
    buffer.append(b"b" * 900)
    assert buffer.held == FILE_COST
    assert list(tmp_path.iterdir()) == []
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    del buffer
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_chosen_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(part_buffer.tempfile, "tempdir", None)
    assert temporary_folder() == str(tmp_path)
