"""Each fault in a copy of the tree, in a child that runs the like-named test file."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
import warnings
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import hypothesis.strategies
import pytest

from tests.mutants.faults import ROOT, Mutant
from tests.mutants.in_place import MEMORY, Order, changed_functions, try_in_place
from tests.mutants.results import Results

_FIXTURE = re.compile(r"\b(s3|boto|bucket|cli|proxy|client|through|state)\b *:")
"""Of tests/conftest.py, as a test's parameter."""
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
_ENDS = {None: "took too long", -signal.SIGKILL: "looped", 1: "test", 2: "import"}
"""What pytest's exit statuses mean. The kernel kills at the limit of CPU time."""


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


class _Noted:
    """A plugin that writes down how long each test takes, or the first that fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.path.write_text(json.dumps({"failed": report.nodeid}), encoding="utf-8")
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == 0:
            self.path.write_text(json.dumps({"seconds": self.seconds}), encoding="utf-8")


def preload(names: list[str]) -> None:
    """Imports here, once for all children, what test files were seen to import."""
    for name in names:
        with suppress(ImportError):  # names that a package gives its parts ("py.error")
            importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hypothesis.errors.HypothesisWarning)  # it takes this for a slow plugin
        _try_nothing()
    gc.freeze()  # pytest collects garbage five times at its end, and would look at all of this


@hypothesis.settings(database=None, max_examples=1)
@hypothesis.given(hypothesis.strategies.integers())
def _try_nothing(number: int) -> None:
    """hypothesis looks at the source of all modules before its first example."""


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
    cpu: float = 0.0
    """Seconds of CPU time it took, once it has ended."""

    @property
    def notes(self) -> Path:
        return self.tree / f"{self.test.replace('/', '-')}.json"

    def start(self, seconds: float, cpu: float, words: list[str], plugins: list[Any]) -> None:
        """Puts the fault in its place and forks. It may take so many seconds by the clock, and of CPU time."""
        self.notes.unlink(missing_ok=True)
        if self.mutant is not None:
            self._place(self.mutant)
        self.end = time.monotonic() + seconds
        self.pid = os.fork()
        if self.pid == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(cpu), ceil(cpu)))
            self._run(words, [*plugins, _Noted(self.notes)])
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

    def failed(self) -> str | None:
        """The first test that failed, once it has ended."""
        if not self.notes.exists():
            return None
        found: str | None = json.loads(self.notes.read_text(encoding="utf-8")).get("failed")
        return found

    def finish(self) -> int | None:
        """pytest's exit status, None after too long a time; takes the fault out again."""
        late = not select.select([self.descriptor], [], [], 0)[0]
        if late:
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        code, self.cpu = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
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

    def __init__(
        self, mutants: list[Mutant], trees: list[Path], plugins: list[Any], seed: int, results: Results
    ) -> None:
        self.order, self.results = Order(), results
        self.mutants, self.trees, self.plugins, self.seed = mutants, trees, plugins, seed
        self.words = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", "not slow", f"--hypothesis-seed={seed}"]
        self.alone: dict[str, list[str]] = {}
        """Further words by test file: those that need no fixture of conftest.py, which imports half of the package."""
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        """By test file, as the code is: by the clock, and of CPU time."""
        self.survivors: list[Mutant] = []
        self.ends = Counter[str]()

    def run(self) -> list[Mutant]:
        """Those that no test finds. Prints a line for each fault as its end is known."""
        self._take_results()
        for tree in self.trees[1:]:
            shutil.copytree(self.trees[0], tree)
        self._try_in_place()
        self._tests_as_they_are()
        for tree in self.trees[1:]:
            shutil.copytree(self.trees[0], tree, dirs_exist_ok=True)  # with what has been compiled
        left = [mutant for mutant in self.mutants if self.results.end_of(mutant) is None]
        have = [mutant for mutant in left if mutant.test in self.seconds]
        for mutant in left:
            if mutant.test not in self.seconds:
                self._survived(mutant, "no test ")
        random.Random(self.seed).shuffle(have)  # so that a run that is cut short is a sample, too
        waiting = deque((mutant, False) for mutant in have)
        free, running = list(self.trees), list[Child]()
        began = reported = time.monotonic()
        while waiting or running:
            while waiting and free:
                mutant, thorough = waiting.popleft()
                child = Child(free.pop(), mutant.test, mutant, thorough)
                times = 6 if thorough else 1
                seconds, cpu = (20 + 10 * self.seconds[mutant.test]) * times, (2 + 5 * self.cpu[mutant.test]) * times
                child.start(seconds, cpu, [*self.words, *self.alone[mutant.test]], [*self.plugins, self.order])
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
                    self._killed(child.mutant, code, child.failed())
            if time.monotonic() > reported + 20:
                reported = time.monotonic()
                done, spent = self.ends.total() + len(self.survivors), reported - began
                print(f"# {done} of {len(self.mutants)}, {len(self.survivors)} survived, {spent:.0f} s", flush=True)
        print(f"# {dict(self.ends)}, {time.monotonic() - began:.0f} s", flush=True)
        return self.survivors

    def _try_in_place(self) -> None:
        """Those in functions. What does not end there, or whose tests fail beside others, is left to a child."""
        left = [mutant for mutant in self.mutants if self.results.end_of(mutant) is None]
        trying = [mutant for mutant in left if (ROOT / mutant.test).exists() and changed_functions(mutant)]
        for profile, times in (("quick", 1), ("thorough", 6)):
            again: list[Mutant] = []
            words = [*self.words, f"--hypothesis-profile={profile}"]
            for mutant, end, failed in try_in_place(trying, self.trees, words, self.plugins, self.order, times=times):
                if end != 0:
                    self._killed(mutant, end, failed)
                elif profile == "quick" and self._draws(mutant.test):
                    again.append(mutant)
                else:
                    self._survived(mutant, "survived")
            trying = again

    def _tests_as_they_are(self) -> None:
        left = {mutant.test for mutant in self.mutants if self.results.end_of(mutant) is None}
        tests = sorted(test for test in left if (ROOT / test).exists())
        for test in tests:
            needs = _FIXTURE.search((ROOT / test).read_text(encoding="utf-8")) is not None
            self.alone[test] = [] if needs else ["--noconftest"]
        waiting, running = deque(tests), list[Child]()
        while waiting or running:
            while waiting and len(running) < len(self.trees):
                running.append(self._begin(waiting.popleft()))
            for child in self._ended(running):
                running.remove(child)
                code, test = child.finish(), child.test
                if code in SURVIVED:
                    self.seconds[test], self.cpu[test] = time.monotonic() - child.began, child.cpu
                    self.order.seconds |= json.loads(child.notes.read_text(encoding="utf-8"))["seconds"]
                    preload(self._imported(test).read_text(encoding="utf-8").splitlines())
                    print(f"# {test} takes {self.seconds[test]:.1f} s as it is, {child.cpu:.1f} s of CPU", flush=True)
                elif self.alone[test]:
                    self.alone[test] = []
                    waiting.append(test)
                else:
                    print(f"{test} fails without any fault (exit {code}): its faults count as survivors", flush=True)

    def _begin(self, test: str) -> Child:
        child = Child(self.trees[0], test, None, False)
        plugins = [*self.plugins, self.order, _Imported(self._imported(test))]
        child.start(600, 600, [*self.words, *self.alone[test]], plugins)
        return child

    def _imported(self, test: str) -> Path:
        return self.trees[0] / f"{test.replace('/', '-')}.imported"

    def _ended(self, running: list[Child]) -> list[Child]:
        """Waits for one at least."""
        wait = max(0.0, min(child.end for child in running) - time.monotonic())
        ready = select.select([child.descriptor for child in running], [], [], wait)[0]
        now = time.monotonic()
        return [child for child in running if child.descriptor in ready or child.end <= now]

    def _draws(self, test: str) -> bool:
        return "hypothesis" in (ROOT / test).read_text(encoding="utf-8")

    def _take_results(self) -> None:
        """Those that an earlier run has tried."""
        for mutant in self.mutants:
            end = self.results.end_of(mutant)
            if end == "survived":
                self._survived(mutant, end)
            elif end is not None:
                self.ends[end] += 1

    def _killed(self, mutant: Mutant, code: int | None, failed: str | None) -> None:
        """failed: the test that has found it, where it is known."""
        how = _ENDS.get(code, f"exit {code}")
        if failed is not None:
            self.order.kills[failed] += 1
        self.ends[how] += 1
        if code is not None:  # too long a time by the clock may be that of a busy machine
            self.results.add(mutant, how)
        print(f"{'killed' if code is not None else 'too long':8}  {mutant.shown()}", flush=True)

    def _survived(self, mutant: Mutant, how: str) -> None:
        self.survivors.append(mutant)
        if how == "survived":
            self.results.add(mutant, how)
        print(f"{how:8}  {mutant.shown()}", flush=True)
