from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.entries import Entry, is_ascending, not_a_key, not_local, order, printable


@pytest.mark.parametrize("key", ["a", "a/b", "d/", "é", "x" * 255, "a\nb", ". .", "...", "a.partial"])
def test_local_names(key: str) -> None:
    assert not_local(key) == ""


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/./b", "..", "a/../b", "x" * 256, "é" * 128, "a\0b", ".s3am/x"])
def test_keys_that_are_no_local_names(key: str) -> None:
    assert not_local(key)


def test_a_folder_with_content_is_no_local_name() -> None:
    assert not_local("d/", 1)
    assert not_local("d//")


def test_names_that_are_no_keys() -> None:
    assert not_a_key("p/é") == ""
    assert "UTF-8" in not_a_key("n\udcff")
    assert "1,024" in not_a_key("x" * 1025)


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_what_is_shown_is_one_line(text: str) -> None:
    assert printable(text).isprintable()


@given(st.text(), st.text())
def test_the_order_is_that_of_bytes(one: str, other: str) -> None:
    assert (order(one) < order(other)) is (one.encode() < other.encode())


def test_fingerprints() -> None:
    assert Entry("k", 1, 2, etag="e").fingerprint == Entry("k", 1, 3, etag="e").fingerprint
    assert Entry("k", 1, 2, changed=3, inode=4).fingerprint != Entry("k", 1, 2, changed=4, inode=4).fingerprint


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=3), max_size=4), st.text(max_size=2))
def test_ascending_keys_are_those_in_the_order_of_their_bytes(keys: list[str], after: str) -> None:
    after = after.encode("utf-8", "replace").decode()
    every = [order(key) for key in (after, *keys)]
    assert is_ascending(after, keys) == (every == sorted(set(every)))


def test_a_local_name_that_is_no_utf_8_may_stand_before_keys() -> None:
    assert is_ascending("\udc80", ["\ud7ff"])
    assert not is_ascending("\udcff", ["\ud7ff"])
    with pytest.raises(UnicodeEncodeError):
        is_ascending("", ["\udcff"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x7f", "\\x7f"),
        ("\xa0", "\\xa0"),
        ("\xff\u0100", "\xff\u0100"),
        ("\u200b", "\\u200b"),
        ("\uffff", "\\uffff"),
        ("\U000e0001", "\\U000e0001"),
        ("\udc80\udcff", "\\x80\\xff"),
        ("\udd00", "\\udd00"),
        ("\t\n\r", "\\t\\n\\r"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_an_entry_is_plain_by_itself() -> None:
    entry = Entry("k")
    assert (entry.size, entry.modified, entry.changed, entry.inode, entry.empty) == (0, 0, 0, 0, False)
    assert Entry("k", 5, 7, changed=8, inode=9).fingerprint == "5:7:8:9"
    assert (Entry("k", 5, 7).fingerprint, Entry("k", 5, 7, etag="e").fingerprint) == ("5:7", "5:e")
