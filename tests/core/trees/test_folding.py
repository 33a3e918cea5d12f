"""Keys and folders that fall together, both named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.trees.folding import Collisions, Folding

CASE, BOTH = Folding(case=True), Folding(case=True, normal=True)
NAME = st.sampled_from(("a", "A", "b", "B-", "b-", "\u00e9", "e\u0301", "\u00c9"))
KEYS = st.sets(st.lists(NAME, min_size=1, max_size=3).map("/".join), max_size=12)


def found(folding: Folding, keys: set[str]) -> set[str]:
    collisions = Collisions(folding, sorted(keys, key=folding.order))
    return {key for key in keys if collisions.reason(key)}


def expected(folding: Folding, keys: set[str]) -> set[str]:
    """By comparing each two keys, folder by folder."""
    bad = set()
    for one in keys:
        for other in keys:
            for mine, theirs in zip(one.split("/"), other.split("/"), strict=False):
                if mine != theirs:
                    if folding.fold(mine) == folding.fold(theirs):
                        bad |= {one, other}
                    break
    return bad


@given(KEYS, st.sampled_from((Folding(), CASE, BOTH, Folding(normal=True))))
def test_each_key_that_falls_together_is_found(keys: set[str], folding: Folding) -> None:
    assert found(folding, keys) == expected(folding, keys)


def test_both_are_named() -> None:
    collisions = Collisions(CASE, ["x/README", "x/readme"])
    assert collisions.reason("x/readme") == (
        "'x/readme' and 'x/README' are one name on this file system: rename one of them"
    )
    assert collisions.reason("x/other") == ""


def test_what_falls_together() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    plain, normal = Folding(), Folding(normal=True)
    assert [bool(folding) for folding in (plain, CASE, normal, BOTH)] == [False, True, True, True]
    assert [folding.fold("A" + composed) for folding in (plain, CASE, normal, BOTH)] == (
        ["A" + composed, "a" + composed, "A" + decomposed, "a" + decomposed]
    )
    assert not Collisions(plain, ["A", "a"])


def test_each_of_a_pair_names_the_other() -> None:
    collisions = Collisions(CASE, ["d/A/x", "d/a/x", "d/a/y/z"])
    assert collisions
    told = "are one name on this file system: rename one of them"
    assert collisions.reason("d/A/x") == f"'d/A' and 'd/a' {told}"
    assert collisions.reason("d/a/y/z") == f"'d/a' and 'd/A' {told}"
    assert collisions.reason("D/A/q") == f"'D/A' and 'd/A' {told}"
    assert (collisions.reason("d"), collisions.reason("e/a")) == ("", "")
    assert not Collisions(CASE, ["a//b", "a/b"]), "an empty name is no other's"
    assert not Collisions(CASE, ["a/x", "b/X"]), "only the first that differs counts"
