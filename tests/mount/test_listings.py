"""Which objects are looked at ahead: those behind the one that is asked for, in the order of the listing."""

from __future__ import annotations

import pytest

from s3amfs.core.names import MORE, place_of
from s3amfs.mount import listings
from s3amfs.mount.listings import AHEAD, LISTING_SECONDS, Listing, Listings


def listing(*names: str) -> Listing:
    made = Listing(0.0, place_of("/d"))
    for name in names:
        assert made.show_object(name) == name
    return made


def known(**by_path: Listing) -> Listings:
    made = Listings()
    for path, each in by_path.items():
        made.keep(f"/{path.replace('__', '/')}", each)
    return made


def test_each_name_is_shown_once_and_a_folder_has_its_own() -> None:
    made = listing("a", "b")
    assert [made.show_folder(piece) for piece in ("c", "c")] == ["c", None]
    assert made.show_object("c") == "c@s3am.object"
    assert made.show_object("d") == "d"
    assert made.names == ["a", "b", "c@s3am.object", "d"]
    assert made.mistaken == []


def test_a_folder_that_comes_pages_after_the_object_of_its_name() -> None:
    made = listing("a", "b", "c")
    assert made.show_folder("b") == "b@s3am.object", "b has been shown"
    assert made.mistaken == ["b"]
    found = known(d=made)
    assert found.to_look_at("/d", "a", 0.0) == ["a", "c"]
    assert [found.to_look_at("/d", name, 0.0) for name in ("b", "b@s3am.object")] == [None, None]
    assert found.to_look_at("/d", "c", 0.0) == []
    assert made.show_folder("b") is None


def test_names_that_begin_alike_and_are_too_long_are_one_directory() -> None:
    made = Listing(0.0, place_of("/d"))
    shown = [made.show_object("x" * 300), made.show_object("x" * 299 + "y"), made.show_folder("x" * 300)]
    assert shown == ["x" * 200 + MORE, None, None]
    assert made.show_object("x" * 200) == "x" * 200
    assert made.names == ["x" * 200], "only objects are looked at"


def test_as_many_ahead_again_and_again() -> None:
    names = [f"{number:03}" for number in range(3 * AHEAD)]
    found = known(d=listing(*names))
    asked = [found.to_look_at("/d", name, 1.0) for name in names]
    assert asked[0] == names[:AHEAD]
    assert all(each == [] for each in asked[1 : AHEAD // 2])
    assert asked[AHEAD // 2] == names[AHEAD : AHEAD // 2 + AHEAD]
    assert [name for each in asked for name in each or ()] == names, "each once"
    assert found.to_look_at("/d", names[0], 1.0) == names[:AHEAD], "somebody begins again"


def test_of_what_no_listing_has_shown_nothing_is_known() -> None:
    found = known(d=listing("a"))
    assert found.to_look_at("/d", "b", 0.0) is None
    assert found.to_look_at("/e", "a", 0.0) is None
    assert found.to_look_at("/d", "a", LISTING_SECONDS) == ["a"]
    assert found.to_look_at("/d", "a", LISTING_SECONDS + 1) is None


def test_what_changes_is_forgotten() -> None:
    found = known(d=listing("a"), d__e=listing("a"), de=listing("a"))
    found.forget("/de")
    assert [found.to_look_at(path, "a", 0.0) is None for path in ("/d", "/d/e", "/de")] == [False, False, True]
    found = known(d=listing("a"), d__e=listing("a"), de=listing("a"))
    found.forget_below("/d")
    assert [found.to_look_at(path, "a", 0.0) is None for path in ("/d", "/d/e", "/de")] == [True, True, False]


@pytest.mark.parametrize(("limit", "most"), [("MOST_LISTINGS", 2), ("MOST_LISTED", 4)])
def test_the_oldest_goes(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    monkeypatch.setattr(listings, limit, most)
    found = known(a=listing("1", "2"), b=listing("1", "2"))
    found.keep("/a", listing("1", "2"))
    found.keep("/c", listing("1", "2"))
    assert [found.to_look_at(f"/{path}", "1", 0.0) is not None for path in "abc"] == [True, False, True]


def test_the_newest_stays_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "MOST_LISTED", 1)
    found = known(a=listing("1"), b=listing("1", "2"))
    assert [found.to_look_at(f"/{path}", "1", 0.0) is not None for path in "ab"] == [False, True]
