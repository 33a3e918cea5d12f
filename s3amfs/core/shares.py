"""Which parts a process of a split job moves next: its own share, then parts that others will not reach. Pure.

Processes see of each other what ListParts (or the records beside the job file) shows, no more. Everybody goes up
through its share and has at most so much in hand as it moves in a few seconds; helpers begin at the other end of a
share and stay away from the parts that its owner has in hand, as far as its progress shows. Where nothing else is left
and the owner needs much longer than the helper would, the helper moves these, too: both send the same bytes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from typing import TYPE_CHECKING

from .define import define

if TYPE_CHECKING:
    from .split_job import Share

LEAST = 4
"""Parts that a process takes at a time, however slow it is: requests run side by side."""
MOST = 32
"""Parts that a process takes at a time, however fast it is."""
FRONT = 2 * LEAST
"""Parts of a share from its first missing one on that only its owner moves, as a rule."""
HAND_SECONDS = 4.0
"""So long a process works on what it takes at a time."""
LOOK_SECONDS = 1.0
"""Between two looks of a process that has nothing to do."""
PATIENCE = 10.0
"""Seconds without a new part after which an owner counts as dead at the earliest, and others move its parts."""
MUCH_LONGER = 3.0
"""Times as long as the helper would need: then an owner is helped with what it has in hand."""


@define(slots=True)
class _Owner:
    """The progress of a process through its share."""

    missing: list[int]
    """At the last look, in order."""
    since: float
    """Time of the first look."""
    at: float
    """Time at which the first missing part was seen to have moved."""
    moved: int = 0
    """Parts that it has moved since: those before the first one that is missing. Helpers begin at the other end."""
    ahead: int = 0
    """Parts that are there of the `FRONT` ones from there on: several move side by side, and end in any order."""
    replaced: bool = False
    """It counts as dead, and others move what it had in hand, beginning at the other end: what is there of that by now
    says nothing about it, unless it is the first part."""

    @property
    def seen(self) -> int:
        """Parts that it has moved, as far as can be seen."""
        return self.moved + self.ahead


class Schedule:
    """The parts of one process. `now`: seconds of any steady clock."""

    def __init__(self, share: Share, count: int) -> None:
        """count: parts of the whole."""
        self._share = share
        self._count = count
        self._own = share.own(count)
        self._owners: dict[int, _Owner] = {}
        self._rate: float | None = None
        """Parts per second of this process."""
        self._batch: tuple[int, float] | None = None
        """(parts, time) of the last batch."""
        self._helped: set[int] = set()
        """Parts of other shares that this process was given."""

    def next_batch(self, missing: Collection[int], now: float, moving: Collection[int] = ()) -> list[int]:
        """Numbers of the parts to move now, of those that are `missing`; []: look again later.

        moving: those of them that this process moves already. While there are some of its own among these, it helps
        nobody: both would share its line.
        """
        self._measure(now)
        shares = self._look(missing, now)
        mine = [number for number in shares.pop(self._share.index, ()) if number not in moving]
        batch = mine[: self._hand]
        if not batch and all(self._share.owner(number) != self._share.index for number in moving):
            batch = [number for number in self._help(shares, now) if number not in moving]
            self._helped.update(batch)
        if batch:
            self._batch = len(batch), now
        return batch

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def _hand(self) -> int:
        return LEAST if self._rate is None else max(LEAST, min(MOST, int(self._rate * HAND_SECONDS)))

    @property
    def _patience(self) -> float:
        """Seconds without a new part after which an owner counts as dead: on a slow line parts that move side by side
        are there together, after as long as this process would need for them or somewhat longer."""
        return PATIENCE if self._rate is None else max(PATIENCE, 1.5 * LEAST / self._rate)

    def _measure(self, now: float) -> None:
        """The last batch has moved by now."""
        if self._batch is not None:
            count, begun = self._batch
            if now > begun:
                rate = count / (now - begun)
                self._rate = rate if self._rate is None else (self._rate + rate) / 2
            self._batch = None

    def _look(self, missing: Collection[int], now: float) -> dict[int, list[int]]:
        """Owner -> the missing parts of its share, in order."""
        shares: dict[int, list[int]] = {}
        for number in sorted(missing):
            shares.setdefault(self._share.owner(number), []).append(number)
        for index, numbers in shares.items():
            owner = self._owners.setdefault(index, _Owner(numbers, now, now))
            before = owner.seen
            passed = self._passed(owner.missing, numbers[0])
            first, owner.missing = owner.missing[0], numbers
            owner.moved += passed
            last = numbers[0] + (FRONT - 1) * self._share.of
            count = min(FRONT, (numbers[-1] - numbers[0]) // self._share.of + 1)  # helpers have moved those behind
            owner.ahead = count - bisect_right(numbers, last)
            if owner.replaced:
                if passed and first not in self._helped:
                    owner.replaced, owner.at = False, now
            elif owner.seen > before:
                owner.at = now
        return shares

    def _passed(self, missing: list[int], first: int) -> int:
        """How many parts have moved before `first`, which is the first missing one now. missing: at the look before;
        what was there of its front by then (`_Owner.ahead`) counts, too."""
        if first < missing[0]:  # a listing lagged behind, or records were dropped
            return 0
        end = min(first, missing[0] + FRONT * self._share.of)
        return bisect_left(missing, first) + (end - missing[0]) // self._share.of - bisect_left(missing, end)

    def _help(self, shares: dict[int, list[int]], now: float) -> list[int]:
        free = [n for index, numbers in shares.items() for n in numbers[self._in_hand(index, now) :]]
        if not free:
            free = [
                n for index, numbers in shares.items() if self._is_much_slower(index, numbers, now) for n in numbers
            ]
        return sorted(free, key=self._order)[: max(1, self._hand // 4)]

    def _order(self, number: int) -> tuple[int, int, int]:
        """Each helper of a share has rows of its own, which it takes from the end; then it takes turns with the others
        in the rows of helpers that are late or dead."""
        owner = self._share.owner(number)
        mine = (self._share.index - owner) % self._share.of - 1
        from_end = (self._count - number) // self._share.of
        rows, theirs = divmod(from_end, self._share.of - 1)
        turn = (rows - mine) % self._share.of if theirs != mine else -1
        return (turn, from_end, mine)

    def _in_hand(self, index: int, now: float) -> int:
        """Parts at the front of a share that its owner may be moving."""
        owner = self._owners[index]
        if owner.replaced or now - owner.at >= self._patience:
            owner.replaced = True
            return 0
        rate = self._rate_of(index, now)
        return MOST if rate is None else min(MOST, LEAST // 2 + max(LEAST, int(1.5 * rate * HAND_SECONDS)))

    def _rate_of(self, index: int, now: float) -> float | None:
        """Parts per second of another process; None where too little was seen of it."""
        owner = self._owners[index]
        return owner.seen / (now - owner.since) if now - owner.since >= HAND_SECONDS else None

    def _is_much_slower(self, index: int, numbers: Collection[int], now: float) -> bool:
        """Whether the owner of a share needs much longer for the rest of it than this process would."""
        rate = self._rate_of(index, now)
        if self._rate is None or rate is None:
            return False
        mine = MUCH_LONGER * len(numbers) / self._rate + LOOK_SECONDS
        return rate == 0 or len(numbers) / rate > mine
