"""Whole folders: what is in them, moving them, and keys that are a folder's name as well."""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem, make_path_posix, trailing_sep
from fsspec.utils import other_paths

from ..core.define import define
from ..core.entries import Kind, not_a_key
from ..core.expected import NOTHING, WHATEVER, Expected
from ..errors import (
    AccessDenied,
    BadCredentials,
    EncryptionKeyError,
    InvalidDestination,
    InvalidSource,
    NotFound,
    S3AMError,
    TargetChanged,
)
from ..jobs.deletes import Deleted, Victim, delete_all
from ..jobs.walk import walk
from ..wire.s3.api import bare_etag
from .arguments import customer_key
from .bridge import run

if TYPE_CHECKING:
    from .base import EngineFileSystem


Pairs = tuple[list[Any], list[Any]]
"""Sources, and the name that each gets."""


@define(frozen=True, slots=True)
class Tree:
    """A folder as `put` and `get` take it: pairs of names, and what cannot be moved."""

    sources: list[str]
    targets: list[str]
    problem: S3AMError | None = None
    """Names the first entry that cannot be moved; the others are."""

    def check(self) -> None:
        """When the others have been moved. Raises `problem`."""
        if self.problem is not None:
            raise self.problem


async def local_tree(fs: EngineFileSystem, lpath: Any, rpath: Any) -> Tree | None:
    """The files below the folder `lpath`, and their names below `rpath` as fsspec's `put` gives them.

    Returns None for what is no folder, and for patterns: fsspec expands these.
    """
    if not isinstance(lpath, str) or not isinstance(rpath, str) or has_magic(lpath):
        return None
    root = make_path_posix(lpath).rstrip("/")
    if not root or not os.path.isdir(root):
        return None
    base = fs._strip_protocol(rpath).rstrip("/")
    if not trailing_sep(lpath) and (trailing_sep(rpath) or await fs._isdir(rpath)):
        base += "/" + posixpath.basename(root)
    prefix = fs.location(base).key + "/"
    sources, targets = [root], [base]
    problems: list[S3AMError] = []
    for entry in await run(lambda: list(walk(root))):
        why = entry.problem or not_a_key(prefix + entry.key)
        if why:
            kind = NotFound if entry.kind is Kind.LINK else InvalidSource
            problems.append(kind(f"{root}/{entry.key}: {why}"))
        elif entry.kind is not Kind.FOLDER:
            sources.append(f"{root}/{entry.key}")
            targets.append(f"{base}/{entry.key}")
    return Tree(sources, targets, _first(problems))


async def remote_tree(fs: EngineFileSystem, rpath: Any, lpath: Any) -> Tree | None:
    """The objects below the folder `rpath`, and their names below `lpath` as fsspec's `get` gives them.

    Returns None for what is no folder, for patterns, and where a name has '..': fsspec sees to these.
    """
    if not isinstance(rpath, str) or not isinstance(lpath, str | os.PathLike):
        return None
    root = fs._strip_protocol(rpath)
    if has_magic(root) or fs._service is None or not root or fs.location(root).version_id:
        return None
    found = sorted(set(await fs._find(root, withdirs=True)))  # an object and a folder may have one name
    if not found or found == [root] or any(".." in name.split("/") for name in found):
        return None
    path = make_path_posix(os.fspath(lpath))
    base = path.rstrip("/")
    if not trailing_sep(rpath) and (trailing_sep(path) or os.path.isdir(path)):
        base += "/" + posixpath.basename(root)
    sources = [root, *(name for name in found if name != root)]
    targets = [base + name[len(root) :] for name in sources]
    twice = _names_of_several(targets)
    problems: list[S3AMError] = [
        InvalidDestination(f"s3://{source}: another object would have the same local name {os.path.normpath(target)}")
        for source, target in zip(sources, targets, strict=True)
        if os.path.normpath(target) in twice and not target.endswith("/")
    ]
    kept = [pair for pair in zip(sources, targets, strict=True) if os.path.normpath(pair[1]) not in twice]
    return Tree([source for source, _ in kept], [target for _, target in kept], _first(problems))


def _names_of_several(targets: Iterable[str]) -> set[str]:
    """Local files that more than one object would become: 'a//b' and 'a/b' are one."""
    counted = Counter(os.path.normpath(target) for target in targets if not target.endswith("/"))
    return {name for name, count in counted.items() if count > 1}


def _first(problems: list[S3AMError]) -> S3AMError | None:
    if len(problems) < 2:
        return problems[0] if problems else None
    return type(problems[0])(f"{problems[0].message} (and {len(problems) - 1} more)")


