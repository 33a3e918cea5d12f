"""The architecture as a test: folders are layers, imports go down, third parties have one door each."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import (
    FILES,
    ROOT,
    circles,
    import_graph,
    imports,
    layer_of,
    module_of,
    name_of,
    nodes_of,
    own_module,
    strings,
    tree_of,
)

LOWER: dict[str, set[str]] = {
    "errors": set(),
    "core": {"errors"},
    "wire": {"errors", "core"},
    "engine": {"errors", "core", "wire"},
    "transfers": {"errors", "core", "wire", "engine"},
    "objects": {"errors", "core", "wire", "engine", "transfers"},
    "verbs": {"errors", "core", "wire", "engine", "transfers", "objects"},
    "jobs": {"errors", "core", "wire", "engine", "transfers", "objects", "verbs"},
    "filesystem": {"errors", "core", "wire", "engine", "transfers", "objects", "verbs", "jobs"},
    "mount": {"errors", "core", "engine", "transfers", "objects", "verbs"},
    "demo": {"errors", "core", "engine", "transfers", "objects", "verbs"},
    "cli": {"errors", "core", "wire", "engine", "transfers", "objects", "verbs", "jobs", "mount", "demo"},
    "__init__": {"errors", "filesystem", "jobs"},
}
"""Layer -> layers it may import; each also itself."""

DOORS: dict[str, tuple[str, ...]] = {
    "pycurl": ("wire/curl/multi.py", "wire/curl/exchange.py"),
    "botocore": ("wire/aws/session.py", "wire/aws/endpoints.py", "wire/aws/signing.py"),
    "aiobotocore": (),
    "boto3": ("demo/",),
    "awscrt": ("core/checksums.py",),
    "s3fs": ("filesystem/",),
    "fsspec": ("filesystem/", "engine/fsspec_source.py"),
    "mfusepy": ("mount/operations.py", "mount/fuse.py", "mount/caller.py"),
    "dask": ("engine/cluster.py",),
    "distributed": ("engine/cluster.py",),
    "rich": ("cli/",),
    "pyftpdlib": ("demo/",),
}
"""Third party -> the files (or folders) that may import it."""

KNOWN_CIRCLES: list[set[str]] = [
    {f"s3amfs.filesystem.{name}" for name in ("small", "ranges", "files", "system")},
]
"""Circles that are still to be undone; the list only shrinks."""

CONDITIONS_ELSEWHERE: set[str] = set()
"""Files above wire/ that still write an `If-…` header themselves; the list only shrinks."""

IMPURE = {"socket", "ssl", "threading", "multiprocessing", "concurrent", "subprocess", "time", "asyncio", "select"}
IMPURE |= {"selectors", "http", "tempfile", "shutil", "signal", "fcntl", "mmap", "random", "secrets", "uuid"}
"""Standard modules that core/ may not import: time and randomness are arguments there, I/O is elsewhere."""

HEAVY = {
    "botocore",
    "boto3",
    "pycurl",
    "s3fs",
    "fsspec",
    "rich",
    "platformdirs",
    "asyncio",
    "awscrt",
    "mfusepy",
    "dask",
}
"""What `import s3amfs.cli.main` may not load: `s3am --help` takes 0.15 s at most."""


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    layer = layer_of(module_of(path))
    assert layer in LOWER, f"{name_of(path)} is in no known layer; say in LOWER what it may import"
    wrong = [
        f"{name_of(path)}:{line} imports {dotted}"
        for line, dotted in imports(path)
        if dotted.split(".")[0] == "s3amfs"
        and own_module(dotted) != "s3amfs"
        and layer_of(own_module(dotted)) not in {layer, *LOWER[layer]}
    ]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_third_parties_have_one_door(path: Path) -> None:
    wrong = []
    for line, dotted in imports(path):
        doors = DOORS.get(dotted.split(".")[0])
        if doors is not None and not any(
            name_of(path) == d or (d[-1] == "/" and name_of(path).startswith(d)) for d in doors
        ):
            wrong.append(f"{name_of(path)}:{line} imports {dotted}; its door: {doors}")
    assert not wrong


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("core/")], ids=name_of)
def test_core_is_pure(path: Path) -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {dotted}" for line, dotted in imports(path) if dotted.split(".")[0] in IMPURE
    ]
    calls = (n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
    wrong += [f"{name_of(path)}:{call.lineno} calls open()" for call in calls if call.func.id == "open"]  # type: ignore[attr-defined]
    assert not wrong


def test_no_circles() -> None:
    """Of any kind: imports inside functions and for types count, too."""
    found = circles(import_graph())
    assert [circle for circle in found if circle not in KNOWN_CIRCLES] == []
    assert [circle for circle in KNOWN_CIRCLES if circle not in found] == [], "gone: take it off the list"


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"e"}}
    assert circles(graph) == [{"b", "c"}, {"e"}]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_inside_the_package_are_relative(path: Path) -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for node in nodes_of(path, ast.Import, ast.ImportFrom)
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "s3amfs")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "s3amfs" for alias in node.names))
    ]
    assert wrong == [], "write `from ..core.parts import Plan`"


@pytest.mark.parametrize("path", [p for p in FILES if not name_of(p).startswith("wire/")], ids=name_of)
def test_conditions_are_headers_in_wire_only(path: Path) -> None:
    """A caller says what it expects under a name; what header says it is up to wire/."""
    found = [line for line, text in strings(path) if re.match(r"(x-amz-copy-source-)?if-[a-z]+-?[a-z]*\b", text, re.I)]
    if name_of(path) in CONDITIONS_ELSEWHERE:
        assert found, f"gone: take {name_of(path)} off the list"
    else:
        assert found == [], f"{name_of(path)} names a header If-…"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_modules_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{name_of(path)} has no docstring"


def test_command_line_starts_light() -> None:
    code = "import sys, s3amfs.cli.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
