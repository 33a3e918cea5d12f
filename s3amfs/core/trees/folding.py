"""Names that fall together on file systems that ignore case, or how a character is composed. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ..define import define
from ..entries import order


@define(frozen=True, slots=True)
class Folding:
    """The names that a file system takes for one. case: 'A' and 'a'; normal: a character and its decomposed form."""

    case: bool = False
    normal: bool = False

    def __bool__(self) -> bool:
        return self.case or self.normal

    def fold(self, text: str) -> str:
        """Equal for names that fall together; as ext4 folds (Unicode's full case folding)."""
        if self.normal:
            text = unicodedata.normalize("NFD", text)
        if self.case:
            text = text.casefold()
        return unicodedata.normalize("NFD", text) if self.normal else text

    def order(self, key: str) -> bytes:
        """Sort key: keys that fall together, or below folders that do, come one after the other."""
        return order(self.fold(key).replace("/", "\0"))


class Collisions:
    """Groups of keys, or folders, of one tree that fall together. Holds these alone."""

    def __init__(self, folding: Folding, keys: Iterable[str]) -> None:
        """keys: in the order of `folding.order`."""
        self._folding = folding
        self._names: dict[str, tuple[str, str]] = {}
        above: list[str] = []
        for key in keys:
            pieces = key.split("/")
            self._compare(above, pieces)
            above = pieces

    def __bool__(self) -> bool:
        return bool(self._names)

    def reason(self, key: str) -> str:
        """Why `key` cannot be stored; '' if it can."""
        if not self._names:
            return ""
        folded = self._folding.fold(key)
        ends = [at for at, character in enumerate(folded) if character == "/"]
        for end in (*ends, len(folded)):
            pair = self._names.get(folded[:end])
            if pair is not None:
                mine = "/".join(key.split("/")[: folded[:end].count("/") + 1])
                other = pair[0] if pair[0] != mine else pair[1]
                return f"{mine!r} and {other!r} are one name on this file system: rename one of them"
        return ""

    def _compare(self, above: list[str], pieces: list[str]) -> None:
        for depth, (one, other) in enumerate(zip(above, pieces, strict=False), 1):
            if one == other:
                continue
            if one and other and self._folding.fold(one) == self._folding.fold(other):
                names = "/".join(above[:depth]), "/".join(pieces[:depth])
                self._names.setdefault(self._folding.fold(names[0]), names)
            return
