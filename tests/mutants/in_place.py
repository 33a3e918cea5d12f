"""Faults in functions that are imported already: tests are collected once, and run in a fork for each fault.

Most faults stand in a function's body: there its code object is exchanged, wherever the function is held. That takes a
tenth of the CPU time that importing everything again does. Faults in code that runs at import (a constant, a default)
are left to `trial`, and so is whatever does not end.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import resource
import select
import signal
import sys
import time
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import _pytest.main
import hypothesis
import hypothesis.errors
import hypothesis.strategies
import pytest

from tests.mutants.faults import ROOT, Mutant

Codes = list[tuple[types.CodeType, types.CodeType]]
MEMORY = 6 << 30
"""Bytes of data a fork may have: a fault may ask for any amount."""
_SERVED = frozenset({"s3", "lax", "cli", "proxy"})
"""Fixtures behind which a server runs."""


def changed_functions(mutant: Mutant) -> Codes:
    """(old, new) of the outermost functions that the fault changes; none where code that runs at import differs."""
    original = (ROOT / mutant.path).read_text(encoding="utf-8")
    old, new = (compile(source, mutant.path, "exec", dont_inherit=True) for source in (original, mutant.code))
    pairs: Codes = []
    return pairs if _compare(old, new, pairs) else []


def _compare(old: types.CodeType, new: types.CodeType, pairs: Codes) -> bool:
    """Of code that runs at import, modules and bodies of classes: whether only functions in it differ."""
    before, after = _codes(old), _codes(new)
    if len(before) != len(after) or _rest(old) != _rest(new):
        return False
    for one, other in zip(before, after, strict=True):
        if one == other:
            continue
        is_function = bool(one.co_flags & inspect.CO_NEWLOCALS)
        if is_function and one.co_freevars == other.co_freevars:
            pairs.append((one, other))
        elif is_function or not _compare(one, other, pairs):
            return False
    return True


def _codes(code: types.CodeType) -> list[types.CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def _rest(code: types.CodeType) -> tuple[object, ...]:
    constants = [(type(constant), constant) for constant in code.co_consts if not isinstance(constant, types.CodeType)]
    return code.co_code, constants, code.co_names, code.co_varnames


class Order:
    """A plugin that runs first what most likely finds a fault for the least time, and tests with a server last."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """How long each test takes as the code is."""
        self.kills = Counter[str]()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=self.rank)

    def rank(self, item: pytest.Item) -> tuple[bool, float]:
        served = bool(_SERVED.intersection(getattr(item, "fixturenames", ())))
        return served, (0.001 + self.seconds.get(item.nodeid, 0.0)) / (1 + self.kills[item.nodeid])


class InPlace:
    """A plugin of pytest: for each fault a fork runs the collected tests of its file.

    Writes a JSON line for each to `pipe`: number (None: a test file as it is), end (pytest's exit status, None: too
    long a time by the clock), failed (the test).
    """

    def __init__(self, tree: Path, faults: list[tuple[int, Mutant]], order: Order, *, times: int, pipe: int) -> None:
        """times: how much longer than the tests as they are a fault may take, in fives."""
        self.tree, self.faults, self.order, self.times, self.pipe = tree, faults, order, times, pipe
        self.note = -1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In a fork."""
        self.order.seconds[report.nodeid] = self.order.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed and self.note >= 0:
            os.write(self.note, json.dumps({"failed": report.nodeid}).encode())
            self.note = -1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        by_file = defaultdict[str, list[pytest.Item]](list)
        for item in session.items:
            by_file[item.nodeid.partition("::")[0]].append(item)
        functions = self._functions()
        _warm_up()
        for test in dict.fromkeys(mutant.test for _, mutant in self.faults):
            session.items = by_file[test]
            began = time.monotonic()
            end, cpu, notes = self._fork(session, [], 600, 600)
            self._write(number=None, test=test, end=end)
            if end != 0:
                continue
            seconds = time.monotonic() - began
            self.order.seconds |= notes["seconds"]
            for name in notes["modules"]:  # that tests import as they run
                with suppress(ImportError):
                    importlib.import_module(name)
            gc.freeze()
            for number, mutant in self.faults:
                if mutant.test == test:
                    pairs = [(f, new) for old, new in changed_functions(mutant) for f in functions[old]]
                    limits = (2 + 5 * cpu) * self.times, (20 + 10 * seconds) * self.times
                    self._try(session, number, mutant, pairs, limits)
        return True

    def _functions(self) -> dict[types.CodeType, list[types.FunctionType]]:
        """All of the package, by code."""
        found = defaultdict[types.CodeType, list[types.FunctionType]](list)
        gc.collect()
        for each in gc.get_objects():
            if isinstance(each, types.FunctionType) and each.__code__.co_filename.startswith(f"{self.tree}/s3amfs/"):
                found[each.__code__].append(each)
        return found

    def _try(
        self,
        session: pytest.Session,
        number: int,
        mutant: Mutant,
        pairs: list[tuple[types.FunctionType, types.CodeType]],
        limits: tuple[float, float],
    ) -> None:
        if not pairs:
            return
        place = self.tree / mutant.path
        original = place.read_text(encoding="utf-8")
        session.items.sort(key=self.order.rank)
        place.write_text(mutant.code, encoding="utf-8")  # for processes that tests start
        try:
            end, _, notes = self._fork(session, pairs, *limits)
        finally:
            place.write_text(original, encoding="utf-8")
        failed = notes.get("failed")
        if failed is not None:
            self.order.kills[failed] += 1
        self._write(number=number, end=end, failed=failed)

    def _write(self, **what: Any) -> None:
        os.write(self.pipe, json.dumps(what).encode() + b"\n")

    def _fork(
        self,
        session: pytest.Session,
        pairs: list[tuple[types.FunctionType, types.CodeType]],
        cpu: float,
        seconds: float,
    ) -> tuple[int | None, float, dict[str, Any]]:
        """How the tests end that `session` has, the CPU time they take, and what the fork noted."""
        notes, note = os.memfd_create("notes"), -1
        pid = os.fork()
        if pid == 0:
            self.note = notes if pairs else note
            self._run(session, pairs, cpu, notes)
        descriptor = os.pidfd_open(pid)
        late = not select.select([descriptor], [], [], seconds)[0]
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what the tests left running
        os.close(descriptor)
        with os.fdopen(notes, "rb") as file:
            file.seek(0)
            text = file.read()
        end = None if late else os.waitstatus_to_exitcode(status)
        return end, usage.ru_utime + usage.ru_stime, json.loads(text) if text else {}

    def _run(
        self,
        session: pytest.Session,
        pairs: list[tuple[types.FunctionType, types.CodeType]],
        cpu: float,
        notes: int,
    ) -> None:
        code = 1
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(cpu), ceil(cpu)))
            for function, new in pairs:
                function.__code__ = new
            self.order.seconds = self.order.seconds if pairs else {}
            _pytest.main.pytest_runtestloop(session)
            code = int(session.testsfailed > 0)
            if not pairs:
                os.write(notes, json.dumps({"seconds": self.order.seconds, "modules": [*sys.modules]}).encode())
        finally:
            os._exit(code)


