"""How many requests move at a time: the controller that looks for the most goodput. Pure; time is passed in.

A *line* is one endpoint in one direction; all transfers of the process that use it share one `Controller`. A *slot*
is one request with a body in flight. The controller compares the goodput of all slots together at two numbers of slots:

- It starts with as many slots as the line's latency suggests, or with what it remembers of the line, and doubles them
  while goodput grows with them. Then it goes back to the number that the better rate of one slot needs.
- From then on it tries a quarter more every second or so and, less often, a fifth less, as long as it runs. A number
  that makes no difference is given up for the smaller one. Goodput that rises by itself means that the line has
  more to give: it doubles again.
- Bytes that move until the new number has settled, and while there is too little to do for all slots, are not counted.
- As soon as no more parts wait than there are slots, all of them begin (`last_round.py`); nothing is tried meanwhile.
- Throttling (503, 429, FTP 421) limits how many requests may *begin* per second, to what the server accepted; only
  where a large share of the requests is turned away or cut does the number of slots shrink, too.

`pacing_phases.py` has the whole of it as a table, docs/architecture.md as a picture. `engine/line.py` feeds it.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import Final

from .define import define
from .goodput import Look, Measured, Meter, settle_seconds, window_seconds
from .last_round import LastRound
from .lines import FEWEST_SLOTS, LineState, start_slots
from .overload import Overload
from .pacing_phases import TRANSITIONS, Phase, Verdict
from .probes import Probes
from .slot_search import GROWS, Search, growth

STEP_UP: Final = 1.25
GAINS: Final = 1.03
"""A quarter more slots have to bring 3 % more to stay."""
LOSES: Final = 0.97
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
    _last_round: LastRound | None = field(default=None, init=False)
    _previous: tuple[int, float] | None = field(default=None, init=False)
    """(slots, rate) before the change that is being measured."""
    _saturated: bool = field(default=False, init=False)
    """The last window was limited by this machine."""
    _search: Search = field(default_factory=Search, init=False)
    _probes: Probes = field(default_factory=Probes, init=False)

    def __post_init__(self) -> None:
        self._meter = Meter(self.lumpy)
        self._overload = Overload(self.known.requests if self.known is not None else 0.0)
        if self.fixed is not None:
            self.slots, self.phase = self.fixed, Phase.HOLDING
        elif self.known is not None:
            self.latency, self._probes.reference = self.known.latency or None, self.known.rate
            self.slots, self._previous = self._search.take_up(self.known, self.ceiling)
            self.phase = Phase.HOLDING if self._previous is None else Phase.STARTING
        else:
            self.slots = start_slots(None, self.ceiling)

    # -- what happened ----------------------------------------------------------------------------------------------

    def found_latency(self, seconds: float) -> None:
        """A small request was answered after `seconds`: the least of them is the line's latency."""
        if seconds <= 0:
            return
        self.latency = seconds if self.latency is None else min(self.latency, seconds)
        if self.phase is Phase.STARTING and not self._meter.running and self.fixed is None and self.known is None:
            self.slots = start_slots(self.latency, self.ceiling)

    def sample(self, now: float, look: Look) -> None:
        """Takes a look at the line, several times a second. now: monotonic seconds."""
        if not self._meter.running:
            self._meter.start(now, look)
            self._change(self.slots, now)
            self._probes.begin(now)
            return
        if self.phase is Phase.BACKING_OFF and self._overload.is_calm(now):
            self._calm(now)
        if self.fixed is not None:
            return
        self._look_at_the_end(now, look)
        seconds = window_seconds(self.latency, compares=self.phase is not Phase.STARTING or self._previous is not None)
        found = self._meter.look(now, look, slots=self.slots, seconds=seconds)
        if found is not None:
            self._judge(found, look.held_up, now)

    def turned_away(self, now: float, in_use: int) -> None:
        """The server asked for less (503 SlowDown, 429, FTP 421)."""
        self._cut(self._overload.turned_away(now, max(1, min(in_use, self.slots))), now)

    def cut_off(self, now: float, in_use: int) -> None:
        """A connection was refused, reset or timed out: a few are bad luck, many are too many at a time."""
        self._cut(self._overload.cut_off(now, max(1, min(in_use, self.slots))), now)

    def pause(self) -> None:
        """Nothing moves over the line; the next sample begins a new look at it, with the slots it had."""
        self._meter.pause()
        if self._last_round is not None:
            self.slots = self._end_last_round(self._last_round)

    def reserve(self, now: float, *, unthrottled: bool = False) -> float | None:
        """Seconds until a request may begin, which is then counted; None: ask in `HORIZON` s, or not `unthrottled`."""
        return None if unthrottled and self._overload.accepted else self._overload.reserve(now)

    def state(self) -> LineState | None:
        """The findings to remember; None before there is anything."""
        if self.fixed is not None or self.rate <= 0:
            return None
        slots, tried = self._search.found(self.slots, limited=self._overload.accepted > 0)
        return LineState(slots, self.rate, self.latency or 0.0, self._overload.accepted, tried)

    def outlook(self) -> LineState:
        """Expectations of the line at this moment; zeros for what is unknown."""
        known, latency = self.known or LineState(0), self.latency or 0.0
        return self.state() or replace(known, slots=self.slots, latency=latency, requests=self._overload.accepted)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _look_at_the_end(self, now: float, look: Look) -> None:
        """Enters or leaves the last round."""
        in_use, waiting, last, most = look.in_use, look.waiting, self._last_round, self._most(now)
        if last is not None:
            if waiting is None or in_use + waiting > last.parts * STEP_UP:
                self._hold(self._end_last_round(last), now)
            elif (slots := last.slots(in_use, waiting, most)) > self.slots:
                self._change(slots, now)
            return
        is_measured = self.rate > 0 or self.known is not None  # else the start has a ceiling of its own
        if waiting is None or not is_measured or self._saturated or self.phase is Phase.BACKING_OFF:
            return
        before, starts = self._previous or (self.slots, self.rate), self.phase is Phase.STARTING
        last = LastRound(*before, self.slots if starts else before[0], in_use + waiting, is_sure=not starts)
        if slots := last.slots(in_use, waiting, most):
            self._last_round = last
            self._enter(Verdict.LAST)
            self._previous = None
            self._change(slots, now)

    def _end_last_round(self, ended: LastRound) -> int:
        """Returns the slots to go back to."""
        self._enter(Verdict.MANY)
        self._last_round = None
        return ended.held

    def _change(self, slots: int, now: float) -> None:
        """Sets the number of slots; bytes that move until it has settled are not counted."""
        self.slots = max(1, min(self.ceiling, slots))
        self._meter.discard_until(now + settle_seconds(self.latency))

    def _enter(self, verdict: Verdict) -> None:
        """Raises KeyError for a transition that the table does not have: our bug."""
        self.phase = TRANSITIONS[self.phase, verdict]

    def _judge(self, found: Measured, held_up: int, now: float) -> None:
        rate, in_use, self._saturated = found.rate, found.in_use, found.saturated
        self._search.moved(found, self.rate)
        if self.phase is Phase.BACKING_OFF:
            return
        if in_use < BUSY * self.slots - 0.5:
            self._starved(found, held_up, now)
        elif self._last_round is not None:
            self.rate = max(self.rate, rate)
            self._search.worth, self._search.tried = self._last_round.judge(self.slots, rate, self._most(now))
        elif self.phase is Phase.STARTING:
            self._judge_start(rate, now)
        elif self.phase is Phase.PROBING_UP:
            self._judge_up(rate, now)
        elif self.phase is Phase.PROBING_DOWN:
            if in_use <= self.slots + 0.5:  # else parts of before are still in flight
                self._judge_down(rate, now)
        else:
            self._judge_hold(rate, now)

    def _starved(self, found: Measured, held_up: int, now: float) -> None:
        self._search.starved(round(found.in_use), found.rate, self.rate)
        self.rate = max(self.rate, found.rate)  # it can do at least that
        nothing_compared = self.phase is Phase.STARTING and self._previous is None  # the start is not over
        if nothing_compared or held_up or self.phase in (Phase.HOLDING, Phase.FINISHING):
            return
        slots = self._previous[0] if self._previous is not None and self.phase is not Phase.STARTING else self.slots
        self._enter(Verdict.STARVED)
        self._hold(slots, now, keep_down=True)

    def _judge_start(self, rate: float, now: float) -> None:
        self._search.saw(self.slots, rate)
        before = self._previous
        times = growth(before, self.slots, rate)
        if times > 1 and self._room(now):
            self._enter(Verdict.MORE)
            self.rate, self._previous = rate, (self.slots, rate)
            slots = min(self.slots * times, self._most(now))
            self._search.worth, self._search.tried = self.slots, slots if before is not None else 0
            self._change(slots, now)
            return
        best = max(rate, before[1] if before is not None else rate)
        self._enter(Verdict.SAME if rate >= best else Verdict.LESS)
        self.rate = self._probes.reference = best
        self._hold(self._search.ends(before, self.slots, best), now)

    def _judge_up(self, rate: float, now: float) -> None:
        assert self._previous is not None
        slots, before = self._previous
        if rate >= before * GAINS:
            self._enter(Verdict.MORE)
            self._probes.up_paid()
            self._search.begin_again()
            self._judge_start(rate, now)
            return
        self._enter(Verdict.SAME if rate >= before * LOSES else Verdict.LESS)
        self._probes.up_was_in_vain()
        self._hold(slots, now, keep_down=True)

    def _judge_down(self, rate: float, now: float) -> None:
        assert self._previous is not None
        slots, before = self._previous
        if rate >= max(before, self._probes.reference) * LOSES:
            self._enter(Verdict.MORE if rate > before else Verdict.SAME)
            self._probes.down_paid()
            self._hold(self.slots, now)
            self._probes.down_again_soon(now)
        else:
            self._enter(Verdict.LESS)
            self._probes.down_cost(before)
            self._hold(slots, now)

    def _judge_hold(self, rate: float, now: float) -> None:
        probes, known = self._probes, self._probes.reference
        self.rate, self._search.worth = probes.held(rate), self.slots
        if known > 0 and rate > known * GAINS and self._room(now):
            self._enter(Verdict.ROSE)
            self._previous = self.slots, known
            self._search.begin_again()
            self._judge_start(max(rate, known * GROWS), now)
        elif probes.down_due(now) and self.slots > FEWEST_SLOTS // 2:
            self._enter(Verdict.DOWN_DUE)
            self._previous = (self.slots, self.rate)
            self._change(max(FEWEST_SLOTS // 2, int(self.slots * probes.step_down)), now)
        elif probes.up_due(now) and self._room(now):
            self._enter(Verdict.UP_DUE)
            self._previous = (self.slots, self.rate)
            self._change(min(self._most(now), max(self.slots + 1, round(self.slots * STEP_UP))), now)

    def _hold(self, slots: int, now: float, *, keep_down: bool = False) -> None:
        """Holds `slots`. keep_down: the time of the next probe down stays."""
        if slots != self.slots:
            self._change(slots, now)
        self._previous = None
        cost = settle_seconds(self.latency) + window_seconds(self.latency)
        self._probes.hold(now, None if keep_down else cost)

    def _most(self, now: float) -> int:
        return self._overload.most(now, self.ceiling)

    def _room(self, now: float) -> bool:
        return self.slots < self._most(now) and not self._saturated

    def _cut(self, slots: int | None, now: float) -> None:
        """slots: the number to go down to; None: no need."""
        if slots is not None:
            self._enter(Verdict.THROTTLED)
            self._previous = self._last_round = None
            self._change(slots, now)
            self._search.worth, self._search.tried = self.slots, 0

    def _calm(self, now: float) -> None:
        self._enter(Verdict.CALM)
        self._probes.reference = 0.0
        if self.fixed is not None:
            self._change(self.fixed, now)
        self._hold(self.slots, now)
