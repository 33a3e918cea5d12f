"""The package's own source, parsed once: what it imports, defines and says. For the tests of its architecture."""

from __future__ import annotations

import ast
import functools
import gc
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "s3amfs"
FILES = sorted(PACKAGE.rglob("*.py"))


def tool(name: str) -> Any:
    """The module tools/NAME.py, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(path: Path) -> str:
    """'core/parts.py'."""
    return path.relative_to(PACKAGE).as_posix()


def layer_of(dotted: str) -> str:
    """'s3amfs.core.parts' -> 'core'; 's3amfs' -> '__init__'."""
    return dotted.split(".")[1] if "." in dotted else "__init__"


def module_of(path: Path) -> str:
    parts = ("s3amfs", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def tree_of(path: Path) -> ast.Module:
    return _trees()[path]


@functools.cache
def _trees() -> dict[Path, ast.Module]:
    """All of FILES; the collector would look at them again and again while they come, two thirds of the time."""
    gc.disable()
    try:
        return {path: ast.parse(text_of(path), str(path)) for path in FILES}
    finally:
        gc.freeze()
        gc.enable()


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk`, which takes twice as long, but depth first, and without contexts such as `ast.Load`."""
    todo: list[Any] = [node]
    while todo:
        current = todo.pop()
        yield current
        for name in current._fields:
            value = getattr(current, name, None)
            if isinstance(value, list):
                todo += [each for each in reversed(value) if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                todo.append(value)


@functools.cache
def _nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(_below(tree_of(path)))


def nodes_of(path: Path, *kinds: type) -> Iterator[ast.AST]:
    """Every node of these kinds, at any depth."""
    return (node for node in _nodes_of(path) if isinstance(node, kinds))


@functools.cache
def imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, also inside functions and for type checking."""
    found = []
    for node in nodes_of(path, ast.Import, ast.ImportFrom):
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


@functools.cache
def own_module(dotted: str) -> str:
    """The module in a dotted name that may end in a name of that module."""
    path = ROOT / Path(*dotted.split("."))
    return dotted if path.is_dir() or path.with_suffix(".py").exists() else dotted.rpartition(".")[0]


def import_graph() -> dict[str, set[str]]:
    """Module -> our modules that it imports, anywhere in the file and for whatever purpose."""
    return {
        module_of(path): {own_module(dotted) for _, dotted in imports(path) if dotted.split(".")[0] == "s3amfs"}
        - {module_of(path)}
        for path in FILES
    }


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules of which each imports each other, directly or through others (strongly connected components)."""
    reach = {module: _reachable(graph, module) for module in graph}
    found: list[set[str]] = []
    for module in graph:
        together = {other for other in reach[module] if module in reach.get(other, ())}
        if together and together not in found:
            found.append(together)
    return found


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += graph.get(module, ())
    return seen


def length(node: ast.AST) -> int:
    """Lines of a definition."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def parameters(function: ast.FunctionDef) -> int:
    """How many parameters a method has, without `self`."""
    given = function.args
    return len([*given.posonlyargs, *given.args, *given.kwonlyargs]) - 1


def strings(path: Path) -> Iterable[tuple[int, str]]:
    """(line, text) of every string that is no docstring, f-strings piece by piece."""
    documented = {id(docstring) for docstring in _docstrings(path)}
    for node in nodes_of(path, ast.Constant):
        assert isinstance(node, ast.Constant)
        if isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, node.value


def docstrings(path: Path) -> Iterable[tuple[int, str]]:
    """(line, text) of every docstring, of modules, classes, functions, and below attributes."""
    return ((node.lineno, str(node.value)) for node in _docstrings(path))


def _docstrings(path: Path) -> Iterator[ast.Constant]:
    for node in nodes_of(path, ast.Expr):
        assert isinstance(node, ast.Expr)
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value
