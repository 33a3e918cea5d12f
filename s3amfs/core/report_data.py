"""`--report` and `s3am report`: what a page shows, gathered from the lines of `--json`, in bounded memory. Pure.

Any number of lines becomes one `Story`: the moved bytes over time, the causes that limited them, the slowest and the
failed parts, the entries of a tree by cause, the results. A line that makes no sense is counted and skipped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from .define import define

EXAMPLES: Final = 200
"""Entries of one cause that a page names; of all the others it has the number."""
LEAST: Final = 1e-9
"""Smaller numbers are 0: divided by them, bytes would be infinite."""
SLOWEST: Final = 20
FAILED: Final = 100
LIMIT_SECONDS: Final = 5.0
"""A `limited_by` line is of so many seconds before it."""
BINS: Final = 240
"""Most points of a timeline; when they are used up, two become one."""


@define(slots=True)
class Timeline:
    """Bytes by time since the first line, in bins of one width."""

    width: float = 0.25
    bins: list[float] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    """The cause that was named for each bin; '' where none was."""

    def add(self, at: float, count: float, limit: str = "") -> None:
        """at: seconds since the first line."""
        if not 0 <= at < 1e9:
            return
        while at >= BINS * self.width:
            self._halve()
        number = int(at / self.width)
        more = number + 1 - len(self.bins)
        self.bins += [0.0] * more
        self.limits += [""] * more
        self.bins[number] += count
        if limit:  # of the last seconds
            first = max(0, int((at - LIMIT_SECONDS) / self.width))
            self.limits[first : number + 1] = [limit] * (number + 1 - first)

    def _halve(self) -> None:
        self.width *= 2
        pairs = range(0, len(self.bins), 2)
        self.bins = [sum(self.bins[number : number + 2]) for number in pairs]
        self.limits = [next((limit for limit in self.limits[n : n + 2][::-1] if limit), "") for n in pairs]


@define(slots=True)
class Group:
    """Entries of a tree with one action and reason."""

    count: int = 0
    size: int = 0
    names: list[str] = field(default_factory=list)


@define(slots=True)
class Story:
    """The lines of one process. name: of the file they came from; '' where there is one only."""

    name: str = ""
    timeline: Timeline = field(default_factory=Timeline)
    started: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    slowest: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    """(seconds, order of arrival, line): a heap of the slowest parts."""
    retried: list[dict[str, Any]] = field(default_factory=list)
    retries: int = 0
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    """Cause -> seconds, of the `limited_by` lines."""
    nonsense: int = 0
    _first: float | None = None
    _moved: float = 0.0
    _lines: int = 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes one line in."""
        self._lines += 1
        try:
            self._take(dict(line))
        except (TypeError, ValueError, KeyError, OverflowError):
            self.nonsense += 1

    def _take(self, line: dict[str, Any]) -> None:
        at = self._since_first(line)
        event = str(line["event"])
        if event == "transfer_started":
            self._moved = _number(line.get("resumed_bytes"))
            self.started.append(line)
            del self.started[:-EXAMPLES]
        elif event == "bytes_moved":
            done = _number(line["done"])
            # Of one transfer they only grow; each round of a split job counts from its own start.
            self.timeline.add(at, done - self._moved if done >= self._moved else done)
            self._moved = done
        elif event == "part_finished":
            self._part(line)
        elif event == "part_retried":
            self.retries += 1
            line["delay"] = float(line.get("delay") or 0.0)
            self.retried.append(line)
            del self.retried[:-FAILED]
        elif event == "limited_by":
            cause, share = str(line["cause"]), float(line["share"])
            self.limits[cause] = self.limits.get(cause, 0.0) + share
            self.timeline.add(at, 0.0, cause)
        elif event in ("entry", "checked"):
            self._entry(line, at)
        elif event == "result":
            line["seconds"] = _number(line.get("seconds"))
            copied = int(_number(line.get("bytes_copied")))
            line["moved"] = copied + int(_number(line.get("bytes_sent", line.get("bytes"))))
            line["notes"] = [str(note) for note in line.get("notes") or ()]
            self.results.append(line)
            del self.results[:-EXAMPLES]
        elif event in ("error", "warning"):
            texts = self.errors if event == "error" else self.warnings
            texts.append(str(line["message"]))
            del texts[:-EXAMPLES]

    def _since_first(self, line: Mapping[str, Any]) -> float:
        """Seconds since the first line that has a time; -1.0 where this one has none."""
        if "time" not in line:
            return -1.0
        moment = float(line["time"])
        if self._first is None:
            self._first = moment
        return moment - self._first

    def _part(self, line: dict[str, Any]) -> None:
        seconds = line["seconds"] = _number(line.get("seconds"))
        line["length"] = int(_number(line["length"]))
        entry = (seconds, self._lines, line)
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heappushpop(self.slowest, entry)

    def _entry(self, line: dict[str, Any], at: float) -> None:
        action = str(line.get("action") or line.get("state"))
        size = int(line.get("size") or 0)
        group = self.groups.setdefault((action, str(line["reason"])), Group())
        group.count += 1
        group.size += size
        if len(group.names) < EXAMPLES:
            group.names.append(str(line["key"]))
        if action in ("upload", "download", "copy"):
            self.timeline.add(at, float(size))


def limits_of(stories: Iterable[Story]) -> list[tuple[str, float]]:
    """(cause, share of the time) over all stories, the largest first."""
    seconds: dict[str, float] = {}
    total = 0.0
    for story in stories:
        if not story.results:  # killed: the lines of a running transfer have to do
            total += sum(story.limits.values())
            for cause, share in story.limits.items():
                seconds[cause] = seconds.get(cause, 0.0) + share
        for result in story.results:
            took: float = result["seconds"]
            total += took
            named = result.get("limited_by")
            if isinstance(named, str) and named:
                seconds[named] = seconds.get(named, 0.0) + took * min(1.0, _number(result.get("limited_share")))
    found = [(cause, spent / total) for cause, spent in seconds.items()] if total else []
    return sorted(found, key=lambda pair: -pair[1])


def requests_of(stories: Iterable[Story]) -> dict[str, int]:
    """Price class -> requests, over all results."""
    counts: dict[str, int] = {}
    for story in stories:
        for result in story.results:
            made = result.get("requests_made")
            for name, count in made.items() if isinstance(made, Mapping) else ():
                counts[str(name)] = counts.get(str(name), 0) + int(_number(count))
    return counts


def _number(found: object) -> float:
    return float(found) if isinstance(found, int | float) and LEAST <= found < 1e18 else 0.0
