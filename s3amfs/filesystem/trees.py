"""Whole folders: moving them, and keys that are a folder's name as well."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import EngineFileSystem

BATCH = 1000
"""Keys that one DeleteObjects request takes."""


async def move(
    fs: EngineFileSystem, path1: Any, path2: Any, *, recursive: bool, maxdepth: int | None, **given: Any
) -> None:
    """`mv`: what is stored in the folder meanwhile was not copied, so it is not removed.

    given: as `copy` takes it. Raises what a copy raised; then nothing has been removed.
    """
    if path1 == path2:
        return
    copied: list[str] = []
    await fs._copy(path1, path2, recursive=recursive, maxdepth=maxdepth, on_error="raise", copied=copied, **given)
    if not copied and not recursive:
        raise IsADirectoryError(errno.EISDIR, "a folder is moved with recursive=True", str(path1))
    for at in range(0, len(copied), BATCH):
        await fs._bulk_delete(copied[at : at + BATCH])
    for path in copied:
        fs.forget(path)


async def refuse_object(fs: EngineFileSystem, rpath: str, lpath: str) -> None:
    """Raises IsADirectoryError if `rpath` is an object: the folder `lpath` has its name.

    A folder of S3 is nothing to fetch by itself; but the object 'a' beside 'a/b' would be left out in silence.
    """
    path = fs._strip_protocol(rpath)
    if rpath.endswith("/") or not fs.split_path(path)[1]:
        return
    try:
        listing = fs._ls_from_cache(fs._parent(path))
    except FileNotFoundError:
        listing = None
    if listing is None:
        is_object = (await fs._info(path, refresh=True))["type"] == "file"
    else:
        is_object = any(entry["type"] == "file" and entry["name"] == path for entry in listing)
    if is_object:
        raise IsADirectoryError(
            errno.EISDIR, f"the object s3://{path} and objects below that name exist: a file system has no room", lpath
        )
