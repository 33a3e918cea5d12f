"""`--trace`: requests and waits as events of the Trace Event Format, which Perfetto and chrome://tracing open. Pure.

The file is the array form of the format: `[`, then one event a line, each with a comma behind it. The closing bracket
may be missing, so that the file is whole at any moment. Times are seconds of one monotonic clock; in the file they are
microseconds. Nothing in an event comes from a query or a header but the number of a part and the request id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

HEAD: Final = "[\n"
WAITS_ROW: Final = 1000
"""Rows of requests are numbered from 1, those of waits from here."""
_PART = re.compile(r"[?&]partNumber=(\d{1,5})(?:&|$)")


@dataclass(frozen=True, slots=True)
class Timings:
    """Moments of one request, in seconds since it began; 0.0: it was not reached or is not known."""

    lookup: float = 0.0
    """The server's name is resolved."""
    connect: float = 0.0
    """The connection is open."""
    tls: float = 0.0
    """TLS is agreed upon."""
    ready: float = 0.0
    """The request can be sent."""
    sent: float = 0.0
    """The last byte of the body was given to the connection; 0.0 also where there is no body."""
    answered: float = 0.0
    """The first byte of the response."""
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """One request that has ended."""

    began: float
    """Seconds of the monotonic clock."""
    timings: Timings
    method: str
    url: str
    outcome: str
    """The status, or what curl says."""
    request_id: str = ""
    bytes_up: int = 0
    bytes_down: int = 0
    range: str = ""


def phases(timings: Timings) -> Iterator[tuple[str, float, float]]:
    """(name, begin, end) of each phase of a request, in seconds since it began; those without a duration are left out.

    The phases of a kept connection are only those of the request itself.
    """
    t = timings
    answered = t.answered if 0 < t.answered <= t.total else 0.0
    begun = max(t.lookup, t.connect, t.tls, t.ready)
    marks = [("name lookup", t.lookup), ("connect", t.connect), ("TLS", t.tls), ("", begun)]
    if t.sent:
        marks += [("body", t.sent), ("first byte", answered or t.total), ("response", t.total)]
    else:
        marks += [("first byte", answered or t.total), ("body", t.total)]
    at = 0.0
    for name, moment in marks:
        end = min(moment, t.total)
        if end > at:
            if name:
                yield name, at, end
            at = end


class Rows:
    """Row numbers for spans, so that no two in one row overlap; spans come in the order of their ends."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._free: list[float] = []
        """Row -> moment from which on it is free."""

    def place(self, began: float, ended: float) -> tuple[int, bool]:
        """The row of a span, and whether it is a new one."""
        best = -1
        for row, free in enumerate(self._free):
            if free <= began and (best < 0 or free > self._free[best]):
                best = row
        if best < 0:
            self._free.append(ended)
            return self._first + len(self._free) - 1, True
        self._free[best] = ended
        return self._first + best, False


class Encoder:
    """Makes the lines of one trace. pid: of this process, which becomes the trace's."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._requests = Rows(1)
        self._waits = Rows(WAITS_ROW)

    def start(self, name: str, now: float, wall: float) -> str:
        """The first lines. wall: seconds since 1970 at `now`."""
        args = {"wall_clock": wall, "at": round(now * 1e6)}
        return HEAD + self._meta("process_name", 0, {"name": name}) + self._meta("s3am_clock", 0, args)

    def end(self, now: float) -> str:
        """The last lines: the only event without a comma behind it, and the bracket."""
        return self.instant("end", now, {}).removesuffix(",\n") + "\n]\n"

    def request(self, span: RequestSpan) -> str:
        """A request with its phases."""
        timings = span.timings
        row, new = self._requests.place(span.began, span.began + timings.total)
        where, part = place_of(span.url), _PART.search(span.url)
        name = f"{span.method} part {part[1]}" if part is not None else span.method
        args: dict[str, object] = {"url": where, "outcome": span.outcome}
        if part is not None:
            args["part"] = int(part[1])
        for key in ("request_id", "range", "bytes_up", "bytes_down"):
            if value := getattr(span, key):
                args[key] = value
        lines = [self._name(row, f"request {row}")] if new else []
        lines.append(self._span(name, "request", row, span.began, span.began + timings.total, args))
        for phase, begin, end in phases(timings):
            lines.append(self._span(phase, "phase", row, span.began + begin, span.began + end, None))
        return "".join(lines)

    def wait(self, name: str, began: float, ended: float, args: Mapping[str, object]) -> str:
        """A part that waited: for a slot, the request budget, the end of a back-off."""
        row, new = self._waits.place(began, ended)
        line = self._span(name, "wait", row, began, ended, args)
        return self._name(row, f"wait {row - WAITS_ROW + 1}") + line if new else line

    def instant(self, name: str, now: float, args: Mapping[str, object]) -> str:
        """Something that took no time, such as a part that is asked for again."""
        return self._line({"name": name, "ph": "i", "s": "p", "ts": round(now * 1e6), "tid": 0, "args": args})

    def counters(self, now: float, values: Mapping[str, float]) -> str:
        """One point of each counter."""
        return "".join(
            self._line({"name": name, "ph": "C", "ts": round(now * 1e6), "args": {name: round(value, 3)}})
            for name, value in values.items()
        )

    def _name(self, row: int, name: str) -> str:
        order = self._meta("thread_sort_index", row, {"sort_index": row})
        return self._meta("thread_name", row, {"name": name}) + order

    def _meta(self, name: str, row: int, args: Mapping[str, object]) -> str:
        return self._line({"name": name, "ph": "M", "tid": row, "args": args})

    def _span(
        self, name: str, kind: str, row: int, began: float, ended: float, args: Mapping[str, object] | None
    ) -> str:
        text = (
            f'{{"name":"{name}","cat":"{kind}","ph":"X","pid":{self._pid},"tid":{row},'
            f'"ts":{began * 1e6:.0f},"dur":{max(0.0, ended - began) * 1e6:.0f}'
        )
        return f'{text},"args":{json.dumps(args)}}},\n' if args else f"{text}}},\n"

    def _line(self, fields: dict[str, object]) -> str:
        return json.dumps({**fields, "pid": self._pid}) + ",\n"


def place_of(url: str) -> str:
    """'scheme://host/path' of a URL: no user, password, query or fragment, any of which may be a secret."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def parse_trace(text: str) -> list[dict[str, object]]:
    """The events of a trace, also of one whose writer was killed: a last line that is not whole is left out.

    Raises ValueError for a text that is no trace.
    """
    if not text.startswith("["):
        raise ValueError("this is no trace: it does not begin with [")
    events: list[dict[str, object]] = []
    lines = text[1:].splitlines()
    for number, line in enumerate(lines):
        bare = line.strip().removesuffix(",")
        if bare in ("", "]"):
            continue
        try:
            event = json.loads(bare)
        except ValueError:
            if number == len(lines) - 1 and not text.endswith("\n"):
                break
            raise
        if isinstance(event, dict):
            events.append(event)
    return events
