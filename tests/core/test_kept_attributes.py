from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.kept_attributes import Kept, kept_in, metadata_of


@given(st.integers(0, 0o7777), st.integers(-(10**18), 10**19), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_what_is_kept_comes_back(mode: int, mtime: int, uid: int, gid: int) -> None:
    mode |= stat.S_IFREG
    assert kept_in(metadata_of(mode, mtime, uid, gid)) == Kept(mode, mtime, uid, gid)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("33188", 0o100644), ("100644", 0o100644), ("41471", 0o120777), ("420", 420), ("x", None), ("9" * 20, None)],
)
def test_modes_as_others_write_them(text: str, mode: int | None) -> None:
    assert kept_in({"mode": text}).mode == mode


@pytest.mark.parametrize("text", ["", "x", "1e99", "nan", "9" * 10**6, "1.2.3"])
def test_times_that_are_none(text: str) -> None:
    assert kept_in({"mtime": text}).mtime is None


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    kept_in({"mode": text, "mtime": text, "uid": text, "gid": text})


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("65535", None),
        ("65536", None),
        ("40960", 0o120000),
        ("98304", None),
        ("127777", 0o127777),
        ("177777", None),
        ("4095", 0o7777),
        ("4096", None),
        ("7777", None),
        ("16384", 0o040000),
        ("-1", None),
        ("200000", None),
    ],
)
def test_limits_of_modes(text: str, mode: int | None) -> None:
    assert kept_in({"mode": text}).mode == mode


@pytest.mark.parametrize(
    ("kept", "fits"),
    [
        (Kept(), True),
        (Kept(mode=0o100644, uid=1, gid=2), True),
        (Kept(mode=0o120644), True),
        (Kept(mode=0o100600), False),
        (Kept(mode=0o104644), False),
        (Kept(uid=9), False),
        (Kept(gid=9), False),
    ],
)
def test_permissions_and_owners_fit_where_they_are_kept(kept: Kept, fits: bool) -> None:
    assert kept.fits(0o100644, 1, 2) is fits
    assert kept.fits(0o100644, None, None) is (fits or kept.uid == 9 or kept.gid == 9)


@pytest.mark.parametrize(
    ("text", "mode"),
    [("65535", None), ("177777", None), ("10000", None), ("4095", 4095), ("4096", None), ("40755", 0o40755)],
)
def test_edges_of_modes(text: str, mode: int | None) -> None:
    assert kept_in({"mode": text}).mode == mode


def test_edges_of_owners() -> None:
    assert [kept_in({"uid": text}).uid for text in ("0", " 7 ", "4294967295", "4294967296", "-1")] == (
        [0, 7, 4294967295, None, None]
    )
