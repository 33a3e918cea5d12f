"""Keys as numbers, to find a key that lies a given share of the way between two others. Pure.

A key is a number with a digit for each of its characters. The alphabet of each position is learned from keys that were
seen: numbers count in tens, hashes in sixteens, and a character that never changes does not count at all. An estimate
may be wrong by any factor; the key that comes out always lies where it has to.
"""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Iterable

DIGITS_BEHIND = 12
"""Characters behind the common beginning of two keys that count."""
MOST_CHARACTERS = 200
_CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_HEX = (string.digits + "abcdef", string.digits + "ABCDEF")


class KeySpace:
    """Learns keys below one prefix and computes with them."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []
        self._alphabets: dict[tuple[int, bool], str] = {}

    def learn(self, keys: Iterable[str]) -> None:
        for key in keys:
            for at, character in enumerate(key[:MOST_CHARACTERS]):
                if at == len(self._seen):
                    self._seen.append(set())
                if character not in self._seen[at]:
                    self._seen[at].add(character)
                    self._alphabets.pop((at, False), None)
                    self._alphabets.pop((at, True), None)

    def beyond(self, span: tuple[str, str], factor: float, origin: str) -> str | None:
        """A key as far behind `origin` as `factor` times the distance between the keys of `span`.

        Returns None where the keys seen give none.
        """
        for loose in (False, True):
            width = self._width(*span)
            first, last, begin = (self._number(key, width, loose) for key in (*span, origin))
            found = self._key(begin + int((last - first) * factor), width, loose) if last > first else None
            if found is not None and origin < found:
                return found
        return None

    def middle(self, low: str, high: str) -> str | None:
        """A key about half-way between two; None where the keys seen give none."""
        for loose in (False, True):
            width = self._width(low, high)
            sum_ = self._number(low, width, loose) + self._number(high, width, loose)
            found = self._key(sum_ // 2, width, loose)
            if found is not None and low < found < high:
                return found
        return None

    def steps(self, first: str, last: str, end: str) -> int:
        """How often the distance from `first` to `last` fits between `last` and `end`; 0 where it is unknown.

        An integer: it may have more digits than a float can.
        """
        width = max(self._width(first, last), self._width(last, end))
        step = self._number(last, width, True) - self._number(first, width, True)
        return (self._number(end, width, True) - self._number(last, width, True)) // step if step > 0 else 0

    # -- numbers ----------------------------------------------------------------------------------------------------

    def _width(self, one: str, other: str) -> int:
        same = 0
        for mine, theirs in zip(one, other, strict=False):
            if mine != theirs:
                break
            same += 1
        return min(same + DIGITS_BEHIND, len(self._seen), MOST_CHARACTERS)

    def _alphabet(self, at: int, loose: bool) -> str:
        found = self._alphabets.get((at, loose))
        if found is None:
            found = self._alphabets[at, loose] = _expanded(self._seen[at], loose)
        return found

    def _number(self, key: str, width: int, loose: bool) -> int:
        number, over = 0, ""
        for at in range(width):
            alphabet = self._alphabet(at, loose)
            if over:
                digit = len(alphabet) - 1 if over == "most" else 0
            elif at >= len(key):
                digit = 0
            else:
                digit = bisect_left(alphabet, key[at])
                if digit == len(alphabet):
                    digit, over = digit - 1, "most"
                elif alphabet[digit] != key[at]:
                    over = "least"
            number = number * len(alphabet) + digit
        return number

    def _key(self, number: int, width: int, loose: bool) -> str | None:
        """The key of a number; None for one behind all of them."""
        characters: list[str] = []
        for at in range(width - 1, -1, -1):
            alphabet = self._alphabet(at, loose)
            number, digit = divmod(number, len(alphabet))
            characters.append(alphabet[digit])
        return "".join(reversed(characters)) if not number else None


def _expanded(seen: set[str], loose: bool) -> str:
    """The characters that may stand where these were seen, in order. loose: also where one of a kind was seen."""
    for hexadecimal in _HEX:
        if len(seen) > 1 and seen <= set(hexadecimal) and seen & set(string.digits):
            return hexadecimal if not seen <= set(string.digits) else string.digits
    found = set(seen)
    for characters in _CLASSES:
        if len(seen & set(characters)) > (0 if loose or characters is string.digits else 1):
            found |= set(characters)
    return "".join(sorted(found))