async def move(
    fs: EngineFileSystem, path1: Any, path2: Any, *, recursive: bool, maxdepth: int | None, **given: Any
) -> None:
    """`mv`: an object stored in the folder meanwhile was not copied, so it is not removed.

    given: as `copy` takes it. Raises what a copy raised; then nothing has been removed.
    """
    if path1 == path2:
        return
    copied: dict[str, str] = {}
    await fs._copy(path1, path2, recursive=recursive, maxdepth=maxdepth, on_error="raise", copied=copied, **given)
    if not copied and not recursive:
        raise IsADirectoryError(errno.EISDIR, "to move a folder, give recursive=True", str(path1))
    try:
        await _remove(fs, copied)
    finally:
        for path in copied:
            fs.forget(path)


async def _remove(fs: EngineFileSystem, moved: dict[str, str]) -> None:
    """Removes what was copied, each on the condition that it is still that. moved: path and ETag.

    Raises TargetChanged for what somebody else has stored there meanwhile: it stays.
    """
    if fs._service is None:  # a service that s3fs alone knows
        await fs._bulk_delete(list(moved))
        return
    buckets: dict[str, list[Victim]] = {}
    for path, etag in moved.items():
        where = fs.location(path)
        buckets.setdefault(where.bucket, []).append(Victim(where.key, etag=bare_etag(etag)))
    client = await fs.ready_client()
    for bucket, victims in buckets.items():
        done: list[Deleted] = await run(partial(list, delete_all(client, bucket, victims)))
        kept = next((found for found in done if found.changed or found.error), None)
        if kept is not None:
            url = f"s3://{bucket}/{kept.victim.key}"
            raise TargetChanged(
                f"{url} was copied and is still there: {kept.error or 'another client has replaced it'}"
            )


async def seen_at(fs: EngineFileSystem, path: str) -> Expected:
    """Looks at the target of a move, which replaces that and nothing that is stored there later.

    Returns WHATEVER where the target may be written and not be looked at. Raises BadCredentials, NotFound (no such
    bucket), TransferError.
    """
    target = fs.location(path)
    if fs._service is None or not target.key or target.version_id:
        return WHATEVER
    client = await fs.ready_client()
    key = customer_key(fs.s3_additional_kwargs)
    try:
        there = await run(partial(client.find, target.bucket, target.key, customer_key=key))
    except BadCredentials:
        raise
    except (AccessDenied, EncryptionKeyError):
        return WHATEVER
    return NOTHING if there is None else there.expected


async def refuse_one_object(fs: EngineFileSystem, path1: str, path2: str, info: dict[str, Any]) -> None:
    """Raises InvalidDestination if the server takes both names for one object: to move it would delete it.

    Some servers fold '//', '/./' and the like. info: what `path1` is.
    """
    source, target = fs.location(path1), fs.location(path2)
    if source.bucket != target.bucket or posixpath.normpath(source.key) != posixpath.normpath(target.key):
        return
    try:
        there = await fs._info(path2, refresh=True)
    except FileNotFoundError:
        return
    if there.get("ETag") == info.get("ETag") and there.get("LastModified") == info.get("LastModified"):
        raise InvalidDestination(f"{source.url} and {target.url} are one object on this server: nothing is moved")


async def refuse_mixing(
    fs: EngineFileSystem, path1: str, path2: str, copy: Callable[..., Awaitable[Any]], given: dict[str, Any]
) -> None:
    """Raises InvalidDestination if a folder goes into itself, over objects that are to be copied or moved, too.

    All are copied at a time, so that which content arrives would be chance. copy: lists pairs of names in `planned`.
    """
    root, target = fs._strip_protocol(path1), fs._strip_protocol(path2)
    if has_magic(root):
        root = re.split(r"[*?\[]", root)[0].rpartition("/")[0]
    if not (target + "/").startswith(root + "/"):
        return
    planned: list[tuple[str, str]] = []
    await copy(**{**given, "planned": planned})
    sources = {fs._strip_protocol(source) for source, _ in planned} & set(await fs._find(root))
    for source, name in planned:
        source, name = fs._strip_protocol(source), fs._strip_protocol(name)
        if source in sources and name in sources and source != name:
            raise InvalidDestination(
                f"s3://{source} would go to s3://{name}, which is to be copied as well: give a folder that is not in "
                f"s3://{root}"
            )


async def refuse_meeting(fs: EngineFileSystem, copy: Callable[..., Awaitable[Any]], given: dict[str, Any]) -> None:
    """Raises InvalidDestination if a list of copies would replace what it copies, or one copy by another.

    All are made at a time, and a move removes the sources: what was replaced would be lost. copy: lists pairs of names
    in `planned`.
    """
    planned: list[tuple[str, str]] = []
    await copy(**{**given, "planned": planned})
    pairs = [(fs._strip_protocol(source), fs._strip_protocol(name)) for source, name in planned if source[-1:] != "/"]
    folders = {folder for source, _ in pairs for folder in _folders_above(source)}
    objects = [(source, name) for source, name in pairs if source not in folders]
    sources = {source for source, _ in objects}
    for source, name in objects:
        if source != name and name in sources:
            raise InvalidDestination(f"s3://{source} would replace s3://{name}, which is to be copied as well")
    refuse_one_target(objects)


