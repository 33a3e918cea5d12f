"""Two ordered listings as one: pairs of entries by key, with what is unknown on either side. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .define import define
from .entries import Entry, Kind, order


@define(frozen=True, slots=True)
class Pair:
    """The entries under one key in two trees."""

    key: str
    source: Entry | None
    target: Entry | None
    source_unknown: str = ""
    """Why a missing `source` says nothing; '' if it says that there is none."""
    target_unknown: str = ""


class OutOfOrder(Exception):
    """A listing that is not in the order of keys, or has one twice."""


class _Side:
    """One listing, read one entry ahead."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = iter(entries)
        self.head: Entry | None = None
        self.order = b""
        self._gaps: list[tuple[bytes, str]] = []
        """Beginnings of keys of which nothing is known, and why; those that may still come."""
        self._end_reason = ""
        self._last: bytes | None = None
        self.advance()

    def advance(self) -> None:
        entry = next(self._entries, None)
        self.head = entry
        if entry is None:
            return
        self.order = order(entry.key)
        if entry.kind is Kind.END:
            self._end_reason = entry.problem
        elif self._last is not None and self.order <= self._last:
            raise OutOfOrder(entry.key)
        self._last = self.order

    def take(self, at: bytes) -> Entry | None:
        """The entry at `at`, if this side has one; the side moves on."""
        entry = self.head
        if entry is None or self.order != at or entry.kind is Kind.END:
            return None
        if entry.kind is Kind.GAP:
            self._gaps.append((at, entry.problem))
        elif entry.problem:  # what cannot be looked at, or a link to nothing, may be a folder
            self._gaps.append((order(entry.key + "/"), entry.problem))
        self.advance()
        return entry

    @property
    def over(self) -> bool:
        return self.head is None or self.head.kind is Kind.END

    def unknown(self, at: bytes) -> str:
        """Why nothing is known about `at`."""
        if self._end_reason and self.over:
            return self._end_reason
        self._gaps = [gap for gap in self._gaps if at <= gap[0] or at.startswith(gap[0])]
        return next((reason for below, reason in self._gaps if at.startswith(below)), "")


def merge(source: Iterable[Entry], target: Iterable[Entry]) -> Iterator[Pair]:
    """Pairs in the order of keys. Both listings must be in that order: OutOfOrder is raised otherwise.

    An entry of kind GAP makes everything that begins with its key unknown on its side; one with a problem makes
    everything below a folder of its name unknown; one of kind END is the last of its listing and makes everything that
    comes later unknown.
    """
    left, right = _Side(source), _Side(target)
    while not (left.over and right.over):
        if right.over or (not left.over and left.order <= right.order):
            at = left.order
        else:
            at = right.order
        mine, theirs = left.take(at), right.take(at)
        found = mine or theirs
        assert found is not None
        yield Pair(
            found.key,
            mine,
            theirs,
            "" if mine is not None else left.unknown(at),
            "" if theirs is not None else right.unknown(at),
        )
