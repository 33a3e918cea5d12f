"""Single faults put into the code, one at a time, and how many of them the like-named tests find: `make mutants`.

cosmic-ray makes the faults (`<` for `<=`, `and` for `or`, another number, …); each is tried in a copy of the tree, in a
child that runs `tests/LAYER/test_MODULE.py` only. Faults in annotations and decorators are left out: no test can see
them. All children share one S3 server, which is started if a test file may need it.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[1]
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
ALL, SOME = ("core",), ("transfers", "objects")
"""Folders whose faults are all tried with --sample all, and those of which 400 are."""


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

    def shown(self, original: str) -> str:
        """'s3amfs/core/parts.py:12: OLD -> NEW'."""
        pairs = enumerate(zip_longest(original.splitlines(), self.code.splitlines(), fillvalue=""), 1)
        number, (old, new) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
        return f"{self.path}:{number}: {old.strip()}  ->  {new.strip()}"


def places_of(path: Path) -> list[tuple[Path, str, int]]:
    """(file, operator, occurrence) of every fault that cosmic-ray knows for one file."""
    tree = list(ast_nodes(get_ast(path.read_text(encoding="utf-8"))))
    return [
        (path, name, occurrence)
        for name in OPERATORS
        for occurrence, _ in enumerate(
            place for node in tree for place in get_operator(f"core/{name}")().mutation_positions(node)
        )
    ]


def made(places: list[tuple[Path, str, int]], most: int | None) -> Iterator[Mutant]:
    """At most `most` faults, in this order; without those that change no more than annotations and decorators."""
    seen: dict[Path, set[str]] = {}
    for path, name, occurrence in places:
        source = path.read_text(encoding="utf-8")
        meanings = seen.setdefault(path, {_meaning(source)})
        code = mutate_code(source, get_operator(f"core/{name}")(), occurrence)
        if code is not None and (meaning := _meaning(code)) not in meanings:
            meanings.add(meaning)
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
    try:
        return ast.dump(_Stripped().visit(ast.parse(source)))
    except SyntaxError:
        return ""


class SharedServer:
    """The plugin from which tests/conftest.py takes the S3 server of all children."""

    __name__ = "shared-server"

    def __init__(self, server: Any, certs: Any) -> None:
        self.server, self.certs = server, certs


def run_tests(tree: Path, test: str, seconds: float, shared: SharedServer | None, seed: int) -> int | None:
    """pytest's exit status for one test file in `tree`, in a child; None if it took longer than `seconds`."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os.environ["PYTHONPATH"] = str(tree)
        for name in [name for name in sys.modules if name.split(".")[0] in ("s3amfs", "tests")]:
            del sys.modules[name]
        words = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", f"--hypothesis-seed={seed}", test]
        code = 3
        try:
            code = int(pytest.main(words, plugins=[shared] if shared is not None else []))
        finally:
            os._exit(code)
    return _wait(pid, time.monotonic() + seconds)


def _wait(pid: int, end: float) -> int | None:
    descriptor = os.pidfd_open(pid)
    try:
        import select

        if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(descriptor)


def draw(sample: str, seed: int, only: list[str]) -> list[Mutant]:
    """The faults to try: seeded, in the order of the files. sample: 'all', or how many in all."""
    chance, places = random.Random(seed), list[tuple[Path, str, int]]()
    for folders, most in ((ALL, None), (SOME, 400)):
        files = sorted(path for folder in folders for path in (ROOT / "s3amfs" / folder).rglob("*.py"))
        wanted = [path for path in files if not only or any(word in path.as_posix() for word in only)]
        found = [place for path in wanted for place in places_of(path)]
        chance.shuffle(found)
        places += found[:most]
    chance.shuffle(places)
    mutants = made(places, None if sample == "all" else int(sample))
    return sorted(mutants, key=lambda mutant: (mutant.path, mutant.operator, mutant.occurrence))


def try_all(mutants: list[Mutant], tree: Path, shared: SharedServer | None, seed: int) -> list[Mutant]:
    """Those that no test finds; a line for each as it is known."""
    survivors, tests = [], sorted({mutant.test for mutant in mutants})
    seconds: dict[str, float] = {}
    for test in tests:
        began = time.monotonic()
        code = run_tests(tree, test, 600, shared, seed) if (tree / test).exists() else 5
        seconds[test] = time.monotonic() - began
        if code == 1:
            raise SystemExit(f"{test} fails without any fault: mend it first")
    for mutant in mutants:
        place = tree / mutant.path
        original = place.read_text(encoding="utf-8")
        place.write_text(mutant.code, encoding="utf-8")
        code = None
        try:
            if (tree / mutant.test).exists():
                code = run_tests(tree, mutant.test, 20 + 10 * seconds[mutant.test], shared, seed)
            else:
                code = 5
        finally:
            place.write_text(original, encoding="utf-8")
        if code in (0, 5):
            survivors.append(mutant)
            print(f"survived  {mutant.shown(original)}", flush=True)
    return survivors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="100", help="how many faults in all, or 'all'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="files whose path has this in it")
    args = parser.parse_args()
    mutants = draw(args.sample, args.seed, args.only)
    print(f"{len(mutants)} faults, seed {args.seed}", flush=True)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with tempfile.TemporaryDirectory(prefix="s3am-mutants-") as name:
        tree = Path(name)
        for folder in ("s3amfs", "tests"):
            shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        if any(mutant.path.split("/")[1] in SOME for mutant in mutants):
            from s3amfs.demo.seaweed import SeaweedServer
            from tests.support.tls import Certificates

            (tree / "certs").mkdir()
            certs = Certificates(tree / "certs")
            with SeaweedServer(tls=(str(certs.certificate), str(certs.key))) as server:
                survivors = try_all(mutants, tree, SharedServer(server, certs), args.seed)
        else:
            survivors = try_all(mutants, tree, None, args.seed)
    report(mutants, survivors)
    return 0


def report(mutants: list[Mutant], survivors: list[Mutant]) -> None:
    """Killed and all, by folder and file."""
    lost = {id(mutant) for mutant in survivors}
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for mutant in mutants:
        for name in (mutant.path, mutant.path.split("/")[1], "all"):
            tally[name][0] += id(mutant) not in lost
            tally[name][1] += 1
    for name, (killed, count) in sorted(tally.items()):
        print(f"{killed:5} of {count:5} killed ({100 * killed / count:3.0f} %)  {name}")


if __name__ == "__main__":
    sys.exit(main())
