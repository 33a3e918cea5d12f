"""How each fault ended, in a file that a run which is cut off leaves behind and the next one reads."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TextIO

from tests.mutants.faults import ROOT, Mutant


class Results:
    """One JSON line for each fault, known by the text of the module with the fault and that of its test file.

    Where one of them has changed since, the fault is tried again. A change of another module is not noticed.
    """

    def __init__(self, path: Path | None, mutants: list[Mutant]) -> None:
        """path: where they are; None keeps them in memory."""
        self._keys = {id(mutant): _key(mutant) for mutant in mutants}
        self._ends: dict[str, str] = {}
        self._file: TextIO | None = None
        if path is not None:
            if path.exists():
                lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
                self._ends = {line["key"]: line["end"] for line in lines}
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def end_of(self, mutant: Mutant) -> str | None:
        """'survived', or what killed it; None if it was not tried in this state."""
        return self._ends.get(self._keys[id(mutant)])

    def add(self, mutant: Mutant, end: str) -> None:
        key = self._keys[id(mutant)]
        if self._ends.get(key) == end:
            return
        self._ends[key] = end
        if self._file is not None:
            self._file.write(json.dumps({"key": key, "end": end, "fault": mutant.shown()}) + "\n")


def _key(mutant: Mutant) -> str:
    test = ROOT / mutant.test
    text = test.read_text(encoding="utf-8") if test.exists() else ""
    return sha256(json.dumps([mutant.path, mutant.code, text]).encode()).hexdigest()[:24]
