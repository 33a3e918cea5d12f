"""`--report FILE.html` and `s3am report`: one HTML page from `Story`s. It loads nothing and runs no script. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .entries import printable
from .events import limited_text
from .report_data import SLOWEST, Group, Story, limits_of, requests_of
from .sizes import format_size

COLOURS: Final = ("#4063d8", "#389826", "#cb3c33", "#9558b2", "#c28a00", "#1b9e9e", "#7a5230", "#d1598a", "#666666")
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:.5em 0;display:block;overflow-x:auto}td,th{padding:.15em .8em .15em 0;"
    "text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}summary{cursor:pointer}"
    "li,.k{font-family:monospace;overflow-wrap:anywhere}svg{width:100%;height:auto}.e{color:#cb3c33}"
    ".s{display:inline-block;width:.8em;height:.8em;margin-right:.4em}"
)
_HEIGHT: Final = 120


def page(stories: Sequence[Story]) -> str:
    """The whole page; several stories are several processes of one job, or several jobs."""
    title = _title(stories)
    limits = limits_of(stories)
    parts = [_summary(stories, limits), _limits(limits), _requests(requests_of(stories))]
    for story in stories:
        if len(stories) > 1:
            parts.append(f"<h2>{_text(story.name)}</h2>")
        parts += [_timeline(story), _results(story), _slowest(story), _retried(story), _groups(story), _notes(story)]
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>\n{''.join(parts)}</body></html>\n"
    )


def _text(text: object) -> str:
    return html.escape(printable(str(text)))


def _title(stories: Sequence[Story]) -> str:
    results = [result for story in stories for result in story.results if "target" in result]
    begun = results or [started for story in stories for started in story.started]
    if len(begun) == 1:
        ends = [str(begun[0].get(end, "")) for end in ("source", "target")]
        return _text(f"{begun[0].get('verb', '')} {' to '.join(end for end in ends if end)}")
    return _text(f"s3am: {len(begun)} results") if begun else "s3am"


def _summary(stories: Sequence[Story], limits: Sequence[tuple[str, float]]) -> str:
    results = [result for story in stories for result in story.results]
    moved = sum(result["moved"] for result in results)
    seconds = max((result["seconds"] for result in results), default=0.0)
    rate = f", {format_size(int(moved / seconds))}/s" if seconds > 0 and moved else ""
    lines = [f"<p>{format_size(moved)} in {seconds:.1f} s{rate}</p>"]
    codes = [result["exit_code"] for result in results if isinstance(result.get("exit_code"), int)]
    lines += [f"<p>exit code {_text(max(codes))}</p>"] if codes else []
    lines += [f"<p><b>{_text(limited_text(*limits[0]))}</b></p>"] if limits else []
    for story in stories:
        lines += [f"<p class='e'>error: {_text(message)}</p>" for message in story.errors]
    return "".join(lines)


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Numbers stand at the right."""
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if _is_number(cell) else ''}>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>\n" if body else ""


def _is_number(cell: object) -> bool:
    return str(cell)[:1].isdigit()


def _limits(limits: Sequence[tuple[str, float]]) -> str:
    table = _table(("limited by", "share of the time"), ((cause, f"{100 * share:.0f} %") for cause, share in limits))
    return f"<h2>Limited by</h2>{table}" if table else ""


def _requests(counts: Mapping[str, int]) -> str:
    table = _table(("requests of this process, by price class", "count"), ((n, f"{c:,}") for n, c in counts.items()))
    if not table:
        return ""
    note = "S3 bills PUT, COPY, POST and LIST at about twelve times the price of GET and HEAD; DELETE is free."
    return f"<h2>Requests</h2>{table}<p>{note}</p>"


