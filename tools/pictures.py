"""Draws the state tables of the code into the manual: `python tools/pictures.py`; `tests/test_pictures.py` compares.

A page says `<!-- table MODULE -->` before its picture and `<!-- end of table -->` after it; MODULE is one of `TABLES`.
"""

from __future__ import annotations

import enum
import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("s3amfs.core.machine", "s3amfs.core.pacing_phases")
"""Modules with a table `TRANSITIONS`: (state, event) -> state, of enums whose values are words."""
PAGE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def diagram(transitions: Mapping[tuple[enum.Enum, enum.Enum], enum.Enum]) -> str:
    """A table as a Mermaid state diagram; events that lead from one state to the same other one share an arrow."""
    arrows: dict[tuple[enum.Enum, enum.Enum], list[str]] = {}
    for (before, event), after in transitions.items():
        arrows.setdefault((before, after), []).append(str(event.value))
    first = next(iter(transitions))[0]
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_name(first)}"]
    states = {state: None for pair in arrows for state in pair}
    lines += [f"    {_name(state)} : {state.value}" for state in states]
    lines += [
        f"    {_name(before)} --> {_name(after)} : {', '.join(events)}" for (before, after), events in arrows.items()
    ]
    return "\n".join([*lines, "```", ""])


def _name(state: enum.Enum) -> str:
    return state.name.lower()


def drawn(text: str) -> str:
    """`text` of a page with every picture as the tables have it. Raises KeyError for a module that has no table."""

    def picture(place: re.Match[str]) -> str:
        if place[2] not in TABLES:
            raise KeyError(f"{place[2]} is not in TABLES")
        return place[1] + diagram(importlib.import_module(place[2]).TRANSITIONS) + place[3]

    return PLACE.sub(picture, text)


def main() -> int:
    sys.path.insert(0, str(ROOT))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(drawn(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
