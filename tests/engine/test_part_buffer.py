"""A part that is filled before it is sent: the same bytes in memory and in a file, and a file that has no name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3amfs.engine import part_buffer
from s3amfs.engine.part_buffer import FILE_COST, FillingMemory, PartBuffer, temporary_folder

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=40), st.just(0)),
        st.tuples(st.just("overwrite"), st.binary(max_size=20), st.integers(0, 200)),
        st.tuples(st.just("truncate"), st.just(b""), st.integers(0, 200)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(CHANGES, st.sampled_from([0, 16, 10_000]), st.sampled_from([None, 0, 16, 10_000]))
def test_it_holds_what_a_bytearray_holds(changes: list[tuple[str, bytes, int]], most: int, shared: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_buffer, "MEMORY_BYTES", most)
        memory = None if shared is None else FillingMemory(shared)
        buffer, model = PartBuffer(memory=memory), bytearray()
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
            assert memory is None or memory.used == len(buffer._memory) <= memory.limit
        assert b"".join(buffer.chunks()) == model
        assert buffer.read(3, 7) == model[3:10]
        del buffer
        assert memory is None or memory.used == 0


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


def test_a_part_that_gets_no_memory_gives_back_what_it_had(tmp_path: Path) -> None:
    memory = FillingMemory(10, str(tmp_path))
    first, second = PartBuffer(b"abcdef", memory), PartBuffer(b"123", memory)
    assert memory.used == 9
    second.append(b"45")
    assert (memory.used, second.held, second.read(0, 9)) == (6, FILE_COST, b"12345")
    first.append(b"ghij")
    assert (memory.used, first.held) == (10, 10), "there is room again"
    first.leave_memory()
    assert memory.used == 0
    first.append(b"klmno")
    del first
    assert memory.used == 0, "it counts elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_its_file_is_in_the_folder_of_the_memory(tmp_path: Path) -> None:
    buffer = PartBuffer(b"abc", FillingMemory(0, str(tmp_path)))
    assert os.readlink(f"/proc/self/fd/{buffer._fd}").startswith(f"{tmp_path}/")


@pytest.mark.parametrize("in_file", [False, True])
def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool) -> None:
    """Half of what was to be written is in the file; what comes later must not stand behind it."""
    memory = FillingMemory(0 if in_file else 6, str(tmp_path))
    buffer = PartBuffer(b"abcdef", memory)

    def fails(fd: int, data: bytes, offset: int) -> None:
        os.pwrite(fd, bytes(data)[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(part_buffer, "write_all_at", fails)
        with pytest.raises(OSError, match="no space"):
            buffer.append(b"0123456789")
    assert (len(buffer), buffer.read(0, 100), b"".join(buffer.chunks())) == (6, b"abcdef", b"abcdef")
    assert memory.used == (0 if in_file else 6)
    buffer.append(b"gh")
    assert b"".join(buffer.chunks()) == b"abcdefgh"


@pytest.mark.parametrize("limit", [0, 10])
def test_what_is_dropped_is_free_at_once(tmp_path: Path, limit: int) -> None:
    memory = FillingMemory(limit, str(tmp_path))
    buffer = PartBuffer(b"abcdef", memory)
    buffer.drop()
    assert (len(buffer), buffer.read(0, 9), list(buffer.chunks()), memory.used) == (0, b"", [], 0)
    assert buffer._fd < 0 or os.fstat(buffer._fd).st_size == 0
