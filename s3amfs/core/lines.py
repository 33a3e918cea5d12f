"""Knowledge of a line before anything moves over it: where to start, where to stop, what is remembered. Pure.

A line is an endpoint in one direction. The findings are kept as JSON text from one run to the next, under the
name of its direction and the endpoint's scheme, host and port, so nothing secret is in it. An entry that is older
than a week, or makes no sense, counts for nothing: it only decides how a transfer starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from .define import define
from .sizes import KIB, MIB

FEWEST_SLOTS: Final = 8
"""To start with; also the fewest that a probe goes down to is half of it: a stalled request must not stop
everything."""
MOST_AT_START: Final = 224
SLOTS_PER_MILLISECOND: Final = 0.8
"""One connection moves a window per round trip: the longer the line, the more of them it takes."""
BASE_MEMORY: Final = 64 * MIB
SLOT_MEMORY: Final = 512 * KIB
"""Buffers of a slot, on top of `BASE_MEMORY` for the process."""
SLOTS_PER_CORE: Final = 512

KEPT_SECONDS = 7 * 86400.0
MOST_LINES = 200


@define(frozen=True, slots=True)
class LineState:
    """Knowledge of a line: enough to start at its best, and to cut parts that suit it."""

    slots: int
    rate: float = 0.0
    """Bytes per second of all slots; 0.0: unknown."""
    latency: float = 0.0
    """Seconds until the first byte of a small reply; 0.0: unknown."""
    requests: float = 0.0
    """Per second that the server accepts; 0.0: it has turned none away."""
    tried: int = 0
    """More slots that were to be measured next, since goodput still grew; 0: the search was over."""


def start_slots(latency: float | None, ceiling: int) -> int:
    """Slots to start with on a line nothing is remembered of.

    latency: seconds until the first byte of a small reply; None: unknown. ceiling: the most.
    """
    wanted = FEWEST_SLOTS if latency is None else round(latency * 1000 * SLOTS_PER_MILLISECOND)
    return max(1, min(ceiling, MOST_AT_START, max(FEWEST_SLOTS, wanted)))


def ceiling_slots(*, memory: int, descriptors: int, cores: int) -> int:
    """The most slots that a process may use.

    memory: bytes it may take in all; descriptors: those it may open (a relay's slot needs two); cores: it may use.
    """
    by_memory = (memory - BASE_MEMORY) // SLOT_MEMORY
    by_descriptors = (descriptors - 64) // 2
    return max(1, min(by_memory, by_descriptors, cores * SLOTS_PER_CORE))


@define(frozen=True, slots=True)
class Remembered:
    """The state of a line, and its time."""

    state: LineState
    at: float
    """Seconds since the epoch."""


def parse(text: str, now: float) -> dict[str, Remembered]:
    """Lines by name from what `format_lines` wrote; {} if the text is something else. now: seconds since the epoch."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    lines = {}
    for name, entry in found.items():
        try:
            requests = float(entry.get("requests", 0.0))
            rate, latency, tried = float(entry["rate"]), float(entry["latency"]), int(entry.get("tried", 0))
            state = LineState(int(entry["slots"]), rate, latency, requests, tried)
            at = float(entry["at"])
        except (TypeError, AttributeError, KeyError, ValueError, OverflowError):
            continue
        if 0 <= now - at < KEPT_SECONDS and _makes_sense(state):
            lines[name] = Remembered(state, at)
    return lines


def _makes_sense(state: LineState) -> bool:
    slots = 1 <= state.slots <= 1 << 20 and 0 <= state.tried <= 1 << 20
    return slots and state.rate >= 0 and 0 <= state.latency < 60 and state.requests >= 0


def format_lines(lines: Mapping[str, Remembered]) -> str:
    """JSON text of the lines that were seen last."""
    newest = sorted(lines.items(), key=lambda item: item[1].at, reverse=True)[:MOST_LINES]
    entries = {
        name: {
            "slots": line.state.slots,
            "rate": round(line.state.rate),
            "latency": round(line.state.latency, 4),
            "requests": round(line.state.requests, 2),
            "tried": line.state.tried,
            "at": int(line.at),
        }
        for name, line in newest
    }
    return json.dumps(entries, indent=1)
