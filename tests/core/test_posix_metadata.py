"""Times, modes and owners in metadata, as many programs write them."""

from __future__ import annotations

import stat

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from s3amfs.core import posix_metadata as posix


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("33188", 0o100644),  # s3fs-fuse
        ("16877", 0o40755),
        ("41471", 0o120777),
        ("100755", 0o100755),  # rclone
        ("100664", 0o100664),
        ("40755", 0o40755),
        ("120777", 0o120777),
        ("0100664", 0o100664),  # FSx for Lustre
        ("0644", 0o644),
        ("644", 0o644),
        ("493", 0o755),  # no octal number
        ("", -1),
        ("rw-r--r--", -1),
        ("99999999", -1),
        ("-33188", -1),
        ("٣٣١٨٨", -1),
    ],
)
def test_modes(text: str, mode: int) -> None:
    assert posix.mode_of(text, -1) == mode


@given(st.integers(0, 0o7777), st.sampled_from([stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK]))
def test_the_mode_that_the_mount_writes_is_read_back(bits: int, kind: int) -> None:
    mode = kind | (0o777 if kind == stat.S_IFLNK else bits)
    assert posix.mode_of(str(mode), -1) == mode


@given(st.integers(0, 0o7777), st.sampled_from([stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK]))
def test_the_mode_that_rclone_writes_is_read_back(bits: int, kind: int) -> None:
    assume(kind | bits != 0o41471)  # which is 41471, a link, in decimal
    assert posix.mode_of(f"{kind | bits:o}", -1) == kind | bits


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1700000000", 1_700_000_000_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000_000),
        ("-1.5", -1_500_000_000),
        ("1595002920000000000ns", 1_595_002_920_000_000_000),
        ("1595002920123ms", 1_595_002_920_123_000_000),
        ("1e400000", 7),
        ("9" * 5000, 7),
        ("1000000000000", 7),
        ("999999999999", 999999999999 * 10**9),
        ("1e3", 10**12),
        ("nan", 7),
        ("Infinity", 7),
        ("", 7),
        (None, 7),
    ],
)
def test_times(text: str | None, nanoseconds: int) -> None:
    assert posix.time_of(text, 7) == nanoseconds


@given(st.integers(-(10**20), 10**20))
def test_a_time_that_was_written_is_read_back(nanoseconds: int) -> None:
    assert posix.time_of(posix.time_text(nanoseconds), 0) == nanoseconds


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    metadata = dict.fromkeys(("mtime", "mode", "uid", "gid", "file-mtime", "file-permissions"), text)
    assert 0 <= posix.mode(metadata, 0) <= 0o177777
    assert 0 <= posix.uid(metadata, 0) <= posix.LARGEST_ID
    posix.mtime(metadata, 0)
    posix.gid(metadata, 0)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), (str(2**32 - 1), 2**32 - 1), (str(2**32), 9), ("-1", 9), ("", 9), (None, 9)]
)
def test_owners_have_32_bits(text: str | None, number: int) -> None:
    assert posix.id_of(text, 9) == number


def test_the_first_that_makes_sense_counts() -> None:
    metadata = {"mtime": "yesterday", "file-mtime": "5s", "mode": "33188", "file-permissions": "0100600"}
    assert posix.mtime(metadata, 0) == 5 * posix.SECOND
    assert posix.mode(metadata, 0) == 0o100644
    assert posix.uid({"file-owner": "5"}, 0) == 5
    assert posix.gid({"file-group": "6", "gid": "-1"}, 0) == 6
    assert not posix.is_symlink(metadata)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("7ns", 7), ("7us", 7_000), ("7ms", 7_000_000), ("7s", 7_000_000_000), ("-7us", -7_000), ("7", 7_000_000_000)],
)
def test_units_of_time(text: str, nanoseconds: int) -> None:
    assert posix.time_of(text, -1) == nanoseconds


@pytest.mark.parametrize(
    ("text", "mode"), [("755", 0o755), ("30000", -1), ("170000", -1), ("177777", -1), ("100755", 0o100755)]
)
def test_octal_modes_name_a_file_type_or_none(text: str, mode: int) -> None:
    assert posix.mode_of(text, -1) == mode


def test_links() -> None:
    assert posix.is_symlink({"mode": str(stat.S_IFLNK | 0o777)})
    assert not posix.is_symlink({"mode": str(stat.S_IFREG | 0o777)})
    assert not posix.is_symlink({})
