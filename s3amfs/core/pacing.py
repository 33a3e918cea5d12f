"""How many requests move at a time: the controller that looks for the most goodput. Pure; time is passed in.

A *line* is one endpoint in one direction; all transfers of the process that use it share one `Controller`. A *slot*
is one request with a body in flight. The controller compares the goodput of all slots together at two numbers of slots:

- It starts with as many slots as the line's latency suggests, or with what it remembers of the line, and doubles them
  while goodput grows with them. Then it goes back to the number that the better rate of one slot needs.
- From then on it tries a quarter more every second or so and, less often, a fifth less, as long as it runs. A number
  that makes no difference is given up for the smaller one. Goodput that rises by itself means that the line has
  more to give: it doubles again.
- Bytes that move until the new number has settled, and while there is too little to do for all slots, are not counted.
- Throttling (503, 429, FTP 421) limits how many requests may *begin* per second, to what the server accepted; only
  where a large share of the requests is turned away or cut does the number of slots shrink, too.

`TRANSITIONS` is the whole of it as a table; docs/architecture.md shows it as a picture. `engine/line.py` feeds it.
"""

from __future__ import annotations

import enum
from dataclasses import field, replace
from typing import Final

from .define import define
from .goodput import Measured, Meter
from .lines import FEWEST_SLOTS, LineState, start_slots
from .overload import Overload


class Phase(enum.Enum):
    """The controller's work at the moment."""

    STARTING = "starting"
    """Doubles the slots while goodput grows."""
    HOLDING = "holding"
    PROBING_UP = "probing up"
    PROBING_DOWN = "probing down"
    BACKING_OFF = "backing off"
    """The server turned many requests away."""


class Verdict(enum.Enum):
    """The finding of a window of measurement, the clock or the server."""

    MORE = "more goodput"
    SAME = "the same goodput"
    LESS = "less goodput"
    UP_DUE = "time to probe up"
    DOWN_DUE = "time to probe down"
    ROSE = "goodput rose by itself"
    STARVED = "too little to do"
    THROTTLED = "many requests turned away"
    CALM = "none turned away for a while"


_P, _V = Phase, Verdict
TRANSITIONS: Final[dict[tuple[Phase, Verdict], Phase]] = {
    (_P.STARTING, _V.MORE): _P.STARTING,
    (_P.STARTING, _V.SAME): _P.HOLDING,
    (_P.STARTING, _V.LESS): _P.HOLDING,
    (_P.STARTING, _V.STARVED): _P.HOLDING,
    (_P.HOLDING, _V.UP_DUE): _P.PROBING_UP,
    (_P.HOLDING, _V.DOWN_DUE): _P.PROBING_DOWN,
    (_P.HOLDING, _V.ROSE): _P.STARTING,
    (_P.PROBING_UP, _V.MORE): _P.STARTING,
    (_P.PROBING_UP, _V.SAME): _P.HOLDING,
    (_P.PROBING_UP, _V.LESS): _P.HOLDING,
    (_P.PROBING_UP, _V.STARVED): _P.HOLDING,
    (_P.PROBING_DOWN, _V.MORE): _P.HOLDING,
    (_P.PROBING_DOWN, _V.SAME): _P.HOLDING,
    (_P.PROBING_DOWN, _V.LESS): _P.HOLDING,
    (_P.PROBING_DOWN, _V.STARVED): _P.HOLDING,
    **{(phase, _V.THROTTLED): _P.BACKING_OFF for phase in Phase},
    (_P.BACKING_OFF, _V.CALM): _P.HOLDING,
}

