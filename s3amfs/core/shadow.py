"""Keys `a` beside keys `a/b`: no local folder can hold both, and the folder wins. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from .entries import Kind, order
from .merge import Pair

T = TypeVar("T")


class FoldersWin(Generic[T]):
    """Holds each file back until it is known whether its source has keys below a folder of the same name.

    Between `a` and `a/b` keys such as `a.txt` may come, and those are let through meanwhile: the output is not in
    order. It holds at most as many files as a key has characters.
    """

    def __init__(self) -> None:
        self._held: list[tuple[Pair, T, bytes]] = []

    def filter(self, pairs: Iterable[tuple[Pair, T]]) -> Iterator[tuple[Pair, T, bool]]:
        """Each pair once, with what came with it, and whether a folder has its name."""
        for pair, tag in pairs:
            yield from self._passed(pair)
            if pair.source is not None and pair.source.kind is Kind.FILE:
                self._held.append((pair, tag, order(pair.key) + b"/"))
            else:
                yield pair, tag, False
        yield from ((pair, tag, False) for pair, tag, _ in self._held)
        self._held = []

    def _passed(self, pair: Pair) -> Iterator[tuple[Pair, T, bool]]:
        """Those of which all is known now that `pair` has come."""
        at = order(pair.key)
        while self._held:
            held, tag, folder = self._held[-1]
            if at < folder or (at.startswith(folder) and pair.source is None):
                return
            self._held.pop()
            yield held, tag, at.startswith(folder)
