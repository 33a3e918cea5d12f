"""Why a fault may survive: tests/mutants/survivors.md."""

from __future__ import annotations

import re

from tests.mutants.faults import ROOT, Mutant

LIST = ROOT / "tests" / "mutants" / "survivors.md"
_MODULE = re.compile(r"### (\S+\.py)")
_FAULT = re.compile(r"- `(.+)` → `(.+)`: (.+)")


def reasons() -> dict[tuple[str, str], str]:
    """By module ('s3amfs/core/lag.py') and fault ('OLD  ->  NEW')."""
    found: dict[tuple[str, str], str] = {}
    module = ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if match := _MODULE.fullmatch(line):
            module = f"s3amfs/{match[1]}"
        elif match := _FAULT.fullmatch(line):
            found[module, f"{match[1]}  ->  {match[2]}"] = match[3]
    return found


def compare(tried: list[Mutant], survivors: list[Mutant]) -> None:
    """Prints which survivors the list has no reason for, and which of its faults were killed."""
    known = reasons()
    alive = {(mutant.path, mutant.change()): mutant for mutant in survivors}
    print(f"# {len(alive.keys() & known.keys())} of {len(alive)} survivors have a reason in {LIST.relative_to(ROOT)}")
    for place in sorted(alive.keys() - known.keys()):
        print(f"no reason {alive[place].shown()}")
    for path, change in sorted({(mutant.path, mutant.change()) for mutant in tried} & known.keys() - alive.keys()):
        print(f"killed, but listed: {path}: {change}")
