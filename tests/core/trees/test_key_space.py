"""Estimates of keys lie where they must, and about where they should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.trees.key_space import KeySpace, _expanded

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


LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


@pytest.mark.parametrize(
    ("seen", "strict", "loose"),
    [
        ("", "", ""),
        ("0", DIGITS, DIGITS),
        ("01", DIGITS, DIGITS),
        ("0a", DIGITS + "abcdef", DIGITS + "abcdef"),
        ("9A", DIGITS + "ABCDEF", DIGITS + "ABCDEF"),
        ("0123456789abcdef", DIGITS + "abcdef", DIGITS + "abcdef"),
        ("a0g", DIGITS + LOWER, DIGITS + LOWER),
        ("0aA", DIGITS + "Aa", DIGITS + UPPER + LOWER),
        ("a", "a", LOWER),
        ("A", "A", UPPER),
        ("ab", LOWER, LOWER),
        ("aB", "Ba", UPPER + LOWER),
        ("abC", "C" + LOWER, UPPER + LOWER),
        ("a-", "-a", "-" + LOWER),
        ("-", "-", "-"),
        ("0-", "-" + DIGITS, "-" + DIGITS),
    ],
)
def test_alphabets(seen: str, strict: str, loose: str) -> None:
    assert (_expanded(set(seen), False), _expanded(set(seen), True)) == (strict, loose)


def test_keys_and_their_numbers() -> None:
    """'b', 'c' at first (all letters: two were seen), '-' alone, then digits: 'b-2' is 1, 0, 2."""
    found = space("b-2", "c-7")
    keys = ("", "a", "b", "b-2", "b-5", "b.", "b,", "c-7", "d", "b-:")
    assert [found._number(key, 3, False) for key in keys] == [0, 0, 10, 12, 15, 19, 10, 27, 30, 19]
    assert [found._number(key, 3, True) for key in ("m", "{", "A", "z-9")] == [120, 259, 0, 259]
    assert [found._key(number, 3, False) for number in (0, 1, 10, 259, 260)] == ["a-0", "a-1", "b-0", "z-9", None]


def test_estimates_behind_and_between_and_how_many_steps() -> None:
    found = space("b-2", "c-7")
    assert [found.beyond(("b-2", "c-7"), factor, "c-7") for factor in (1.0, 2.5)] == ["e-2", "g-4"]
    assert found.beyond(("b-2", "b-3"), 1.0, "b-2") == "b-3"
    assert found.beyond(("b-7", "b-7"), 9.0, "b-7") is None, "no distance"
    assert found.beyond(("b-3", "b-2"), 1.0, "b-1") is None, "no distance backwards"
    assert [found.middle(*ends) for ends in (("b-2", "c-7"), ("c-7", "z-9"), ("b-2", "b-3"), ("b-2", "b-4"))] == (
        ["b-9", "o-3", None, "b-3"]
    )
    assert [found.steps("b-2", last, "c-9") for last in ("c-7", "b-3", "b-4", "b-2")] == [0, 16, 7, 0]


def test_where_one_letter_was_seen_others_may_stand() -> None:
    """Strictly 'a' is the only letter, and no key lies between; loosely there are 26."""
    found = space("a5", "a6")
    assert found.middle("a5", "a7") == "a6"
    assert found.middle("a9", "c1") == "b5"
    assert found.beyond(("a5", "a9"), 5.0, "a9") == "c9"


def test_what_is_learned_later_counts() -> None:
    found = space("a5", "a6")
    assert [found._number("b0", 2, loose) for loose in (False, True)] == [9, 10]
    found.learn(["b0", "B7"])
    assert [found._number("b0", 2, loose) for loose in (False, True)] == [20, 270]
