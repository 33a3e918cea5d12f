"""Single faults put into the code, one at a time, and how many of them the like-named tests find: `make mutants`.

cosmic-ray makes the faults (`<` for `<=`, `and` for `or`, another number, …); each is tried in a copy of the tree, in a
child that runs `tests/LAYER/test_MODULE.py` only. Faults in annotations and decorators are left out: no test can see
them. The children are forks of a process that has imported everything but the package and its tests, and share one S3
server, which is started if a test file may need it. Properties draw few examples first; what survives is tried again
with as many as `make test` draws.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import hypothesis
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
_FIXTURE = re.compile(r"\b(s3|boto|bucket|cli|proxy|client|through|state)\b *:")
"""Of tests/conftest.py, as a test's parameter."""
GROUPS = {"core": ("core",), "transfers+objects": ("transfers", "objects")}
"""Folders whose faults are drawn and counted together."""
SURVIVED = (0, 5)
"""pytest's exit status where all tests passed, and where there are none."""
hypothesis.settings.register_profile("thorough", deadline=None, database=None)
hypothesis.settings.register_profile(
    "quick",
    hypothesis.settings.get_profile("thorough"),
    max_examples=20,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
"""A failure is all that is asked for, so no example is made smaller."""
MEMORY = 6 << 30
"""Bytes of data a child may have: a fault may ask for any amount."""


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
        """'s3amfs/core/parts.py:12: OLD -> NEW'."""
        original = (ROOT / self.path).read_text(encoding="utf-8")
        pairs = enumerate(zip_longest(original.splitlines(), self.code.splitlines(), fillvalue=""), 1)
        number, (old, new) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
        return f"{self.path}:{number}: {old.strip()}  ->  {new.strip()}"


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
    """At most `most` faults, in this order; without those that change no more than annotations and decorators."""
    seen: dict[Path, set[str]] = {}
    for path, name, occurrence in places:
        source = path.read_text(encoding="utf-8")
        if path not in seen:
            seen[path] = {_meaning(source)}
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
    try:
        return ast.dump(_Stripped().visit(ast.parse(source)))
    except SyntaxError:
        return ""


def draw(most: dict[str, int | None], seed: int, only: list[str]) -> list[Mutant]:
    """The faults to try, in the order of their files. most: how many of each group, None for all."""
    chosen: list[Mutant] = []
    for group, folders in GROUPS.items():
        files = sorted(path for folder in folders for path in (ROOT / "s3amfs" / folder).rglob("*.py"))
        wanted = [path for path in files if not only or any(word in path.as_posix() for word in only)]
        places = [place for path in wanted for place in places_of(path)]
        random.Random(seed).shuffle(places)
        if most[group] != 0:
            chosen += made(places, most[group])
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.operator, mutant.occurrence))


class SharedServer:
    """The plugin from which tests/conftest.py takes the S3 server of all children."""

    __name__ = "shared-server"

    def __init__(self, server: Any, certs: Any) -> None:
        self.server, self.certs = server, certs


