"""Objects that one request moves: many at a time on the engine's connections. None or False: s3fs has to do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import Callback

from ..core.locations import LocalPath
from ..engine.loop import SMALL_BYTES
from ..errors import S3AMError
from ..transfers.as_asked import is_settled, look_at_stored, refuse_in_the_clear
from ..transfers.job import has_manifest
from ..transfers.one_request import Cut, Fetched, begin_get, begin_put
from ..transfers.small_copy import CopyOrder, begin_copy
from . import large
from .arguments import customer_key
from .bridge import answer, call, room, run, warn
from .local import read_file, write_file

if TYPE_CHECKING:
    from ..core.locations import S3Location
    from ..engine.client import S3Client
    from ..engine.limits import SlotGate
    from ..transfers.options import ObjectOptions, StoredInfo
    from .base import EngineFileSystem

QUICK_BYTES = 256 * 1024
"""Bytes that the event loop reads or writes itself: a thread would cost more time than the page cache does."""
GUESSED_BYTES = 1024 * 1024
"""Assumed size of an object that is in no listing; the reply shows a larger one."""


async def put_file(
    fs: EngineFileSystem, path: str, size: int, target: S3Location, options: ObjectOptions, callback: Callback
) -> bool:
    """Uploads a small file by one request. Returns False if it did not: then s3fs has to do it."""
    if size > SMALL_BYTES:
        return False
    if options.content_type is None:
        options = _with_guessed_type(options, path)
    client = await _client(fs)
    if client is None:
        return False
    if has_manifest(client, target):
        await large.upload_file(fs, LocalPath(path), target, fs.upload_options(options), callback)
        return True
    async with room(_gate(fs, client, 0), size):
        data = read_file(path) if size <= QUICK_BYTES else await run(partial(read_file, path))
        stored = await _store(fs, client, target, data, options)
    if stored is None and is_settled(client, target, options):
        return False
    call(callback.set_size, len(data))
    if stored is None:  # nobody looks how s3fs has stored it
        await large.upload_file(fs, LocalPath(path), target, fs.upload_options(options), callback)
    else:
        call(callback.relative_update, len(data))
    return True


async def pipe_file(
    fs: EngineFileSystem, data: Any, target: S3Location, options: ObjectOptions
) -> dict[str, Any] | None:
    """Stores small data by one request. Returns S3's answer in s3fs's form; None: not stored, s3fs has to do it."""
    if len(data) > SMALL_BYTES or not isinstance(data, bytes | bytearray | memoryview):
        return None
    client = await _client(fs)
    if client is None:
        return None
    if has_manifest(client, target):
        return await large.pipe_file(fs, data, target, fs.upload_options(options))
    async with room(_gate(fs, client, 0), len(data)):
        stored = await _store(fs, client, target, bytes(data), options)
    if stored is None and not is_settled(client, target, options):
        return await large.pipe_file(fs, data, target, fs.upload_options(options))
    return large.response_of(stored) if stored is not None else None


async def copy_file(fs: EngineFileSystem, source: S3Location, target: S3Location, options: ObjectOptions) -> bool:
    """Copies a small object by one request, after a look. Returns False if it did not: then a verb has to do it."""
    client = await _client(fs)
    if client is None or has_manifest(client, target):
        return False
    if options.content_headers() or not is_settled(client, target, options):
        return False  # content's headers: what the source has and what is given would have to be put together
    key = customer_key(fs.s3_additional_kwargs, "CopySource") or customer_key(fs.s3_additional_kwargs)
    order = CopyOrder(source, target, options, source_key=key, checksum=fs.checks)
    async with room(_gate(fs, client, 0)):
        begin = partial(_begin_copy, client, order)
        return await answer(begin, source.url) is not None


def _begin_copy(client: S3Client, order: CopyOrder, done: Callable[[StoredInfo | None], None]) -> Cut:
    return begin_copy(client, order, done, warn)


async def _store(
    fs: EngineFileSystem, client: S3Client, target: S3Location, data: bytes, options: ObjectOptions
) -> StoredInfo | None:
    """None: not stored. Raises Unsupported where it is not encrypted as it was to be; warns of what else is dropped."""
    settled = is_settled(client, target, options)
    if not settled:
        await run(partial(refuse_in_the_clear, client, target, options))
    stored: StoredInfo | None = await answer(partial(begin_put, client, target, data, options, fs.checks), target.url)
    if stored is not None and not settled:
        await run(partial(look_at_stored, client, target, options, stored, warn))
    return stored


async def is_usable(fs: EngineFileSystem) -> bool:
    """Whether the engine has credentials and a configuration; without them errors are s3fs's, which its users know."""
    return await _client(fs) is not None


async def get_file(fs: EngineFileSystem, source: S3Location, path: str, lpath: str, callback: Callback) -> bool:
    """Downloads a small object by one request. Returns False if it did not: then s3fs has to do it."""
    fetched = await _fetch(fs, source, path, None)
    if fetched is None:
        return False
    size = len(fetched.data)
    call(callback.set_size, size)
    # What the callback raises leaves nothing under the target's name.
    write = partial(write_file, lpath, fetched.data, partial(call, callback.relative_update, size))
    if size <= QUICK_BYTES:
        write()
    else:
        await run(write)
    return True


async def cat(fs: EngineFileSystem, source: S3Location, path: str, start: int | None, end: int | None) -> bytes | None:
    """Bytes [start, end); only what needs no size to be known."""
    span = None
    if start is not None or end is not None:
        span = (start or 0, end if end is not None else -1)
        if not 0 <= span[0] < span[1]:
            return None
    fetched = await _fetch(fs, source, path, span)
    return fetched.data if fetched is not None else None


async def _fetch(fs: EngineFileSystem, source: S3Location, path: str, span: tuple[int, int] | None) -> Fetched | None:
    size = span[1] - span[0] if span is not None else _known_size(fs, source, path)
    expected = size if size is not None else GUESSED_BYTES
    most = min(fs.threshold - 1, SMALL_BYTES)
    if most <= 0 or (size is not None and size > most):
        return None
    client = await _client(fs)
    if client is None:
        return None
    key = customer_key(fs.s3_additional_kwargs)
    limit = min(max(expected, GUESSED_BYTES), most)
    async with room(_gate(fs, client, 1), expected):
        begin = partial(begin_get, client, source, limit=limit, span=span, customer_key=key)
        return await answer(begin, source.url)


async def _client(fs: EngineFileSystem) -> S3Client | None:
    """None without usable credentials or configuration."""
    try:
        return await fs.ready_client()
    except S3AMError:
        return None


def _known_size(fs: EngineFileSystem, source: S3Location, path: str) -> int | None:
    """From a listing; it may be old, so it is only a first guess."""
    if source.version_id:
        return None
    name = fs._strip_protocol(path)
    try:
        listing = fs._ls_from_cache(name) or ()
    except FileNotFoundError:  # it may be younger than the listing
        return None
    listed = next((entry for entry in listing if entry["name"] == name), None)
    return listed["size"] if listed is not None else None


def _gate(fs: EngineFileSystem, client: S3Client, direction: int) -> SlotGate:
    """With `slots` these count as any other request with a body."""
    return fs.gates()[direction] if fs.slots is not None else client.engine.small


def _with_guessed_type(options: ObjectOptions, path: str) -> ObjectOptions:
    """As s3fs does it."""
    import mimetypes
    from dataclasses import replace

    return replace(options, content_type=mimetypes.guess_type(path)[0])