STEP_UP, STEP_DOWN, LEAP_DOWN = 1.25, 0.85, 0.7
GROWS: Final = 1.2
"""Twice the slots that bring less than a fifth more: the line, not the number of slots, is the limit."""
LEAPS: Final = 0.85
"""Goodput that grows by that much of what the slots have grown: four times the slots are next, not twice."""
GAINS: Final = 1.03
"""A quarter more slots have to bring 3 % more to stay."""
LOSES: Final = 0.97
MARGIN: Final = 1.1
"""Times what the line seems to need: so a line that gets better shows at once, and a slot between requests costs
nothing."""
UP_SECONDS, UP_SECONDS_MOST = 1.0, 3.0
DOWN_SECONDS, DOWN_SECONDS_MOST = 2.0, 64.0
DOWN_COST: Final = 6
"""Times a probe's own time that lies between two probes down at least: most of them cost a tenth of the goodput."""
FADES: Final = 0.998
"""Times the best rate that was seen, in each window that does not reach it: lines change."""
FELL: Final = 0.75
"""Three windows below that share of the best rate: the line is another one now."""
BUSY: Final = 0.9
"""Share of the slots that has to be in use for a window to count."""


@define(slots=True)
class Controller:
    """The slots of one line.

    ceiling: the most slots. fixed: a number the user asked for, kept but for throttling; None adapts. known: what is
    remembered of the line. lumpy: bytes count only when a whole part is done, as in copies by the server.
    """

    ceiling: int
    fixed: int | None = None
    known: LineState | None = None
    lumpy: bool = False
    phase: Phase = field(default=Phase.STARTING, init=False)
    slots: int = field(init=False)
    latency: float | None = field(default=None, init=False)
    rate: float = field(default=0.0, init=False)
    """Bytes per second at the number of slots that is held; 0.0 before the first window."""
    _meter: Meter = field(init=False)
    _overload: Overload = field(init=False)
    _previous: tuple[int, float] | None = field(default=None, init=False)
    """(slots, rate) before the change that is being measured."""
    _per_slot: float = field(default=0.0, init=False)
    _margin_due: bool = field(default=True, init=False)
    """The slots that are held have no margin yet."""
    _saturated: bool = field(default=False, init=False)
    """The last window was limited by this machine."""
    _reference: float = field(default=0.0, init=False)
    """The best rate of the last while at the number of slots that is held."""
    _recent: tuple[float, ...] = field(default=(), init=False)
    """Rates of the last three windows at this number of slots."""
    _up_at: float = field(default=0.0, init=False)
    _down_at: float = field(default=0.0, init=False)
    _up_seconds: float = field(default=UP_SECONDS, init=False)
    _down_seconds: float = field(default=DOWN_SECONDS, init=False)
    _step_down: float = field(default=STEP_DOWN, init=False)

    def __post_init__(self) -> None:
        self._meter = Meter(self.lumpy)
        self._overload = Overload(self.known.requests if self.known is not None else 0.0)
        if self.fixed is not None:
            self.slots, self.phase = self.fixed, Phase.HOLDING
        elif self.known is not None:
            self.slots, self.phase = max(1, min(self.ceiling, self.known.slots)), Phase.HOLDING
            self.latency = self.known.latency or None
        else:
            self.slots = start_slots(None, self.ceiling)

    # -- what happened ----------------------------------------------------------------------------------------------

    def found_latency(self, seconds: float) -> None:
        """A small request was answered after `seconds`: the least of them is the line's latency."""
        if seconds <= 0:
            return
        self.latency = seconds if self.latency is None else min(self.latency, seconds)
        if self.phase is Phase.STARTING and not self._meter.running and self.fixed is None:
            self.slots = start_slots(self.latency, self.ceiling)

    def sample(self, now: float, moved: int, ended: int, in_use: int, worked: float = 0.0) -> None:
        """Takes a look at the line, several times a second.

        now: monotonic seconds. moved: bytes of good parts so far, in all. ended: requests that ended so far.
        in_use: slots in use now. worked: seconds since the last look for which the thread that moves the bytes ran, or
        wanted to: where that is nearly all the time, this machine is the limit and no more slots help.
        """
        meter = self._meter
        if not meter.running:
            meter.start(now, moved, ended)
            self._change(self.slots, now)
            self._up_at, self._down_at = now + self._up_seconds, now + self._down_seconds
            return
        if self.phase is Phase.BACKING_OFF and self._overload.is_calm(now):
            self._calm(now)
        if self.fixed is not None:
            return
        seconds = self._window_seconds
        found = meter.look(now, moved, ended, in_use, worked, slots=self.slots, seconds=seconds)
        if found is not None:
            self._judge(found, now)

    def turned_away(self, now: float, in_use: int) -> None:
        """The server asked for less (503 SlowDown, 429, FTP 421)."""
        self._cut(self._overload.turned_away(now, self._used(in_use)), now)

    def cut_off(self, now: float, in_use: int) -> None:
        """A connection was refused, reset or timed out: a few are bad luck, many are too many at a time."""
        self._cut(self._overload.cut_off(now, self._used(in_use)), now)

    def pause(self) -> None:
        """Nothing moves over the line; the next sample begins a new look at it, with the slots it had."""
        self._meter.pause()

    # -- what to do -------------------------------------------------------------------------------------------------

    def reserve(self, now: float, *, unthrottled: bool = False) -> float | None:
        """Seconds until a request may begin, which is then counted; None: ask in `HORIZON` s, or not `unthrottled`."""
        return None if unthrottled and self._overload.accepted else self._overload.reserve(now)

    def state(self) -> LineState | None:
        """The findings to remember; None before there is anything."""
        if self.fixed is not None or self.rate <= 0:
            return None
        slots = self._previous[0] if self._previous is not None else self.slots  # what was measured
        return LineState(slots, self.rate, self.latency or 0.0, self._overload.accepted)

    def outlook(self) -> LineState:
        """Expectations of the line at this moment; zeros for what is unknown."""
        known, latency = self.known or LineState(0), self.latency or 0.0
        return self.state() or replace(known, slots=self.slots, latency=latency, requests=self._overload.accepted)

    # -- inside -----------------------------------------------------------------------------------------------------

    @property
    def _settle_seconds(self) -> float:
        """A new connection needs a round trip or two, its request another one."""
        return min(1.2, max(0.1, 2.5 * (self.latency or 0.0)))

    @property
    def _window_seconds(self) -> float:
        return min(1.2, max(0.2, 2.5 * (self.latency or 0.0)))

    def _change(self, slots: int, now: float) -> None:
        """Sets the number of slots; bytes that move until it has settled are not counted."""
        self.slots = max(1, min(self.ceiling, slots))
        self._meter.discard_until(now + self._settle_seconds)

    def _enter(self, verdict: Verdict) -> None:
        """Raises KeyError for a transition that the table does not have: our bug."""
        self.phase = TRANSITIONS[self.phase, verdict]

    def _judge(self, found: Measured, now: float) -> None:
        rate, in_use, self._saturated = found.rate, found.in_use, found.saturated
        if self.phase is Phase.BACKING_OFF:
            return
        if in_use < BUSY * self.slots - 0.5:
            self._starved(rate, now)
        elif self.phase is Phase.STARTING:
            self._judge_start(rate, now)
        elif self.phase is Phase.PROBING_UP:
            self._judge_up(rate, now)
        elif self.phase is Phase.PROBING_DOWN:
            if in_use <= self.slots + 0.5:  # else parts of before are still in flight
                self._judge_down(rate, now)
        else:
            self._judge_hold(rate, now)

    def _starved(self, rate: float, now: float) -> None:
        self.rate = max(self.rate, rate)  # it can do at least that
        if self.phase is Phase.STARTING and self._previous is None:
            return  # nothing has been compared: the start is not over
        if self.phase is Phase.HOLDING:
            return
        slots = self._previous[0] if self._previous is not None and self.phase is not Phase.STARTING else self.slots
        self._enter(Verdict.STARVED)
        self._hold(slots, now, keep_down=True)

    def _judge_start(self, rate: float, now: float) -> None:
        self._per_slot = max(self._per_slot, rate / self.slots)
        before = self._previous
        if (before is None or rate >= before[1] * GROWS) and self._room(now):
            self._enter(Verdict.MORE)
            # Where nothing moved before, nothing is known of how goodput grows with the slots.
            leaps = before is not None and before[1] > 0 and rate / before[1] >= LEAPS * self.slots / before[0]
            self.rate, self._previous = rate, (self.slots, rate)
            self._change(min(self.slots * (4 if leaps else 2), self._most(now)), now)
            return
        best = max(rate, before[1]) if before is not None else rate
        margin = MARGIN if self._margin_due else 1.0
        needed = round(best / self._per_slot * margin) if self._per_slot and before is not None else self.slots
        self._enter(Verdict.SAME if before is None or rate >= before[1] else Verdict.LESS)
        self.rate = self._reference = best
        self._margin_due = False
        self._hold(min(self.slots, needed), now)

    def _judge_up(self, rate: float, now: float) -> None:
        assert self._previous is not None
        slots, before = self._previous
        if rate >= before * GAINS:
            self._enter(Verdict.MORE)
            self._up_seconds, self._down_seconds = UP_SECONDS, DOWN_SECONDS
            self._per_slot = 0.0
            self._judge_start(rate, now)
            return
        self._enter(Verdict.SAME if rate >= before * LOSES else Verdict.LESS)
        self._up_seconds = min(UP_SECONDS_MOST, self._up_seconds * 1.5)
        self._hold(slots, now, keep_down=True)

    def _judge_down(self, rate: float, now: float) -> None:
        assert self._previous is not None
        slots, before = self._previous
        if rate >= max(before, self._reference) * LOSES:
            self._enter(Verdict.MORE if rate > before else Verdict.SAME)
            self._step_down, self._down_seconds = LEAP_DOWN, DOWN_SECONDS
            self._hold(self.slots, now)
            self._down_at = now + DOWN_SECONDS / 2
        else:
            self._enter(Verdict.LESS)
            self._reference, self._step_down = before, STEP_DOWN
            self._down_seconds = min(DOWN_SECONDS_MOST, max(DOWN_SECONDS, self._down_seconds) * 2)
            self._hold(slots, now)

    def _judge_hold(self, rate: float, now: float) -> None:
        known = self._reference
        self._recent = (*self._recent[-2:], rate)
        self.rate = max(self._recent)  # requests that begin together leave gaps together: those are not the line's rate
        self._reference = max(known * FADES, self.rate)
        if len(self._recent) == 3 and self.rate < known * FELL:
            self._reference, self._down_seconds = self.rate, DOWN_SECONDS
        if known > 0 and rate > known * GAINS and self._room(now):
            self._enter(Verdict.ROSE)
            self._previous, self._per_slot = (self.slots, known), 0.0
            self._judge_start(max(rate, known * GROWS), now)
        elif now >= self._down_at and self.slots > FEWEST_SLOTS // 2:
            self._enter(Verdict.DOWN_DUE)
            self._previous = (self.slots, self.rate)
            self._change(max(FEWEST_SLOTS // 2, int(self.slots * self._step_down)), now)
        elif now >= self._up_at and self._room(now):
            self._enter(Verdict.UP_DUE)
            self._previous = (self.slots, self.rate)
            self._change(min(self._most(now), max(self.slots + 1, round(self.slots * STEP_UP))), now)

    def _hold(self, slots: int, now: float, *, keep_down: bool = False) -> None:
        """Holds `slots`. keep_down: the time of the next probe down stays."""
        if slots != self.slots:
            self._change(slots, now)
        self._previous, self._recent = None, ()
        self._up_at = now + self._up_seconds
        if not keep_down:
            self._down_at = now + max(self._down_seconds, DOWN_COST * (self._settle_seconds + self._window_seconds))

    def _most(self, now: float) -> int:
        return self._overload.most(now, self.ceiling)

    def _room(self, now: float) -> bool:
        return self.slots < self._most(now) and not self._saturated

    def _used(self, in_use: int) -> int:
        return max(1, min(in_use, self.slots))

    def _cut(self, slots: int | None, now: float) -> None:
        """slots: the number to go down to; None: no need."""
        if slots is not None:
            self._enter(Verdict.THROTTLED)
            self._previous = None
            self._change(slots, now)

    def _calm(self, now: float) -> None:
        self._enter(Verdict.CALM)
        self._reference = 0.0
        if self.fixed is not None:
            self._change(self.fixed, now)
        self._hold(self.slots, now)
