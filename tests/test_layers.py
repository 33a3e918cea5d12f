"""The architecture as a test: folders are layers, imports go down, third parties have one door each."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "s3amfs"
FILES = sorted(PACKAGE.rglob("*.py"))

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


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layer_of(dotted: str) -> str:
    """'s3amfs.core.parts' -> 'core'; 's3amfs' -> '__init__'."""
    return dotted.split(".")[1] if "." in dotted else "__init__"


def module_of(path: Path) -> str:
    parts = ("s3amfs", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path, nodes: list[ast.AST] | None = None) -> list[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, also inside functions and for type checking."""
    found = []
    for node in ast.walk(tree_of(path)) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_of(path).split(".")
                package = package if path.name == "__init__.py" else package[:-1]
                base = ".".join(package[: len(package) - node.level + 1] + ([base] if base else []))
            # `from s3amfs.core import parts` imports a module, `from s3amfs.core.parts import Plan` a name in one
            deeper = base.split(".")[0] == "s3amfs"
            found += [(node.lineno, f"{base}.{alias.name}" if deeper else base) for alias in node.names]
    return found


def is_module(dotted: str) -> bool:
    path = ROOT / Path(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def own_module(dotted: str) -> str:
    """The module in a dotted name that may end in a name of that module."""
    return dotted if is_module(dotted) else dotted.rpartition(".")[0]


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


def test_no_cycles_at_import_time() -> None:
    graph = {}
    for path in FILES:
        top = [n for n in tree_of(path).body if isinstance(n, ast.Import | ast.ImportFrom)]
        graph[module_of(path)] = {own_module(d) for _, d in imports(path, list(top)) if d.startswith("s3amfs.")}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for imported in graph.get(module, ()):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def function_lengths() -> list[tuple[int, str]]:
    return [
        (node.end_lineno - node.lineno + 1, f"{name_of(path)}:{node.lineno} {node.name}")
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]


def test_files_and_functions_stay_small() -> None:
    files = [(len(p.read_text().splitlines()), name_of(p)) for p in FILES if p.name != "__init__.py"]
    functions = function_lengths()
    assert not [f for f in files if f[0] > 400], "files over 400 lines"
    assert not [f for f in functions if f[0] > 60], "functions over 60 lines"
    assert statistics.median(n for n, _ in files) <= 150
    assert statistics.median(n for n, _ in functions) <= 8


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_modules_say_what_they_are(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{name_of(path)} has no docstring"


def test_command_line_starts_light() -> None:
    code = "import sys, s3amfs.cli.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())
