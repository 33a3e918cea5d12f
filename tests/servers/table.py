"""Writes the tables of docs/servers.md: `python -m tests.servers.table`, with every server that is here."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from s3amfs.core.findings import CAPABILITIES, Finding
from tests.servers.conftest import boto_of, examined
from tests.servers.servers import SERVERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "servers.md"
BEGIN, END = "<!-- made by tests/servers/table.py -->", "<!-- end -->"
SHOWN = {"yes": "yes", "no": "**no**", "unknown": "?"}
Columns = dict[str, dict[str, Finding]]


def examine_all() -> tuple[Columns, dict[str, str]]:
    """(server and version -> its findings, server -> why it is not there)."""
    columns: Columns = {}
    missing = {}
    for name, kind in SERVERS.items():
        if reason := kind.why_not():
            missing[name] = reason
            continue
        with tempfile.TemporaryDirectory(prefix="s3am-table-") as folder, kind(Path(folder) / "server") as server:
            boto_of(server).create_bucket(Bucket="examined")
            columns[f"{name} {kind.version()}".strip()] = examined(server, "examined")
    return columns, missing


def table(columns: Columns) -> list[str]:
    lines = [f"| capability | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, proven in CAPABILITIES.items():
        found = " | ".join(SHOWN[findings[name].result] for findings in columns.values())
        lines.append(f"| `{name}`: {proven} | {found} |")
    return lines


def evidence(columns: Columns) -> list[str]:
    lines = ["Only what was not a *yes*."]
    for name, findings in columns.items():
        lines += ["", f"### {name}", ""]
        lines += [
            f"- `{f.capability}`: {f.result}: {plain(f.evidence)}" for f in findings.values() if f.result != "yes"
        ]
    return lines


def plain(text: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r"the unfinished upload of \S+: ", "", re.sub(r"\.s3am-doctor-\w+", "…", text))


def with_block(page: str, number: int, lines: list[str]) -> str:
    """`page` with `lines` as its block `number`, from 0."""
    parts = page.split(BEGIN)
    rest = parts[number + 1].partition(END)[2]
    parts[number + 1] = "\n" + "\n".join(lines) + "\n" + END + rest
    return BEGIN.join(parts)


def main() -> int:
    os.environ["S3AM_STATE_DIR"] = tempfile.mkdtemp(prefix="s3am-table-")
    columns, missing = examine_all()
    page = with_block(PAGE.read_text(), 0, table(columns))
    PAGE.write_text(with_block(page, 1, evidence(columns)))
    print(*(f"{name} is left out: {reason}" for name, reason in missing.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
