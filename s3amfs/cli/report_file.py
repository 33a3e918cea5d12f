"""`--report FILE`: the outcomes of a job over a tree, as JSON lines or as one HTML page grouped by cause.

The file appears when the job ends, whole; until then it lies beside it as FILE.new.
"""

from __future__ import annotations

import html
import json
import os
from typing import IO

from ..core.entries import printable
from ..core.tree_events import EntryDone, Totals
from ..errors import UsageError

EXAMPLES = 200
"""Entries of one cause that the page names; of all the others it has the number."""


class ReportFile:
    """A report that is being written."""

    def __init__(self, path: str, file: IO[str], *, as_page: bool) -> None:
        self._path = path
        self._file = file
        self._as_page = as_page
        self._groups: dict[tuple[str, str], tuple[int, int, list[str]]] = {}

    @classmethod
    def open(cls, path: str | None) -> ReportFile | None:
        """Raises UsageError for a name of another kind, and where the file can't be written."""
        if path is None:
            return None
        if not path.endswith((".jsonl", ".html")):
            raise UsageError(f"--report {path}: give a name that ends in .jsonl or .html")
        try:
            file = open(path + ".new", "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 - see `close`
        except OSError as error:
            raise UsageError(f"the report {path} can't be written: {error.strerror}") from None
        return cls(path, file, as_page=path.endswith(".html"))

    def add(self, entry: EntryDone) -> None:
        if not self._as_page:
            self._file.write(json.dumps(entry.json()) + "\n")
            return
        cause = (entry.action, entry.reason)
        count, size, names = self._groups.get(cause, (0, 0, []))
        if len(names) < EXAMPLES:
            names.append(entry.key)
        self._groups[cause] = (count + 1, size + (entry.size or 0), names)

    def finish(self, totals: Totals) -> None:
        """Writes the totals; the file appears."""
        if self._as_page:
            self._file.write(self._page(totals))
        else:
            self._file.write(json.dumps(totals.json()) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self._path + ".new", self._path)

    def close(self) -> None:
        self._file.close()

    def _page(self, totals: Totals) -> str:
        rows = []
        for (action, reason), (count, size, names) in sorted(self._groups.items(), key=lambda item: _rank(*item[0])):
            keys = "".join(f"<li>{html.escape(printable(name))}</li>" for name in names)
            more = f"<p>and {count - len(names):,} more</p>" if count > len(names) else ""
            rows.append(
                f"<details><summary><b>{html.escape(action)}</b>: {html.escape(printable(reason))} "
                f"({count:,} entries, {size:,} bytes)</summary><ul>{keys}</ul>{more}</details>"
            )
        title = html.escape(printable(f"{totals.verb} {totals.source} to {totals.target}"))
        return (
            "<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>"
            f"{title}</title><style>body{{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}"
            "summary{cursor:pointer}li{font-family:monospace}</style>"
            f"<h1>{title}</h1><p>{html.escape(totals.text())}</p><p>exit code {totals.exit_code}</p>"
            f"{''.join(rows)}</html>\n"
        )


def _rank(action: str, reason: str) -> tuple[int, str, str]:
    """Sort key of a line: failures first, skipped entries and then unchanged ones last."""
    return {"fail": 0, "delete": 1, "skip": 3, "same": 4}.get(action, 2), action, reason
