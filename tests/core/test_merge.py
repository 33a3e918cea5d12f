from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.entries import Entry, Kind, order, printable
from s3amfs.core.merge import OutOfOrder, Pair, merge

KEYS = st.sets(st.text("ab/.é\udc80", min_size=1, max_size=5), max_size=12)


def entries(keys: set[str]) -> list[Entry]:
    return [Entry(key) for key in sorted(keys, key=order)]


@given(KEYS, KEYS)
def test_every_key_once_in_order(source: set[str], target: set[str]) -> None:
    pairs = list(merge(entries(source), entries(target)))
    assert [pair.key for pair in pairs] == sorted(source | target, key=order)
    assert {pair.key for pair in pairs if pair.source} == source
    assert {pair.key for pair in pairs if pair.target} == target
    assert not any(pair.source_unknown or pair.target_unknown for pair in pairs)


@given(KEYS, KEYS, st.integers(0, 12))
def test_behind_a_listing_that_broke_off_everything_is_unknown(source: set[str], target: set[str], cut: int) -> None:
    listed = entries(source)[:cut]
    last = listed[-1].key if listed else ""
    pairs = list(merge([*listed, Entry(last, kind=Kind.END, problem="lost")], entries(target)))
    for pair in pairs:
        behind = order(pair.key) > order(last)
        assert bool(pair.source_unknown) is (pair.source is None and behind)


def test_what_cannot_be_looked_at_may_be_a_folder() -> None:
    """Other keys, which may be as unknown, stand between 'a' and 'a/b'."""
    source = [Entry("a", problem="denied"), Entry("a-", problem="a link to nothing"), Entry("b")]
    target = [Entry("a-/x"), Entry("a.c"), Entry("a/b"), Entry("a/c/d"), Entry("a0"), Entry("b/x")]
    found = {pair.key: pair.source_unknown for pair in merge(source, target) if pair.target is not None}
    assert found == {"a-/x": "a link to nothing", "a.c": "", "a/b": "denied", "a/c/d": "denied", "a0": "", "b/x": ""}


def test_below_a_folder_that_cannot_be_read_everything_is_unknown() -> None:
    source = [Entry("a"), Entry("b/", kind=Kind.GAP, problem="denied"), Entry("c")]
    target = [Entry("a"), Entry("b/x"), Entry("b0"), Entry("c")]
    found = {pair.key: pair for pair in merge(source, target)}
    assert found["b/x"].source_unknown == "denied"
    assert found["b0"] == Pair("b0", None, Entry("b0"))
    assert list(found) == ["a", "b/", "b/x", "b0", "c"]


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"], ["a/b", "a b"]])
def test_a_listing_in_another_order_is_noticed(keys: list[str]) -> None:
    with pytest.raises(OutOfOrder):
        list(merge([Entry(key) for key in keys], []))


def test_names_are_shown_on_one_line() -> None:
    assert printable("a\nb\x1b[31m\udcff é") == "a\\nb\\x1b[31m\\xff é"