class _Imported:
    """A plugin that writes down which modules a test file imports."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_collection_finish(self) -> None:
        names = [name for name in sys.modules if name.split(".")[0] not in ("s3amfs", "tests", "__main__")]
        self.path.write_text("\n".join(names), encoding="utf-8")


def preload(names: list[str]) -> None:
    """Imports here, once for all children, what test files were seen to import."""
    for name in names:
        with suppress(ImportError):  # names that a package gives its parts ("py.error")
            importlib.import_module(name)


@dataclass
class Child:
    """A fork that runs one test file in one copy of the tree."""

    tree: Path
    test: str
    mutant: Mutant | None
    """None: the file as it is."""
    thorough: bool
    pid: int = 0
    descriptor: int = -1
    began: float = field(default_factory=time.monotonic)
    end: float = 0.0

    def start(self, seconds: float, words: list[str], plugins: list[Any]) -> None:
        """Puts the fault in its place and forks."""
        if self.mutant is not None:
            self._place(self.mutant)
        self.end = time.monotonic() + seconds
        self.pid = os.fork()
        if self.pid == 0:
            self._run(words, plugins)
        self.descriptor = os.pidfd_open(self.pid)

    def _place(self, mutant: Mutant) -> None:
        place = self.tree / mutant.path
        self._original, self._times = place.read_text(encoding="utf-8"), place.stat()
        compiled = Path(importlib.util.cache_from_source(str(place)))
        if compiled.exists():
            compiled.rename(f"{compiled}.away")  # Python compares sizes and whole seconds only
        place.write_text(mutant.code, encoding="utf-8")

    def _run(self, words: list[str], plugins: list[Any]) -> None:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        os.chdir(self.tree)
        sys.path.insert(0, str(self.tree))
        os.environ["PYTHONPATH"] = str(self.tree)
        sys.dont_write_bytecode = self.mutant is not None
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        for name in [name for name in sys.modules if name.split(".")[0] in ("s3amfs", "tests")]:
            del sys.modules[name]
        code = 3
        try:
            profile = "thorough" if self.thorough else "quick"
            code = int(pytest.main([*words, f"--hypothesis-profile={profile}", self.test], plugins=plugins))
        finally:
            os._exit(code)

    def finish(self) -> int | None:
        """pytest's exit status, None after too long a time; takes the fault out again."""
        late = not select.select([self.descriptor], [], [], 0)[0]
        if late:
            os.killpg(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.descriptor)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what the tests left running
        if self.mutant is not None:
            place = self.tree / self.mutant.path
            place.write_text(self._original, encoding="utf-8")
            os.utime(place, ns=(self._times.st_atime_ns, self._times.st_mtime_ns))
            compiled = importlib.util.cache_from_source(str(place))
            if os.path.exists(f"{compiled}.away"):
                os.rename(f"{compiled}.away", compiled)
        return None if late else code


class Trial:
    """Runs the children, as many at a time as there are trees."""

    def __init__(self, mutants: list[Mutant], trees: list[Path], plugins: list[Any], seed: int) -> None:
        self.mutants, self.trees, self.plugins = mutants, trees, plugins
        self.words = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", "not slow", f"--hypothesis-seed={seed}"]
        self.alone: dict[str, list[str]] = {}
        """Further words by test file: those that need no fixture of conftest.py, which imports half of the package."""
        self.seconds: dict[str, float] = {}
        self.survivors: list[Mutant] = []
        self.ends = Counter[str]()

    def run(self) -> list[Mutant]:
        """Those that no test finds; a line for each as it is known."""
        self._tests_as_they_are()
        for tree in self.trees[1:]:
            shutil.copytree(self.trees[0], tree)
        have = [mutant for mutant in self.mutants if mutant.test in self.seconds]
        for mutant in self.mutants:
            if mutant.test not in self.seconds:
                self._survived(mutant, "no test ")
        waiting = deque((mutant, False) for mutant in have)
        free, running = list(self.trees), list[Child]()
        began = reported = time.monotonic()
        while waiting or running:
            while waiting and free:
                mutant, thorough = waiting.popleft()
                child = Child(free.pop(), mutant.test, mutant, thorough)
                seconds = 10 + 10 * self.seconds[mutant.test]
                child.start(seconds, [*self.words, *self.alone[mutant.test]], self.plugins)
                running.append(child)
            for child in self._ended(running):
                running.remove(child)
                code = child.finish()
                free.append(child.tree)
                assert child.mutant is not None
                if code in SURVIVED and not child.thorough and self._draws(child.test):
                    waiting.append((child.mutant, True))
                elif code in SURVIVED:
                    self._survived(child.mutant, "survived")
                else:
                    self.ends[{None: "took too long", 1: "test", 2: "import"}.get(code, f"exit {code}")] += 1
            if time.monotonic() > reported + 20:
                reported = time.monotonic()
                done, spent = self.ends.total() + len(self.survivors), reported - began
                print(f"# {done} of {len(self.mutants)}, {len(self.survivors)} survived, {spent:.0f} s", flush=True)
        print(f"# {dict(self.ends)}, {time.monotonic() - began:.0f} s", flush=True)
        return self.survivors

    def _tests_as_they_are(self) -> None:
        for test in sorted({mutant.test for mutant in self.mutants}):
            if not (ROOT / test).exists():
                continue
            needs = _FIXTURE.search((ROOT / test).read_text(encoding="utf-8")) is not None
            for words in ([],) if needs else (["--noconftest"], []):
                self.alone[test] = words
                code = self._as_it_is(test)
                if code in SURVIVED:
                    break
            if code not in SURVIVED:
                del self.seconds[test]
                print(
                    f"{test} fails without any fault (exit {code}): mend it, its faults count as survivors", flush=True
                )
        print(f"# {len(self.seconds)} test files take {sum(self.seconds.values()):.0f} s as they are", flush=True)

    def _as_it_is(self, test: str) -> int | None:
        imported = self.trees[0] / "imported"
        child = Child(self.trees[0], test, None, False)
        child.start(300, [*self.words, *self.alone[test]], [*self.plugins, _Imported(imported)])
        select.select([child.descriptor], [], [], 300)
        code = child.finish()
        self.seconds[test] = time.monotonic() - child.began
        if code == 0:
            preload(imported.read_text(encoding="utf-8").splitlines())
        return code

    def _ended(self, running: list[Child]) -> list[Child]:
        """Waits for one at least."""
        wait = max(0.0, min(child.end for child in running) - time.monotonic())
        ready = select.select([child.descriptor for child in running], [], [], wait)[0]
        now = time.monotonic()
        return [child for child in running if child.descriptor in ready or child.end <= now]

    def _draws(self, test: str) -> bool:
        return "hypothesis" in (ROOT / test).read_text(encoding="utf-8")

    def _survived(self, mutant: Mutant, how: str) -> None:
        self.survivors.append(mutant)
        print(f"{how:8}  {mutant.shown()}", flush=True)


