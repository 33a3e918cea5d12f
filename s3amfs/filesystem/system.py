"""`S3AMFileSystem`: s3fs with the engine below it.

From `multipart_threshold` on, put, get, copy, pipe and cat go through verbs/ (`large.py`), and open files always.
Smaller objects are one request on the engine's connections (`small.py`); where the first attempt fails, s3fs does it
again and decides about errors. Whole trees are listed by jobs/ (`tree_system.py`); everything else is s3fs's. The event
loop never waits for the engine (`bridge.py`).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import fsspec
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from ..core.expected import WHATEVER, Expected
from ..core.locations import LocalPath
from ..wire.s3.api import bare_etag
from . import large, small
from .local import is_writable_object, put_source, replacing, size_of, unchanged
from .ranges import cat_ranges
from .tree_system import TreeFileSystem
from .trees import refuse_object, refuse_one_object, seen_at
from .wrapped import as_wanted, compression_of, text_arguments


class S3AMFileSystem(TreeFileSystem):
    """All arguments of s3fs.S3FileSystem, and:

    - part_size: bytes, or text such as '64MiB'; None: chosen.
    - slots: most requests with bodies at a time in each direction, for this instance; None: adapted.
    - multipart_threshold: bytes from which on the engine moves an object in parts.
    - checksum: 'auto', 'crc64nvme', 'crc32c', 'md5' or 'none'.
    - on_unfinished: 'resume', 'restart' or 'error': after an interrupted put or get of the same source and target.
    """

    protocol = ("s3am", "s3", "s3a")  # the latter two as in s3fs: paths may bear them, register_s3() needs them

    # -- put, get, copy, pipe, cat ----------------------------------------------------------------------------------

    async def _put_file(
        self,
        lpath: Any,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        if isinstance(lpath, str | os.PathLike) and os.path.isdir(lpath):
            return  # s3 has no directories; s3fs would make a bucket of the local path's name
        target = self.location(rpath)
        source = put_source(lpath)
        options = self.object_options(kwargs)
        if options is None or source is None or not target.key or target.version_id:
            await super()._put_file(lpath, rpath, callback, chunksize, max_concurrency, mode, **kwargs)
            return
        size = size_of(source)
        try:
            if size is not None and not self.is_large(size) and mode != "create":
                assert isinstance(source, LocalPath)
                if not await small.put_file(self, source.path, size, target, options, callback):
                    with unchanged(source.path):
                        await super()._put_file(lpath, rpath, callback, chunksize, max_concurrency, mode, **kwargs)
                return
            if size is not None:
                callback.set_size(size)
            chosen = self.upload_options(
                options, exclusive=mode == "create", chunksize=chunksize, max_concurrency=max_concurrency
            )
            await large.upload_file(self, source, target, chosen, callback)
        finally:
            self.forget(rpath)

    async def _get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        version_id: str | None = None,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        beside: list[OSError] | None = None,
        **kwargs: Any,
    ) -> None:
        """beside: for a tree; gets the error of an object with the name of a folder, so that the rest is fetched."""
        if is_writable_object(lpath):
            await large.get_into(self, rpath, lpath, callback, version_id)
            return
        if os.path.isdir(lpath):
            await refuse_object(self, rpath, os.fspath(lpath), beside)
            return
        source = self.location(rpath, version_id)
        lpath = os.fspath(lpath)

        async def theirs() -> None:
            with replacing(lpath) as beside:
                await super(S3AMFileSystem, self)._get_file(
                    rpath, beside, callback, version_id, chunksize, max_concurrency, **kwargs
                )

        if self._service is None or kwargs or not source.key:
            await theirs()
            return
        if await small.get_file(self, source, rpath, lpath, callback):
            return
        if self.version_aware or source.version_id is None:  # else s3fs's `info` would describe another version
            info = await self.look_up(rpath, source.version_id)
            if info["type"] == "directory" or not self.is_large(info["size"] or 0):
                await theirs()
                return
            callback.set_size(info["size"])
        await large.get_file(self, source, lpath, callback, chunksize=chunksize, max_concurrency=max_concurrency)

    async def _cp_file(
        self,
        path1: str,
        path2: str,
        preserve_etag: bool | None = None,
        copied: dict[str, str] | None = None,
        planned: list[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        """copied: for a move; gets `path1` and the ETag of what was there before it was copied.
        planned: gets both paths, and nothing is done."""
        if planned is not None:
            planned.append((path1, path2))
            return
        source = self.location(path1)
        if copied is None:
            await self._copy_one(path1, path2, await self.look_up(path1, source.version_id), preserve_etag, kwargs)
            return
        info = await self._info(path1, version_id=source.version_id, refresh=True)
        await refuse_one_object(self, path1, path2, info)
        expected = await seen_at(self, path2)
        if await self._copy_one(path1, path2, info, preserve_etag, kwargs, expected):
            copied[path1] = info.get("ETag") or ""

    async def _copy_one(
        self,
        path1: str,
        path2: str,
        info: dict[str, Any],
        preserve_etag: bool | None,
        kwargs: dict[str, Any],
        expected: Expected = WHATEVER,
    ) -> bool:
        """False if there was nothing to copy. info: what `path1` is. expected: what the copy may replace."""
        source, target = self.location(path1), self.location(path2)
        options = self.object_options(kwargs) if not preserve_etag else None
        if info["type"] == "directory" and source.key:
            return False  # S3 has no folders; what is in this one is copied by itself
        try:
            is_small = expected == WHATEVER and not self.is_large(info["size"] or 0)
            is_beyond = not source.key or target.version_id
            if options is None or is_beyond or (is_small and not await small.is_usable(self)):
                await super()._cp_file(path1, path2, preserve_etag=preserve_etag, **kwargs)
                return True
            if is_small and await small.copy_file(self, source, target, options):
                return True
            pinned = bare_etag(info.get("ETag") or "") if expected != WHATEVER else ""
            chosen = replace(self.upload_options(options), expected=expected, source_etag=pinned)
            await large.upload_file(self, source, target, chosen, DEFAULT_CALLBACK)
            return True
        finally:
            self.forget(path2)

    async def _pipe_file(
        self,
        path: str,
        data: bytes,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> Any:
        target = self.location(path)
        options = self.object_options(kwargs)
        theirs = partial(super()._pipe_file, path, data, max_concurrency=max_concurrency, mode=mode, **kwargs)
        if chunksize is not None:
            theirs = partial(theirs, chunksize=chunksize)
        if options is None or not target.key or target.version_id:
            return await theirs()
        try:
            if not self.is_large(len(data)) and mode != "create":
                return await small.pipe_file(self, data, target, options) or await theirs()
            chosen = self.upload_options(
                options, exclusive=mode == "create", chunksize=chunksize, max_concurrency=max_concurrency
            )
            return await large.pipe_file(self, data, target, chosen)
        finally:
            self.forget(path)

    async def _cat_file(
        self,
        path: str,
        version_id: str | None = None,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        source = self.location(path, version_id)
        theirs: Callable[[], Awaitable[bytes]] = partial(
            super()._cat_file, path, version_id=version_id, start=start, end=end, **kwargs
        )
        if self._service is None or not source.key:
            return await theirs()
        found = await small.cat(self, source, path, start, end)
        if found is not None:
            return found
        # A range needs the size as it is now, not as a listing had it. s3fs's `info` does not describe other versions.
        is_known = start is None and end is None and (self.version_aware or source.version_id is None)
        if is_known and not self.is_large((await self.look_up(path, source.version_id))["size"] or 0):
            return await theirs()
        return await large.cat(self, source, start, end, self.slots_of(kwargs.get("max_concurrency")))

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        if self._service is None or max_gap is not None or kwargs or not isinstance(paths, list):
            found: list[Any] = await super()._cat_ranges(
                paths, starts, ends, max_gap=max_gap, batch_size=batch_size, on_error=on_error, **kwargs
            )
            return found
        return await cat_ranges(self, paths, starts, ends, on_error)

    # -- open files -------------------------------------------------------------------------------------------------

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """An open file, as fsspec describes it.

        `with fs.open(path, "wb") as file`: an exception in the block publishes nothing. Nor does a file that is never
        closed; that gives a ResourceWarning. `close` publishes.
        """
        theirs = partial(super().open, block_size=block_size, cache_options=cache_options)
        if "r" in mode:
            return theirs(path, mode, compression=compression, **kwargs)
        text = text_arguments(mode, kwargs)
        file = theirs(path, mode if text is None else mode.replace("t", "") + "b", **kwargs)
        return as_wanted(file, compression_of(path, compression), text)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        from .files import open_file

        opened = open_file(self, path, mode, kwargs) if self._service is not None else None
        return opened if opened is not None else super()._open(path, mode, **kwargs)


def register_s3() -> None:
    """Makes `s3://` and `s3a://` URLs use S3AMFileSystem in this process."""
    for protocol in ("s3", "s3a"):
        fsspec.register_implementation(protocol, S3AMFileSystem, clobber=True)