def _timeline(story: Story) -> str:
    bins, width = story.timeline.bins, story.timeline.width
    most = max(bins, default=0.0)
    if most <= 0:
        return ""
    causes = sorted({cause for cause in story.timeline.limits if cause})
    colour = {cause: COLOURS[number % len(COLOURS)] for number, cause in enumerate(causes)}
    bars = []
    for number, (count, cause) in enumerate(zip(bins, story.timeline.limits, strict=True)):
        height = round(_HEIGHT * count / most, 1)
        bars.append(
            f"<rect x='{number}' y='{_HEIGHT - height:.1f}' width='1' height='{height}' "
            f"fill='{colour.get(cause, '#888888')}'><title>{number * width:.1f} s: "
            f"{format_size(int(count / width))}/s</title></rect>"
        )
    legend = "".join(f"<span class='s' style='background:{colour[cause]}'></span>{_text(cause)} " for cause in causes)
    return (
        f"<h2>Timeline</h2><svg viewBox='0 0 {max(60, len(bins))} {_HEIGHT}' preserveAspectRatio='none' "
        f"style='height:10em' role='img' aria-label='rate over time'>{''.join(bars)}</svg>"
        f"<p>{len(bins) * width:.1f} s from left to right; the highest bar is {format_size(int(most / width))}/s. "
        f"{legend}</p>\n"
    )


def _results(story: Story) -> str:
    rows = []
    for result in story.results:
        named = [result.get(name, "") for name in ("verb", "source", "target")]
        moved, took = format_size(result["moved"]), f"{result['seconds']:.1f} s"
        rows.append((*named, moved, took, result.get("limited_by") or ""))
    table = _table(("verb", "source", "target", "moved", "time", "limited by"), rows) if len(rows) > 1 else ""
    return f"<h2>Results</h2>{table}" if table else ""


def _slowest(story: Story) -> str:
    found = sorted(story.slowest, key=lambda entry: -entry[0])
    rows = []
    for seconds, _, line in found[:SLOWEST]:
        length = line["length"]
        rate = f"{format_size(int(length / seconds))}/s" if seconds > 0 else ""
        rows.append((line.get("number", ""), format_size(length), f"{seconds:.2f} s", rate, line.get("attempts", "")))
    table = _table(("part", "size", "time", "rate", "attempts"), rows)
    return f"<h2>Slowest parts</h2>{table}" if table else ""


def _retried(story: Story) -> str:
    rows: list[tuple[object, ...]] = [
        (line.get("number", ""), line.get("attempt", ""), f"{line['delay']:.1f} s", line.get("reason"))
        for line in story.retried
    ]
    table = _table(("part", "attempt", "waited", "reason"), rows)
    more = f"<p>the last {len(rows)} of {story.retries:,}</p>" if story.retries > len(rows) else ""
    return f"<h2>Failed attempts</h2>{table}{more}" if table else ""


def _groups(story: Story) -> str:
    found = sorted(story.groups.items(), key=lambda item: _rank(*item[0]))
    sections = "".join(_group(action, reason, group) for (action, reason), group in found)
    return f"<h2>Entries</h2>{sections}\n" if sections else ""


def _group(action: str, reason: str, group: Group) -> str:
    keys = "".join(f"<li>{_text(name)}</li>" for name in group.names)
    left = group.count - len(group.names)
    more = f"<p>and {left:,} more</p>" if left else ""
    return (
        f"<details><summary><b>{_text(action)}</b>: {_text(reason)} "
        f"({group.count:,} entries, {group.size:,} bytes)</summary><ul>{keys}</ul>{more}</details>"
    )


def _notes(story: Story) -> str:
    notes: list[Any] = [*story.warnings, *(note for result in story.results for note in result["notes"])]
    if story.nonsense:
        notes.append(f"{story.nonsense:,} lines made no sense and were left out")
    return f"<h2>Warnings</h2><ul>{''.join(f'<li>{_text(note)}</li>' for note in notes)}</ul>\n" if notes else ""


def _rank(action: str, reason: str) -> tuple[int, str, str]:
    """Sort key of a group: failures first, skipped entries and then unchanged ones last."""
    return {"fail": 0, "!": 0, "delete": 1, "skip": 3, "same": 4, "=": 4}.get(action, 2), action, reason
