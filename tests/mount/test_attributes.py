"""Attributes in metadata, whatever others have written there: what makes no sense counts as not said."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.mount.attributes import attributes, is_symlink, number_of, time_of, time_text
from s3amfs.mount.options import MountOptions

OPTIONS = MountOptions(uid=1, gid=2, umask=0o027)


@given(st.integers(-(10**20), 10**20))
def test_times_are_read_back_to_the_nanosecond(nanoseconds: int) -> None:
    assert time_of(time_text(nanoseconds), 7) == nanoseconds


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1", 10**9),
        ("1.5", 15 * 10**8),
        ("-0.25", -25 * 10**7),
        ("1e3", 10**12),
        ("999999999999", 999999999999 * 10**9),
    ],
)
def test_times_as_others_write_them(text: str, nanoseconds: int) -> None:
    assert time_of(text, 7) == nanoseconds


@pytest.mark.parametrize("text", [None, "", "x", "nan", "inf", "1e400000", "1000000000000", "1,5"])
def test_times_that_are_none(text: str | None) -> None:
    assert time_of(text, 7) == 7


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), (str(2**32 - 1), 2**32 - 1), (str(2**32), 9), ("-1", 9), ("", 9)]
)
def test_numbers_have_32_bits(text: str, number: int) -> None:
    assert number_of(text, 9) == number
    assert number_of(None, 9) == 9


def test_what_says_nothing_is_the_mounts() -> None:
    file = attributes(OPTIONS, {}, size=1025, changed=3)
    assert file["st_mode"] == stat.S_IFREG | 0o640
    assert (file["st_uid"], file["st_gid"], file["st_nlink"]) == (1, 2, 1)
    assert (file["st_size"], file["st_blocks"], file["st_mtime"], file["st_ctime"]) == (1025, 3, 3, 3)
    folder = attributes(OPTIONS, {}, size=5, changed=3, directory=True)
    assert (folder["st_mode"], folder["st_size"]) == (stat.S_IFDIR | 0o750, 0)


def test_what_metadata_says_counts_but_for_the_kind_of_a_folder() -> None:
    said = {"mode": str(0o100600), "mtime": "5.5", "uid": "10", "gid": "20"}
    file = attributes(OPTIONS, said, size=1, changed=3)
    assert (file["st_mode"], file["st_uid"], file["st_gid"]) == (stat.S_IFREG | 0o600, 10, 20)
    assert file["st_mtime"] == file["st_atime"] == 5_500_000_000
    assert attributes(OPTIONS, said, size=1, changed=3, directory=True)["st_mode"] == stat.S_IFDIR | 0o600
    link = {"mode": str(stat.S_IFLNK | 0o777)}
    assert attributes(OPTIONS, link, size=1, changed=3)["st_mode"] == stat.S_IFLNK | 0o777
    assert is_symlink(link)
    assert not is_symlink(said)
    assert not is_symlink({})
