"""Which pages of one flat listing to ask for at a time, so that many are in flight and all come out in order. Pure.

How it works. A segment is a stretch of keys, (start, end], that is listed page after page by StartAfter; the last one
has no end. At first there is one. Each page that arrives whole earns a fifth of a split: the last segment, or the one
that seems longest, is cut at a key that is estimated from those seen (`key_space`). Where that gives nothing to ask
for, as at the end of the listing, the longest rest is halved. A segment needs one request more than its share of the
serial listing at most, so that all of them need no more than 1.2 times its requests, whatever the keys are.

No estimate decides what is listed. A segment ends with the page that reaches past its end, and the first key past it
has to be the first key that the next segment has found: so the pages are a chain without a gap, in whatever order the
server lists. Where that does not hold the next segment is listed once more; if it fails again, or a page is not behind
the key that it was asked behind, the rest is listed page after page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import field
from typing import Generic, TypeVar

from ...errors import TransferError
from ..define import define
from ..entries import is_ascending, order
from .key_space import KeySpace

T = TypeVar("T")

EXTRA_SHARE = 0.2
"""Of the pages of a serial listing: requests that splits may cost."""
REACH = 16.0
"""Pages that a segment should have."""
LEAST_REACH, MOST_REACH = 8.0, 48.0
MOST_BLIND = 4
"""Segments at the end of which no page has arrived yet."""
LEAST_REST = 4
"""Pages that the rest of a segment has at least that is halved."""
NEAR = 8
"""Segments at the beginning that go on however much is stored behind them."""
PAGES_AHEAD = 2
"""Pages that are fetched and not taken, of a listing that is not split, or of its first segment."""
MOST_STORED = 512
"""Pages that are fetched, or asked for, and not taken."""
SAMPLES = 20
"""Keys of a page from which the alphabets are learned."""


@define(eq=False, slots=True)
class _Segment(Generic[T]):
    """A stretch of the keys, listed by itself."""

    start: str
    end: str | None = None
    cursor: str = ""
    """The last key that was seen in it."""
    kept: str = ""
    """The last key that it has."""
    token: str | None = None
    """Where the listing goes on, where that is not behind `cursor`."""
    last_token: str | None = None
    """Of its last page."""
    span: tuple[str, str] | None = None
    """First and last key of its last page."""
    left: int | None = None
    """About so many pages from there to its end; None: not estimated yet."""
    pages: deque[tuple[T, int]] = field(default_factory=deque)
    fetched: int = 0
    asked: bool = False
    done: bool = False
    dropped: bool = False
    first: str | None = None
    """The first key behind `start`, also if it lies behind `end`; known once `fetched`."""
    past: str | None = None
    """Of a segment that is done: the first key behind `end`; None: the listing ends here."""
    restarted: bool = False
    repeats: int = 0
    """Pages, one after the other, that began where the whole listing does."""
    error: BaseException | None = None


@define(frozen=True, slots=True)
class Ask(Generic[T]):
    """A page to ask for: behind `after`, or by a token."""

    segment: _Segment[T]
    after: str
    token: str | None


class ListPlan(Generic[T]):
    """width: pages in flight at most; 1: page after page. T: what a page is to the caller.

    after: the listing begins behind this key. by_token: each page is asked for by the token of the one before, of a
    server that knows no StartAfter. Calls come from one thread at a time.
    """

    def __init__(self, width: int, after: str = "", *, by_token: bool = False) -> None:
        self._width = 1 if by_token else width
        self._by_token = by_token
        self._first_key: str | None = None
        self._segments: list[_Segment[T]] = [_Segment(after, cursor=after, kept=after)]
        self._space = KeySpace()
        self._in_flight = self._stored = self._whole = self._splits = 0
        self._reach = REACH

    @property
    def over(self) -> bool:
        """Everything was taken."""
        head = self._segments[0]
        return len(self._segments) == 1 and head.done and not head.pages

    @property
    def is_parallel(self) -> bool:
        return len(self._segments) > 1

    @property
    def stored(self) -> int:
        """Pages that are fetched and not taken."""
        return self._stored

    @property
    def by_token(self) -> bool:
        """Tokens lead from page to page, and nothing else does."""
        return self._by_token

    @property
    def error(self) -> BaseException | None:
        """Why the page that would be taken next cannot be had."""
        head = self._segments[0]
        if head.pages or head.error is not None:
            return None if head.pages else head.error
        following = self._segments[1] if head.done and len(self._segments) > 1 else None
        return following.error if following is not None and not following.fetched else None

    # -- asking -----------------------------------------------------------------------------------------------------

    def ask(self) -> Ask[T] | None:
        """The next page to ask for; None: none before something has arrived or been taken."""
        if self._in_flight >= self._width:
            return None
        for place, segment in enumerate(self._segments):
            if not segment.asked and not segment.done and segment.error is None and self._has_room(segment, place):
                return self._asked(segment)
        split = self._split()
        return self._asked(split) if split is not None else None

    def _has_room(self, segment: _Segment[T], place: int) -> bool:
        if len(self._segments) == 1:
            return len(segment.pages) < PAGES_AHEAD
        return self._stored + self._in_flight < MOST_STORED or (place < NEAR and len(segment.pages) < REACH)

    def _asked(self, segment: _Segment[T]) -> Ask[T]:
        segment.asked = True
        self._in_flight += 1
        return Ask(segment, segment.cursor, segment.token)

    def _split(self) -> _Segment[T] | None:
        """A new segment, cut from another; None where that may not, or cannot, be done."""
        head = self._segments[0]
        if self._width == 1 or self._splits + 1 > EXTRA_SHARE * (self._whole + 1) or len(head.pages) > PAGES_AHEAD:
            return None
        full = self._stored + self._in_flight >= MOST_STORED
        for segment in self._segments[: NEAR if full else None]:
            if segment.done or segment.end is None or segment.span is None or segment.error is not None:
                continue
            if segment.left is None:
                segment.left = self._space.steps(*segment.span, segment.end)
            if segment.left >= 2 * self._reach:
                cut = self._inner_cut(segment, segment.span)
                if cut is not None:
                    return self._cut(segment, cut)
                segment.left = 0
        return None if full else self._split_last() or self._split_rest()

    def _split_rest(self) -> _Segment[T] | None:
        longest = _with_longest_rest(self._segments)
        cut = self._space.middle(longest.cursor, longest.end) if longest is not None and longest.end else None
        return self._cut(longest, cut) if longest is not None and cut is not None else None

    def _inner_cut(self, segment: _Segment[T], span: tuple[str, str]) -> str | None:
        assert segment.end is not None
        cut = self._space.beyond(span, self._reach, segment.cursor)
        if cut is None or not _is_behind(segment.end, cut):
            cut = self._space.middle(segment.cursor, segment.end)
        return cut if cut is not None and _is_behind(cut, segment.cursor) and _is_behind(segment.end, cut) else None

    def _split_last(self) -> _Segment[T] | None:
        last = self._segments[-1]
        near = next((segment for segment in self._segments[: -MOST_BLIND - 2 : -1] if segment.span is not None), None)
        if last.done or last.error is not None or near is None or near.span is None:
            return None
        cut = self._space.beyond(near.span, self._reach, last.cursor)
        return self._cut(last, cut) if cut is not None and _is_behind(cut, last.cursor) else None

    def _cut(self, segment: _Segment[T], at: str) -> _Segment[T]:
        self._splits += 1
        new: _Segment[T] = _Segment(at, segment.end, cursor=at, kept=at)
        segment.end, segment.left = at, None
        self._segments.insert(self._segments.index(segment) + 1, new)
        return new

    # -- what arrives -----------------------------------------------------------------------------------------------

    def failed(self, ask: Ask[T], error: BaseException) -> None:
        """A page cannot be had: the listing ends before it."""
        self._in_flight -= 1
        ask.segment.asked = False
        ask.segment.error = error

    def arrived(self, ask: Ask[T], keys: Sequence[str], more: bool, token: str | None, page: T) -> None:
        """A page. more: the listing has more behind it. token: where it goes on, if the server says so."""
        segment = ask.segment
        self._in_flight -= 1
        segment.asked = False
        if segment.dropped or self._begins_again(segment, ask, keys):
            return
        if more and (token in (None, ask.token) if self._by_token else not keys and token is None):
            segment.error = TransferError("the server's listing says that more follows, but not where")
            return
        if self.is_parallel and not is_ascending(ask.after, keys):
            self._fall_back()
            if segment not in self._segments:
                return
        if not segment.fetched:
            segment.first = keys[0] if keys else None
        segment.last_token = token
        segment.token = token if more and (self._by_token or not keys) else None
        if keys or not more:
            self._add(segment, keys, more, page)

    def _add(self, segment: _Segment[T], keys: Sequence[str], more: bool, page: T) -> None:
        segment.fetched += 1
        if keys:
            self._space.learn(keys[:: max(1, len(keys) // SAMPLES)])
            segment.cursor = keys[-1]
            segment.span, segment.left = (keys[0], keys[-1]), None
        kept = _count_up_to(keys, segment.end)
        if kept:
            segment.kept = keys[kept - 1]
            segment.pages.append((page, kept))
            self._stored += 1
        if kept < len(keys):
            segment.past = keys[kept]
            self._finish(segment)
        elif not more:
            self._finish(segment)
        else:
            self._whole += 1

    def _begins_again(self, segment: _Segment[T], ask: Ask[T], keys: Sequence[str]) -> bool:
        """Whether a page begins where the whole listing does, as if there were no StartAfter: it does not count.

        It is asked for once more; after that the token of the page before leads on.
        """
        if not keys or self._by_token or ask.token is not None:
            return False
        if self._first_key is None:
            self._first_key = keys[0]
            return False
        if keys[0] != self._first_key:
            segment.repeats = 0
            return False
        segment.repeats += 1
        if segment.repeats == 1:
            return True
        if self.is_parallel or segment.last_token is None:
            segment.error = TransferError("the server's listing starts over again and again")
            return True
        self._by_token, self._width = True, 1
        segment.token = segment.last_token
        return True

    def _finish(self, segment: _Segment[T]) -> None:
        segment.done = True
        if len(self._segments) == 1:
            return
        if segment.fetched < REACH / 2:
            self._reach = min(self._reach * 1.5, MOST_REACH)
        elif segment.fetched > REACH * 2:
            self._reach = max(self._reach / 1.5, LEAST_REACH)

    def _fall_back(self) -> None:
        """The rest is listed page after page, behind what the first segment has."""
        self._width = 1
        head, *others = self._segments
        for segment in others:
            segment.dropped = True
            self._stored -= len(segment.pages)
        self._segments = [head]
        _reopen(head)
        head.end = None

    # -- taking -----------------------------------------------------------------------------------------------------

    @property
    def may_give(self) -> bool:
        """Whether `take`, `over` or `error` may have something new to say."""
        head = self._segments[0]
        return bool(head.pages) or head.done or head.error is not None

    def take(self) -> tuple[T, int] | None:
        """The next page in order, and how many of its keys count; None: it has not arrived."""
        while True:
            head = self._segments[0]
            if head.pages:
                self._stored -= 1
                return head.pages.popleft()
            if not head.done or len(self._segments) == 1 or not self._joins():
                return None

    def _joins(self) -> bool:
        """Goes on to the next segment if it begins where the first one ends."""
        head, following = self._segments[:2]
        if not following.fetched:
            return False
        if head.past == following.first:
            del self._segments[0]
            return True
        if following.restarted:
            self._fall_back()
            return False
        _reopen(head)
        following.dropped = True
        self._stored -= len(following.pages)
        self._segments[1] = _Segment(
            following.start, following.end, cursor=following.start, kept=following.start, restarted=True
        )
        return False


def _with_longest_rest(segments: Sequence[_Segment[T]]) -> _Segment[T] | None:
    """The segment to halve; None where no rest is long."""
    cuttable = (segment for segment in segments if not segment.done and segment.end and segment.error is None)
    longest = max(cuttable, key=lambda segment: segment.left or 0, default=None)
    return longest if longest is not None and (longest.left or 0) >= LEAST_REST else None


def _reopen(segment: _Segment[T]) -> None:
    """The rest, behind the keys that it has kept, is asked for once more."""
    if segment.done:
        segment.done, segment.past, segment.cursor = False, None, segment.kept


def _is_behind(key: str, other: str) -> bool:
    return order(key) > order(other)


def _count_up_to(keys: Sequence[str], end: str | None) -> int:
    """How many of the first keys are not behind `end`."""
    if end is None or not keys or not _is_behind(keys[-1], end):
        return len(keys)
    return next(at for at, key in enumerate(keys) if _is_behind(key, end))
