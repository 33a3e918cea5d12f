"""`--trace`: requests and waits as events of the Trace Event Format, which Perfetto and chrome://tracing open. Pure.

The file is the array form of the format: `[`, then one event a line, each with a comma behind it. The closing bracket
may be missing, so that the file is whole at any moment. Times are seconds of one monotonic clock; in the file they are
microseconds. Nothing in an event comes from a query or a header but the number of a part and the request id.
"""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right, insort
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NamedTuple

HEAD: Final = "[\n"
WAITS_ROW: Final = 1000
"""Rows of requests are numbered from 1, those of waits from here."""
SHORTEST_PHASE: Final = 20e-6
SMALLEST_SHARE: Final = 0.05
"""A phase that takes no more than so many seconds and so much of its request is not shown, except those of a new
connection, which say that there is one."""
_PART = re.compile(r"[?&]partNumber=(\d{1,5})(?:&|$)")


class Timings(NamedTuple):
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


class RequestSpan(NamedTuple):
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
    """That was asked for."""


def phases(timings: Timings, has_body: bool = True, least: float = 0.0) -> list[tuple[str, float, float]]:
    """(name, begin, end) of each phase of a request, in seconds since it began; those of `least` or less are left out.
    has_body: of the response.

    The phases of a kept connection are only those of the request itself; those of a new one are never left out.
    """
    lookup, connect, tls, ready, sent, answered, total = timings
    found: list[tuple[str, float, float]] = []
    at = 0.0
    if lookup or connect or tls:
        for name, moment in (("name lookup", lookup), ("connect", connect), ("TLS", tls)):
            end = moment if moment < total else total
            if end > at:
                found.append((name, at, end))
                at = end
    if ready > at:
        at = ready if ready < total else total
    if not 0 < answered <= total:
        answered = total
    if sent:
        end = sent if sent < total else total
        if end - at > least:
            found.append(("body", at, end))
        if end > at:
            at = end
    if answered - at > least:
        found.append(("first byte", at, answered))
    if answered > at:
        at = answered
    if total - at > least:
        found.append(("response" if sent or not has_body else "body", at, total))
    return found


class Rows:
    """Row numbers for spans, so that no two in one row overlap; spans come in the order of their ends."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._free: list[tuple[float, int]] = []
        """(moment from which on it is free, row), in order."""

    def place(self, began: float, ended: float) -> tuple[int, bool]:
        """The row of a span, and whether it is a new one."""
        free = self._free
        last = len(free) - 1
        if free and free[last][0] > began:
            last = bisect_right(free, (began, sys.maxsize)) - 1
        if last >= 0:  # the one that became free last leaves the others for spans that began earlier
            row, new = free.pop(last)[1], False
        else:
            row, new = self._next, True
            self._next += 1
        insort(free, (ended, row))
        return row, new


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
        """A request with its phases. Small objects make thousands a second: a microsecond here is 0.1 % of what one
        costs."""
        began, timings, method, url, outcome, request_id, bytes_up, bytes_down, wanted = span
        total = timings[6]
        row, new = self._requests.place(began, began + total)
        args = f'"url":{_quoted(place_of(url))},"outcome":{_quoted(outcome)}'
        if (part := part_of(url)) is not None:
            method, args = f"{method} part {part}", f'{args},"part":{part}'
        if request_id:
            args += f',"request_id":{_quoted(request_id)}'
        if wanted:
            args += f',"range":{_quoted(wanted)}'
        where = f'"pid":{self._pid},"tid":{row},"ts":'
        lines = self._name(row, f"request {row}") if new else ""
        lines += (
            f'{{"name":{_quoted(method)},"cat":"request","ph":"X",{where}{int(began * 1e6)},"dur":{int(total * 1e6)},'
            f'"args":{{{args},"bytes_up":{bytes_up},"bytes_down":{bytes_down}}}}},\n'
        )
        for phase, begin, end in phases(timings, bytes_down > 0, SHORTEST_PHASE + SMALLEST_SHARE * total):
            ts, dur = int((began + begin) * 1e6), int((end - begin) * 1e6)
            lines += f'{{"name":"{phase}","cat":"phase","ph":"X",{where}{ts},"dur":{dur}}},\n'
        return lines

    def wait(self, name: str, began: float, ended: float, args: Mapping[str, object]) -> str:
        """A part that waited: for a slot, the request budget, the end of a back-off."""
        row, new = self._waits.place(began, ended)
        line = (
            f'{{"name":{_quoted(name)},"cat":"wait","ph":"X","pid":{self._pid},"tid":{row},'
            f'"ts":{int(began * 1e6)},"dur":{int(max(0.0, ended - began) * 1e6)},"args":{json.dumps(args)}}},\n'
        )
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

    def _line(self, fields: dict[str, object]) -> str:
        return json.dumps({**fields, "pid": self._pid}) + ",\n"


def moves_part(span: RequestSpan) -> bool:
    """Whether a request sent, copied or fetched a part."""
    return bool(span.range) or "partNumber=" in span.url


def part_of(url: str) -> int | None:
    """The number of the part that a request sends or copies; None: it does neither."""
    if "partNumber=" not in url or (found := _PART.search(url)) is None:
        return None
    return int(found[1])


def place_of(url: str) -> str:
    """'scheme://host/path' of a URL: no user, password, query or fragment, any of which may be a secret."""
    query = url.find("?")
    bare = url if query < 0 else url[:query]
    if "@" not in bare and "#" not in bare:
        return bare
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def parse_trace(text: str) -> list[dict[str, object]]:
    """The events of a trace, also of one whose writer was killed: a last line that is not whole is left out.

    Raises ValueError for a text that is no trace.
    """
    if not text.startswith("["):
        raise ValueError("this is not a trace: it does not begin with [")
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
