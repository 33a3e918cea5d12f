"""Names that can't be keys, keys that can't be names, and their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.entries import Entry, not_a_key, not_local, order, printable

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("/a", "begins with '/'"),
        (".s3am/x", "partial files"),
        ("a\0b", "NUL"),
        ("a//b", "empty name"),
        ("//", "begins with '/'"),
        ("a/../b", "'..'"),
        (".", "'.'"),
        ("a/" + "x" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
    ],
)
def test_keys_that_are_no_local_names(key: str, word: str) -> None:
    assert word in not_local(key)


@pytest.mark.parametrize("key", ["a", "a/b", "a/", ".s3am", "a/.s3am/b", "...", "x" * 255, "é" * 127, "a\nb"])
def test_keys_that_are(key: str) -> None:
    assert not_local(key) == ""


def test_names_that_are_no_keys() -> None:
    assert not_a_key("x" * 1024) == ""
    assert "1,025 bytes" in not_a_key("x" * 1025)
    assert "1,026 bytes" in not_a_key("é" * 513)
    assert "UTF-8" in not_a_key(b"\xff".decode("utf-8", "surrogateescape"))


@given(st.lists(KEYS))
def test_the_order_is_that_of_the_bytes(keys: list[str]) -> None:
    assert [key.encode() for key in sorted(keys, key=order)] == sorted(key.encode() for key in keys)


def test_local_bytes_that_are_no_text_have_a_place_in_the_order() -> None:
    assert order(b"a\xff".decode("utf-8", "surrogateescape")) == b"a\xff"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b", "\\x9b"),
        ("\u2028", "\\u2028"),
        ("\U000e0001", "\\U000e0001"),
        (b"\x80\xff".decode("utf-8", "surrogateescape"), "\\x80\\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_shown_not_sent(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_it_is_it_is_one_printable_line(text: str) -> None:
    assert printable(text).isprintable()


def test_a_fingerprint_changes_with_what_may_be_another_content() -> None:
    local = {"size": 1, "modified": 2, "changed": 3, "inode": 4}
    prints = {Entry("k", **local).fingerprint}  # type: ignore[arg-type]
    prints |= {Entry("k", **{**local, name: 9}).fingerprint for name in local}  # type: ignore[arg-type]
    assert len(prints) == 5
    assert Entry("k", 1, 2, etag="a").fingerprint == Entry("k", 1, 9, etag="a").fingerprint == "1:a"
    assert Entry("k", 1, 2).fingerprint == "1:2"
