"""Whole folders: moving them, and keys that are a folder's name as well."""

from __future__ import annotations

import errno
import posixpath
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.expected import NOTHING, WHATEVER, Expected
from ..errors import AccessDenied, BadCredentials, EncryptionKeyError, InvalidDestination, TargetChanged
from ..jobs.deletes import Deleted, Victim, delete_all
from ..wire.s3.api import bare_etag
from .arguments import customer_key
from .bridge import run

if TYPE_CHECKING:
    from .base import EngineFileSystem


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
        raise IsADirectoryError(errno.EISDIR, "a folder is moved with recursive=True", str(path1))
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
