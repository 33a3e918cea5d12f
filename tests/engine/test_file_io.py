"""All bytes are written and read, however little the kernel takes or gives at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3amfs.engine.file_io import hash_range, make_private, write_all, write_all_at

DATA = bytes(range(256)) * 10


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    found = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield found
    os.close(found)


@pytest.fixture
def stingy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that takes and gives seven bytes at a time."""
    write, pwrite, pread = os.write, os.pwrite, os.pread
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:7], at))
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(7, size), at))


@pytest.mark.usefixtures("stingy")
def test_writes(fd: int) -> None:
    write_all(fd, DATA)
    write_all_at(fd, memoryview(b"other"), 100)
    write_all_at(fd, bytearray(b"end"), len(DATA))
    expected = DATA[:100] + b"other" + DATA[105:] + b"end"
    found = bytearray()
    assert hash_range(fd, 0, len(expected), found.extend) == len(expected)
    assert found == expected


@pytest.mark.usefixtures("stingy")
@pytest.mark.parametrize(("start", "end"), [(0, 10), (3, 3), (250, 2000), (2500, 9999), (9999, 10_000)])
def test_ranges(fd: int, start: int, end: int) -> None:
    os.pwritev(fd, [DATA], 0)
    one, two = bytearray(), bytearray()
    assert hash_range(fd, start, end, one.extend, two.extend) == len(DATA[start:end])
    assert one == two == DATA[start:end]


def test_a_bytearray_can_grow_afterwards(fd: int) -> None:
    data = bytearray(b"abc")
    write_all_at(fd, data, 0)
    data += b"def"


def test_a_private_folder_and_all_that_is_missing_above_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        make_private(str(tmp_path / "a" / "b"))
        make_private(str(tmp_path / "a" / "b"))
    finally:
        os.umask(old)
    assert [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a", "a/b")] == [0o700, 0o700]
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private(str(tmp_path / "file"))
