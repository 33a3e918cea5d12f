"""The architecture as a test: folders are layers, imports go down, third parties have one door each."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

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
    "cluster": {"jobs"},
    "__init__": {"errors", "filesystem", "jobs"},
}
"""Layer -> layers it may import; each also itself."""

DOORS: dict[str, tuple[str, ...]] = {
    "pycurl": ("wire/curl/multi.py", "wire/curl/direct.py", "wire/curl/exchange.py", "wire/curl/handle.py"),
    "botocore": (
        "wire/aws/session.py",
        "wire/aws/credentials.py",
        "wire/aws/endpoints.py",
        "wire/aws/signing.py",
        "wire/aws/botocore_errors.py",
    ),
    "aiobotocore": (),
    "boto3": ("demo/",),
    "awscrt": ("core/checksums.py",),
    "s3fs": ("filesystem/",),
    "fsspec": ("filesystem/", "engine/fsspec_source.py"),
    "mfusepy": ("mount/operations.py", "mount/fuse.py", "mount/caller.py"),
    "dask": ("jobs/dask_cluster.py",),
    "rich": ("cli/", "filesystem/rich_callback.py"),
    "distributed": ("jobs/block_writer.py", "jobs/dask_cluster.py"),
    "pyftpdlib": ("demo/",),
}
"""Third party -> the files (or folders) that may import it."""

KNOWN_CIRCLES: list[set[str]] = []
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


def test_imports_go_down() -> None:
    layers = {layer_of(module_of(path)) for path in FILES}
    assert layers - LOWER.keys() == set(), "unknown layers; say in LOWER what they may import"
    wrong = [
        f"{name_of(path)}:{line} imports {dotted}"
        for path in FILES
        for line, dotted in imports(path)
        if dotted.split(".")[0] == "s3amfs"
        and own_module(dotted) != "s3amfs"
        and layer_of(own_module(dotted)) not in {layer_of(module_of(path)), *LOWER[layer_of(module_of(path))]}
    ]
    assert wrong == []


def test_third_parties_have_one_door() -> None:
    wrong = []
    for path in FILES:
        for line, dotted in imports(path):
            doors = DOORS.get(dotted.split(".")[0])
            if doors is not None and not any(
                name_of(path) == d or (d[-1] == "/" and name_of(path).startswith(d)) for d in doors
            ):
                wrong.append(f"{name_of(path)}:{line} imports {dotted}; its door: {doors}")
    assert wrong == []


def test_core_is_pure() -> None:
    core = [path for path in FILES if name_of(path).startswith("core/")]
    wrong = [
        f"{name_of(path)}:{line} imports {dotted}"
        for path in core
        for line, dotted in imports(path)
        if dotted.split(".")[0] in IMPURE
    ]
    wrong += [
        f"{name_of(path)}:{call.lineno} calls open()"
        for path in core
        for call in nodes_of(path, ast.Call)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "open"
    ]
    assert wrong == []


def test_no_circles() -> None:
    """Of any kind: imports inside functions and for types count, too."""
    found = circles(import_graph())
    assert [circle for circle in found if circle not in KNOWN_CIRCLES] == []
    assert [circle for circle in KNOWN_CIRCLES if circle not in found] == [], "gone: take it off the list"


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str](), "e": {"e"}}
    assert circles(graph) == [{"b", "c"}, {"e"}]


def test_imports_inside_the_package_are_relative() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        for node in nodes_of(path, ast.Import, ast.ImportFrom)
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "s3amfs")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "s3amfs" for alias in node.names))
    ]
    assert wrong == [], "write `from ..core.parts import Plan`"


def test_conditions_are_headers_in_wire_only() -> None:
    """A caller says what it expects under a name; what header says it is up to wire/."""
    header = re.compile(r"(x-amz-copy-source-)?if-[a-z]+", re.IGNORECASE)
    found = {name_of(path) for path in FILES for _, text in strings(path) if header.match(text)}
    above = {name for name in found if not name.startswith("wire/")}
    assert above - CONDITIONS_ELSEWHERE == set(), "files that name a header If-…"
    assert CONDITIONS_ELSEWHERE - above == set(), "gone: take it off the list"


def test_modules_say_what_they_are() -> None:
    assert [name_of(path) for path in FILES if not ast.get_docstring(tree_of(path))] == [], "no docstring"


def test_command_line_starts_light() -> None:
    code = "import sys, s3amfs.cli.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
