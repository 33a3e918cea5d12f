"""The faults: which cosmic-ray knows for a file, and the code with one of them."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = [
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_Sub")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Div_Mul", "LShift_RShift", "RShift_LShift", "Pow_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "GtE_LtE")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd", "AddNot"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop"),
]
GROUPS = {"core": ("core",), "transfers+objects": ("transfers", "objects")}
"""Folders whose faults are drawn and counted together."""


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    path: str
    """Below the root: 's3amfs/core/parts.py'."""
    operator: str
    occurrence: int
    code: str
    """The whole file with the fault."""

    @property
    def test(self) -> str:
        """The like-named test file."""
        folder, name = self.path.removeprefix("s3amfs/").rsplit("/", 1)
        return f"tests/{folder}/test_{name}"

    @property
    def group(self) -> str:
        folder = self.path.split("/")[1]
        return next(name for name, folders in GROUPS.items() if folder in folders)

    def shown(self) -> str:
        """'s3amfs/core/parts.py:12: OLD  ->  NEW'."""
        number, old, new = self._line()
        return f"{self.path}:{number}: {old}  ->  {new}"

    def change(self) -> str:
        """'OLD  ->  NEW'."""
        _, old, new = self._line()
        return f"{old}  ->  {new}"

    def _line(self) -> tuple[int, str, str]:
        """The first line that differs: number, as it is, with the fault."""
        original = (ROOT / self.path).read_text(encoding="utf-8")
        pairs = enumerate(zip_longest(original.splitlines(), self.code.splitlines(), fillvalue=""), 1)
        number, (old, new) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
        return number, old.strip(), new.strip()


def places_of(path: Path) -> list[tuple[Path, str, int]]:
    """(file, operator, occurrence) of every fault that cosmic-ray knows for one file."""
    tree = list(ast_nodes(get_ast(path.read_text(encoding="utf-8"))))
    found = []
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        positions = (position for node in tree for position in operator.mutation_positions(node))
        found += [(path, name, occurrence) for occurrence, _ in enumerate(positions)]
    return found


def made(places: list[tuple[Path, str, int]], most: int | None) -> Iterator[Mutant]:
    """At most `most` faults, in this order; without those that change no more than annotations and decorators, and
    without those that no parser takes (`//` for the `*` before arguments with names): any test would find them."""
    seen: dict[Path, set[str]] = {}
    for path, name, occurrence in places:
        source = path.read_text(encoding="utf-8")
        if path not in seen:
            seen[path] = {_meaning(source), ""}
        code = mutate_code(source, get_operator(f"core/{name}")(), occurrence)
        if code is not None and (meaning := _meaning(code)) not in seen[path]:
            seen[path].add(meaning)
            yield Mutant(path.relative_to(ROOT).as_posix(), name, occurrence, code)
            most = None if most is None else most - 1
            if most == 0:
                return


class _Stripped(ast.NodeTransformer):
    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: Any) -> Any:
        node.returns, node.decorator_list = None, []
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.decorator_list = []
        return self.generic_visit(node)


def _meaning(source: str) -> str:
    """What the code does; '' if it is no code."""
    try:
        return ast.dump(_Stripped().visit(ast.parse(source)))
    except SyntaxError:
        return ""


def _rank(seed: int, path: Path, operator: str, occurrence: int) -> bytes:
    name = path.relative_to(ROOT).as_posix()
    return hashlib.sha256(f"{seed} {name} {operator} {occurrence}".encode()).digest()


def draw(most: dict[str, int | None], seed: int, only: list[str]) -> list[Mutant]:
    """The faults to try, in the order of their files. most: how many of each group, None for all.

    A change of one file leaves the sample of all others as it was, nearly: two states can be compared.
    """
    chosen: list[Mutant] = []
    for group, folders in GROUPS.items():
        files = sorted(path for folder in folders for path in (ROOT / "s3amfs" / folder).rglob("*.py"))
        wanted = [path for path in files if not only or any(word in path.as_posix() for word in only)]
        places = [place for path in wanted for place in places_of(path)]
        places.sort(key=lambda place: _rank(seed, *place))
        if most[group] != 0:
            chosen += made(places, most[group])
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.operator, mutant.occurrence))
