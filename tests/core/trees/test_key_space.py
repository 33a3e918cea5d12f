"""Estimates of keys lie where they must, and about where they should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.trees.key_space import KeySpace

KEY = st.text(min_size=1, max_size=12)


def space(*keys: str) -> KeySpace:
    found = KeySpace()
    found.learn(keys)
    return found


@given(st.lists(KEY, min_size=1, max_size=8), KEY, KEY, st.floats(0.01, 1e6))
def test_estimates_lie_between_their_ends(seen: list[str], one: str, other: str, factor: float) -> None:
    keys = space(*seen)
    low, high = sorted((one, other))
    middle = keys.middle(low, high)
    assert middle is None or low < middle < high
    beyond = keys.beyond((low, high), factor, high)
    assert beyond is None or beyond > high
    assert keys.steps(low, high, high + "z") >= 0


def test_numbers_count_in_tens() -> None:
    keys = space("run/00000", "run/00099")
    assert keys.beyond(("run/00000", "run/00099"), 10, "run/00099") == "run/01089"
    assert keys.middle("run/00099", "run/10099") == "run/05099"
    assert keys.steps("run/00000", "run/00100", "run/01100") == 10


def test_hashes_count_in_sixteens() -> None:
    keys = space("0a1f", "9bce", "f0d3")
    assert keys.middle("0000", "ffff") == "7fff"


def test_a_letter_that_never_changes_counts_last() -> None:
    keys = space("a/98", "a/99")
    assert (keys.beyond(("a/98", "a/99"), 1, "a/99") or "") > "b/"


def test_distances_that_no_float_holds() -> None:
    many = "".join(chr(0x4E00 + number) for number in range(1000))
    long = "".join(many[place] for place in range(150))
    keys = space(*(character * 160 for character in many), long + "a", long + "b")
    assert keys.steps(long + "a", long + "b", many[-1] * 160) > 10**308