def refuse_one_target(pairs: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidDestination if two sources have one target: only one of them would be there. pairs: both names."""
    taken: dict[str, str] = {}
    for source, name in pairs:
        if taken.setdefault(name, source) != source:
            raise InvalidDestination(
                f"{taken[name]} and {source} would both become {name}: give each a name of its own"
            )


def is_list(names: Any) -> bool:
    """Whether `put`, `get` or `copy` is given several sources; a set or an iterator will do."""
    return (
        isinstance(names, Iterable) and not isinstance(names, str | bytes | os.PathLike) and not hasattr(names, "read")
    )


async def local_pairs(
    fs: EngineFileSystem, sources: Any, target: Any, *, recursive: bool, maxdepth: int | None
) -> Pairs:
    """A list as `put` takes it, without patterns: fsspec's pairs of names; of a folder with a name of its own, all.

    Raises InvalidDestination if two files would become one object, ValueError if each is to have a name, and has none.
    """
    local = LocalFileSystem()
    if isinstance(target, list | tuple):
        pairs = _paired(sources, target)
        for source, name in pairs.copy() if recursive else ():
            if isinstance(source, str | os.PathLike) and os.path.isdir(source):
                root = make_path_posix(os.fspath(source)).rstrip("/")
                below = await run(partial(local.find, root, maxdepth=maxdepth))
                pairs += [(found, str(name).rstrip("/") + found[len(root) :]) for found in below]
    else:
        found = await run(partial(local.expand_path, list(sources), recursive=recursive, maxdepth=maxdepth))
        pairs = list(zip(found, other_paths(found, fs._strip_protocol(target), flatten=True), strict=True))
    files = [(str(source), fs._strip_protocol(str(name))) for source, name in pairs if not os.path.isdir(source)]
    refuse_one_target(files)
    return [source for source, _ in pairs], [name for _, name in pairs]


async def remote_pairs(
    fs: EngineFileSystem, sources: Any, target: Any, *, recursive: bool, maxdepth: int | None
) -> Pairs:
    """A list as `get` and `copy` take it, without patterns and, if `recursive`, without folders: pairs of names.

    Raises ValueError if each is to have a name of its own, and has none.
    """
    if isinstance(target, list | tuple):
        pairs = _paired(sources, target)
        if recursive:
            names = [(fs._strip_protocol(source), str(name).rstrip("/")) for source, name in pairs]
            pairs = []
            for source, name in names:
                found = await fs._expand_path([source], recursive=True, maxdepth=maxdepth, assume_literal=True)
                pairs += [(path, name + path[len(source) :]) for path in found]
    else:
        found = await fs._expand_path(list(sources), recursive=recursive, maxdepth=maxdepth)
        found = [path for path in found if not trailing_sep(path)]  # the object of a folder, which is not kept
        pairs = list(zip(found, other_paths(found, str(target), flatten=True), strict=True))
    if recursive:
        folders = {folder for source, _ in pairs for folder in _folders_above(source)}
        pairs = [pair for pair in pairs if pair[0] not in folders or await fs.object_beside(pair[0]) is not None]
    return [source for source, _ in pairs], [name for _, name in pairs]


async def objects_at(fs: EngineFileSystem, source: str, target: str, is_folder: bool, maxdepth: int | None) -> Pairs:
    """Objects that a `get` or `copy` without recursion moves, and their names as fsspec has them.

    is_folder: `target` is one. Raises FileNotFoundError.
    An object may have the name of a folder: fsspec takes it for one, and would leave it out.
    """
    names = []
    for name in await fs._expand_path(source, maxdepth=maxdepth):
        if trailing_sep(name):
            continue
        if not await fs._isdir(name) or (not trailing_sep(source) and await fs.object_beside(name) is not None):
            names.append(name)
    if has_magic(source):
        exists = len(names) == 1
    else:
        exists = is_folder and not trailing_sep(source)
    return names, other_paths(names, target, exists=exists) if names else []


def _paired(sources: Any, targets: Any) -> list[tuple[Any, Any]]:
    sources = list(sources)
    if len(sources) != len(targets):
        raise ValueError(f"{len(sources)} sources and {len(targets)} targets: give one target for each source")
    return list(zip(sources, targets, strict=True))


def _folders_above(name: str) -> Iterable[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


async def refuse_object(fs: EngineFileSystem, rpath: str, lpath: str, beside: list[OSError] | None = None) -> None:
    """Raises IsADirectoryError if `rpath` is an object: the folder `lpath` has its name. beside: gets it instead.

    A folder of S3 is nothing to fetch by itself; but the object 'a' beside 'a/b' would be left out in silence.
    """
    found = await fs.object_beside(rpath)
    if found is not None:
        error = IsADirectoryError(
            errno.EISDIR,
            f"the object s3://{found['name']} and objects below that name exist: a file system cannot hold both",
            lpath,
        )
        if beside is None:
            raise error
        beside.append(error)
