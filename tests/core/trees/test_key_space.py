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


def test_numbers_of_keys_keep_their_order() -> None:
    found = space(*(f"log-{number:04}" for number in range(0, 2000, 7)))
    keys = ["", "a", "log-", "log-0000", "log-0007", "log-0500", "log-05x", "log-1999", "log-9", "m", "z"]
    numbers = [found._number(key, 8, True) for key in keys]
    assert numbers == sorted(numbers)
    assert numbers[4] - numbers[3] == 7
    assert found._number("log-0500", 8, True) <= found._number("log-05x", 8, True) < found._number("log-06", 8, True)
    assert found.steps("log-0000", "log-0100", "log-1000") == 9


def test_only_what_follows_the_common_beginning_counts() -> None:
    found = space(*("x" * 5 + f"{number:020}" for number in (0, 10**19 + 1)), "y" * 300)
    assert found._width("xxxxx0", "xxxxx1") == 5 + 12
    assert found._width("a", "b") == 12
    assert found._width("y" * 250 + "a", "y" * 250 + "b") == 200
    assert space("abc")._width("ab", "abd") == 3