@hypothesis.settings(database=None, max_examples=1)
@hypothesis.given(hypothesis.strategies.integers())
def _try_nothing(number: int) -> None:
    """hypothesis looks at the source of all modules before its first example."""


def _warm_up() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hypothesis.errors.HypothesisWarning)  # it takes this for a slow plugin
        _try_nothing()
    gc.freeze()


def _collect(tree: Path, words: list[str], plugins: list[Any], tests: list[str]) -> None:
    """In a fork: pytest in a copy of the tree. Ends the process."""
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os.environ["PYTHONPATH"] = str(tree)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.split(".")[0] in ("s3amfs", "tests")]:
            del sys.modules[name]
        pytest.main([*words, "--capture=sys", *tests], plugins=plugins)
    finally:
        os._exit(0)


def try_in_place(
    mutants: list[Mutant], trees: list[Path], words: list[str], plugins: list[Any], order: Order, *, times: int
) -> Iterator[tuple[Mutant, int, str | None]]:
    """Of each fault in a function: how its tests ended (0: none found it), and the test that failed, as it is known."""
    pipes: dict[int, int] = {}
    tests = sorted({mutant.test for mutant in mutants})
    for place, tree in enumerate(trees):
        mine = tests[place :: len(trees)]
        faults = [(number, mutant) for number, mutant in enumerate(mutants) if mutant.test in mine]
        if not faults:
            continue
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            plugin = InPlace(tree, faults, order, times=times, pipe=theirs)
            _collect(tree, words, [*plugins, order, plugin], mine)
        os.close(theirs)
        pipes[ours] = pid
    left = dict.fromkeys(pipes, b"")
    while pipes:
        for pipe in select.select([*pipes], [], [])[0]:
            data = os.read(pipe, 65536)
            *lines, left[pipe] = (left[pipe] + data).split(b"\n")
            for line in map(json.loads, lines):
                if line["number"] is None:
                    how = "pass" if line["end"] == 0 else "fail"
                    print(f"# {line['test']}: its tests {how} without any fault, collected with others", flush=True)
                elif line["end"] is not None:
                    yield mutants[line["number"]], line["end"], line["failed"]
            if not data:
                os.waitpid(pipes.pop(pipe), 0)
                os.close(pipe)