def report(mutants: list[Mutant], survivors: list[Mutant]) -> None:
    """Killed and all, by file and group."""
    lost = {id(mutant) for mutant in survivors}
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for mutant in mutants:
        for name in (mutant.path, mutant.group):
            tally[name][0] += id(mutant) not in lost
            tally[name][1] += 1
    for name, (killed, count) in sorted(tally.items(), key=lambda item: (item[0] in GROUPS, item[0])):
        print(f"{killed:5} of {count:5} killed ({100 * killed / count:5.1f} %)  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", default="500", help="how many faults of core/, or 'all'")
    parser.add_argument("--others", default="400", help="how many faults of transfers/ and objects/, or 'all'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="files whose path has this in it")
    parser.add_argument("--again", metavar="FILE", help="try only the survivors that an earlier run printed to FILE")
    parser.add_argument("--count", action="store_true", help="only say how many there are")
    args = parser.parse_args()
    wanted = (None if word == "all" else int(word) for word in (args.core, args.others))
    mutants = draw(dict(zip(GROUPS, wanted, strict=True)), args.seed, args.only)
    for name, count in Counter(mutant.group for mutant in mutants).items():
        print(f"# {count} faults of {name}, seed {args.seed}", flush=True)
    tried = mutants
    if args.again is not None:
        earlier = Path(args.again).read_text(encoding="utf-8").splitlines()
        left = {line[10:] for line in earlier if line.startswith(("survived  ", "no test   "))}
        tried = [mutant for mutant in mutants if mutant.shown() in left]
        print(f"# {len(tried)} of {len(left)} survivors of an earlier run are tried again", flush=True)
    if args.count or not tried:
        return 0
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3am-mutants-")))
        trees = [place / str(number) for number in range(args.jobs)]
        for folder in ("s3amfs", "tests"):
            shutil.copytree(ROOT / folder, trees[0] / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", trees[0])
        plugins: list[Any] = []
        if any(mutant.group != "core" for mutant in tried):
            from s3amfs.demo.seaweed import SeaweedServer
            from tests.support.tls import Certificates

            (place / "certs").mkdir()
            certs = Certificates(place / "certs")
            server = stack.enter_context(SeaweedServer(tls=(str(certs.certificate), str(certs.key))))
            plugins.append(SharedServer(server, certs))
        report(mutants, Trial(tried, trees, plugins, args.seed).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
