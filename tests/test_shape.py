"""The shape of the code as a test: sizes, names, what lies where, and a test file for each module."""

from __future__ import annotations

import ast
import statistics
from collections import Counter, defaultdict
from pathlib import Path

from tests.support.source import FILES, PACKAGE, ROOT, length, name_of, nodes_of, parameters, text_of

LONG_SIGNATURES: set[str] = set()
"""`__init__` of more than 8 parameters that are still to be gathered in one object; the list only shrinks."""

SAME_NAME = {
    "options": "each layer has its own: of the command line, a mount, a transfer, of libcurl",
    "errors": "all errors of the package, and how the kernel takes them",
    "capabilities": "the judgement is core's, what an endpoint was seen to do is wire's",
    "failures": "the judgement is core's, reading a response is wire's",
    "patch": "the plan is core's, the object that carries it out is objects'",
    "unpublished": "the record is core's, its files are objects'",
    "ranges": "filesystem's and objects' are still to get two names",
    "report": "transfers' gathers the events of one run, the command makes a page of them",
    "run": "the demo's script, and the command that runs many",
    "streams": "cli's and wire's are still to get two names",
}
"""Why files of several folders have one name."""

USER_SAYS = {"upload", "copy", "download", "verify", "pending", "cancel", "keys", "doctor"}
"""What a user can say about one object (house rule: verbs/ holds nothing else)."""

LARGEST_SHARE = 0.17
"""Of all lines, for one folder without its subfolders."""

UNTESTED = {
    "engine/part_problem.py": "an exception with one field",
    "wire/s3/api.py": "only gathers names",
}
"""Modules without a test file of their own, and why."""

TESTED_LAYERS = ("core", "transfers", "objects", "engine", "wire", "mount", "jobs")
MODULES = [path for path in FILES if path.name != "__init__.py"]


def test_files_and_functions_stay_small() -> None:
    files = [(len(text_of(path).splitlines()), name_of(path)) for path in MODULES]
    functions = [
        (length(node), f"{name_of(path)}:{node.lineno} {node.name}")
        for path in FILES
        for node in nodes_of(path, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [file for file in files if file[0] > 400], "files over 400 lines"
    assert not [function for function in functions if function[0] > 60], "functions over 60 lines"
    assert statistics.median(lines for lines, _ in files) <= 150
    assert statistics.median(lines for lines, _ in functions) <= 8


def test_classes_stay_small() -> None:
    found = {
        f"{name_of(path)} {node.name}"
        for path in FILES
        for node in nodes_of(path, ast.ClassDef)
        if isinstance(node, ast.ClassDef) and length(node) > 250
    }
    assert found == set(), "classes over 250 lines"


def test_what_travels_together_is_one_parameter() -> None:
    found = {
        f"{name_of(path)} {cls.name}"
        for path in FILES
        if name_of(path).split("/")[0] in ("verbs", "objects", "transfers", "engine", "jobs")
        for cls in nodes_of(path, ast.ClassDef)
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__" and parameters(method) > 8
    }
    assert found - LONG_SIGNATURES == set(), "__init__ with more than 8 parameters"
    assert LONG_SIGNATURES - found == set(), "short now: take it off the list"


def test_a_name_is_one_file() -> None:
    """A verb and its front end (`verbs/x`, `jobs/x` and `cli/x`) share one; others need a reason."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        places[path.stem].add(path.parent.relative_to(PACKAGE).as_posix())
    shared = {name for name, folders in places.items() if len(folders - {"cli"}) > 1 or _front_end_of_none(folders)}
    assert shared - SAME_NAME.keys() == set(), "one name for two files"
    assert SAME_NAME.keys() - shared == set(), "no longer needed: take it off the list"


def _front_end_of_none(folders: set[str]) -> bool:
    return len(folders) > 1 and "cli" in folders and not folders & {"verbs", "jobs", "mount"}


def test_verbs_are_what_a_user_can_say() -> None:
    assert {path.stem for path in (PACKAGE / "verbs").glob("*.py")} - {"__init__"} <= USER_SAYS


def test_no_folder_outgrows_the_others() -> None:
    lines = Counter[str]()
    for path in FILES:
        lines[path.parent.relative_to(PACKAGE).as_posix()] += len(text_of(path).splitlines())
    (folder, most), total = lines.most_common(1)[0], lines.total()
    assert most <= LARGEST_SHARE * total, f"{folder}: {most} of {total} lines"


def test_file_of(path: Path) -> Path:
    return ROOT / "tests" / Path(name_of(path)).with_name(f"test_{path.name}")


test_file_of.__test__ = False  # type: ignore[attr-defined]


def test_each_module_has_a_test_file() -> None:
    tested = [path for path in MODULES if name_of(path).split("/")[0] in TESTED_LAYERS]
    without = {name_of(path) for path in tested if not test_file_of(path).exists()}
    assert without - UNTESTED.keys() == set(), "write tests/LAYER/test_MODULE.py"
    assert UNTESTED.keys() - without == set(), "tested now, or gone: take it off the list"
