"""The controller of slots as a table: its phases, what it finds, and what that makes of a phase. Pure."""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.Enum):
    """The controller's work at the moment."""

    STARTING = "starting"
    """Doubles the slots while goodput grows."""
    HOLDING = "holding"
    PROBING_UP = "probing up"
    PROBING_DOWN = "probing down"
    BACKING_OFF = "backing off"
    """The server turned many requests away."""
    FINISHING = "finishing"
    """All parts that are left move at a time."""


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
    LAST = "no more parts wait than there are slots"
    MANY = "more parts wait again, or another transfer has begun"


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
    (_P.STARTING, _V.LAST): _P.FINISHING,
    (_P.HOLDING, _V.LAST): _P.FINISHING,
    (_P.PROBING_UP, _V.LAST): _P.FINISHING,
    (_P.PROBING_DOWN, _V.LAST): _P.FINISHING,
    (_P.FINISHING, _V.MANY): _P.HOLDING,
}
