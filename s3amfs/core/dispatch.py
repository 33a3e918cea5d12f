"""Which parts a worker of a cluster moves next. Pure.

Batches take about as long on every worker, and get shorter towards the end, so that all end together: guided
self-scheduling (Polychronopoulos and Kuck, 1987), weighted by the rate that each worker has shown. A worker to which
one more part would be the last of all is left idle. Where a part may be sent twice, an idle worker helps one that
needs much longer for what it has in hand: both send the same bytes to the same part, and the first counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .define import define

FIRST = 2
"""Parts of a worker's first batch, which shows its rate."""
MOST = 64
"""Parts of a batch: what a worker that dies loses, and records that come at a time."""
BATCH_SECONDS = 5.0
SHARE_AT_THE_END = 0.5
"""Of the time that is left: so long a batch may take."""
MUCH_LONGER = 2.0
"""Times as long as the helper needs: then a worker is helped."""


@define(slots=True)
class _Hand:
    """The batch that a worker has in hand."""

    numbers: tuple[int, ...]
    since: float
    helps: bool = False
    helped: bool = False


class Dispatch:
    """The parts of one transfer that workers move. `now`: seconds of any steady clock."""

    def __init__(self, numbers: Iterable[int], *, helps: bool, most: int = MOST) -> None:
        """numbers: parts to move. helps: whether two workers may move the same part. most: parts of a batch."""
        self._todo = sorted(numbers, reverse=True)
        self._missing = set(self._todo)
        self._helps = helps
        self._most = most
        self._hands: dict[str, _Hand] = {}
        self._rates: dict[str, float] = {}
        """Parts per second that a worker has shown."""
        self._total = 0.0
        """The sum of them, up to rounding."""
        self.helped: set[int] = set()
        """Parts that were given to a second worker."""
        self.again: set[int] = set()
        """Parts of batches that were lost: who lost them may still be moving them."""

    @property
    def over(self) -> bool:
        """Whether all parts have moved."""
        return not self._missing

    @property
    def missing(self) -> int:
        """Parts that have not moved."""
        return len(self._missing)

    def is_busy(self, worker: str) -> bool:
        """Whether `worker` has a batch in hand."""
        return worker in self._hands

    def next_batch(self, worker: str, now: float) -> list[int]:
        """Parts that `worker`, which is idle, moves now; []: none for the time being."""
        if self._todo:
            count = self._count(worker)
            batch = [self._todo.pop() for _ in range(min(count, len(self._todo)))]
        else:
            batch = self._of_another(worker, now) if self._helps else []
            self.helped.update(batch)
        if batch:
            self._hands[worker] = _Hand(tuple(batch), now, helps=not self._todo and set(batch) <= self.helped)
        return batch

    def done(self, worker: str, numbers: Collection[int], now: float) -> list[int]:
        """The batch of `worker` has moved. Returns those of its parts that are new: no other worker has moved them.

        numbers: parts that `worker` itself has sent, which show its rate; others of its batch were there already.
        """
        hand = self._hands.pop(worker, None)
        if hand is None:
            return []
        new = [number for number in hand.numbers if number in self._missing]
        self._missing.difference_update(new)
        seconds = now - hand.since
        if seconds > 0 and numbers:
            rate = len(numbers) / seconds
            before = self._rates.get(worker)
            self._rates[worker] = rate if before is None else (before + rate) / 2
            self._total += self._rates[worker] - (before or 0.0)
        return new

    def lost(self, worker: str) -> None:
        """`worker` has moved nothing of its batch, which others move now."""
        hand = self._hands.pop(worker, None)
        self._total -= self._rates.pop(worker, 0.0)
        if hand is not None:
            self.again.update(hand.numbers)
            for other in self._hands.values():
                other.helped = other.helped and not set(hand.numbers) & set(other.numbers)
            again = self._missing & set(hand.numbers) - self._in_hands()
            self._todo = sorted({*self._todo, *again}, reverse=True)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _in_hands(self) -> set[int]:
        return {number for hand in self._hands.values() for number in hand.numbers}

    def _count(self, worker: str) -> int:
        """Parts of the next batch of `worker`."""
        rate = self._rates.get(worker)
        if rate is None:
            return min(FIRST, self._most)
        left = len(self._todo) / self._total
        if 1 / rate > left:
            faster = sum(other for other in self._rates.values() if other > rate)
            if faster > 0 and 1 / rate > (len(self._todo) + 1) / faster:
                return 0  # faster ones have moved all that is left before this worker has moved one part
        return max(1, min(self._most, int(rate * min(BATCH_SECONDS, left * SHARE_AT_THE_END))))

    def _of_another(self, worker: str, now: float) -> list[int]:
        """The batch of another worker that `worker` would move much sooner; the slowest first."""
        mine = self._rates.get(worker)
        if mine is None:
            return []
        slowest, latest = None, 0.0
        for other, hand in self._hands.items():
            if hand.helped or hand.helps or not self._missing & set(hand.numbers):
                continue
            left = self._seconds_left(other, hand, now)
            if left > latest and left > MUCH_LONGER * len(hand.numbers) / mine:
                slowest, latest = hand, left
        if slowest is None:
            return []
        slowest.helped = True
        return sorted(self._missing & set(slowest.numbers), reverse=True)

    def _seconds_left(self, worker: str, hand: _Hand, now: float) -> float:
        """An estimate; of a worker that is late, or has shown no rate: as long again as it has taken so far."""
        so_far, rate = now - hand.since, self._rates.get(worker)
        expected = len(hand.numbers) / rate if rate is not None else 0.0
        return expected - so_far if expected > so_far else so_far
