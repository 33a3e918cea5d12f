"""`S3AMFileSystem`: s3fs with the engine below it for everything that is large.

From `multipart_threshold` on, put, get, copy, pipe, cat and open files go through verbs/; the rest, listings and small
objects, is s3fs as it is. The engine works in its own threads: the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import fsspec
import s3fs
from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from .core.events import BytesMoved, Event
from .core.locations import LocalPath, Location, S3Location, Url, parse_source
from .core.sizes import parse_size
from .engine.client import S3Client
from .engine.slots import SlotGate
from .fs_options import customer_key, object_options, service
from .verbs.connect import connect
from .verbs.copy import copy
from .verbs.download import download
from .verbs.options import DownloadOptions, ObjectOptions, UploadOptions
from .verbs.ranges import Pinned, read_ranges, read_whole
from .verbs.upload import upload

THRESHOLD = 16 * 1024 * 1024
"""Below it one request does, and s3fs is as good."""

Unfinished = Literal["resume", "restart", "error"]


class S3AMFileSystem(s3fs.S3FileSystem):  # type: ignore[misc]
    """All arguments of s3fs.S3FileSystem, and:

    part_size: bytes, or text such as '64MiB'; None: chosen. slots: most requests with bodies at a time in each
    direction, for this instance; None: adapted. multipart_threshold: bytes from which on the engine moves an object.
    checksum: 'auto', 'crc64nvme', 'crc32c', 'md5' or 'none'. on_unfinished: what to do about an interrupted put or get
    of the same source to the same target: 'resume', 'restart' or 'error'.
    """

    protocol = ("s3am", "s3", "s3a")  # the latter two as in s3fs: paths may bear them, register_s3() needs them

    _pid: int

    def __init__(
        self,
        *args: Any,
        part_size: int | str | None = None,
        slots: int | None = None,
        multipart_threshold: int | str | None = None,
        checksum: str = "auto",
        on_unfinished: Unfinished = "resume",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if on_unfinished not in ("resume", "restart", "error"):
            raise ValueError(f"on_unfinished={on_unfinished!r}: give 'resume', 'restart' or 'error'")
        self.part_size = parse_size(part_size) if part_size is not None else None
        self.slots = slots
        self.threshold = parse_size(multipart_threshold) if multipart_threshold is not None else THRESHOLD
        self.checksum_choice = checksum
        self.on_unfinished = on_unfinished
        self._gates = [SlotGate(slots), SlotGate(slots)] if slots is not None else [None, None]
        self._service = service(self)
        self._client: S3Client | None = None

    # -- the engine's side ------------------------------------------------------------------------------------------

    @property
    def loop(self) -> Any:
        """The event loop; in a forked child a new one, since threads do not survive a fork."""
        if self._pid != os.getpid():
            fsspec.asyn.reset_lock()
            fsspec.asyn.iothread[0] = fsspec.asyn.loop[0] = None
            self._pid = os.getpid()
            self._loop = None if self.asynchronous else fsspec.asyn.get_loop()
            self._s3 = None
            if self._session_is_owned:
                self.session = None
            self._set_session_lock = asyncio.Lock()
        return self._loop

    @property
    def client(self) -> S3Client | None:
        """The engine's client for this service; None if only s3fs knows how to talk to it."""
        if self._client is None and self._service is not None:
            self._client = connect(self._service)
        return self._client

    def location(self, path: str, version_id: str | None = None) -> S3Location:
        bucket, key, version = self.split_path(path)
        return S3Location(bucket, key, version_id or version)

    def _object_options(self, given: dict[str, Any]) -> ObjectOptions | None:
        return object_options({**self.s3_additional_kwargs, **given})

    def _upload_options(self, options: ObjectOptions, *, exclusive: bool) -> UploadOptions:
        modes: dict[str, Any] = {"resume": "continue", "restart": "restart", "error": "refuse"}
        return UploadOptions(
            unfinished=modes[self.on_unfinished],
            exists="overwrite",
            part_size=self.part_size,
            upload_slots=self.slots,
            download_slots=self.slots,
            object=replace(options, if_none_match="*") if exclusive else options,
            source_key=customer_key(self.s3_additional_kwargs, "CopySource") or customer_key(self.s3_additional_kwargs),
            checksum=None if self.checksum_choice == "auto" else self.checksum_choice,  # type: ignore[arg-type]
        )

    def pinned(self, location: S3Location) -> Pinned:
        """`location` as it is now. Blocks; raises FileNotFoundError, PermissionError."""
        client = self.client
        assert client is not None
        key = customer_key(self.s3_additional_kwargs)
        info = client.head(location.bucket, location.key, version_id=location.version_id, customer_key=key)
        return Pinned(client, location, info, key, self._gates[1])

    def _forget(self, path: str) -> None:
        while path:
            self.invalidate_cache(path)
            path = self._parent(path)

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
        target = self.location(rpath)
        source = _put_source(lpath)
        options = self._object_options(kwargs) if self._service is not None and target.key else None
        is_large = isinstance(source, Url) or (
            isinstance(source, LocalPath)
            and os.path.isfile(source.path)
            and self._is_large(os.path.getsize(source.path))
        )
        if options is None or source is None or not is_large:
            if isinstance(lpath, str | os.PathLike) and os.path.isdir(lpath):
                return  # s3 has no directories; s3fs would make a bucket of the local path's name
            await super()._put_file(lpath, rpath, callback, chunksize, max_concurrency, mode, **kwargs)
            return
        if isinstance(source, LocalPath):
            callback.set_size(os.path.getsize(source.path))
        upload_options = self._upload_options(options, exclusive=mode == "create")
        await asyncio.to_thread(self._run_upload, source, target, upload_options, callback)
        self._forget(rpath)

    def _run_upload(self, source: Location, target: S3Location, options: UploadOptions, callback: Callback) -> None:
        client = self.client
        assert client is not None
        upload(source, target, client, options, on_event=_telling(callback), gate=self._gates[0])

    async def _get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        version_id: str | None = None,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(lpath, str | os.PathLike) or os.path.isdir(lpath):
            if hasattr(lpath, "write"):
                await self._get_into(rpath, lpath, callback, version_id)
            return
        info = await self._info(rpath, version_id=version_id) if self._service is not None else {"size": 0}
        if kwargs or not self._is_large(info["size"] or 0):
            await super()._get_file(rpath, lpath, callback, version_id, chunksize, max_concurrency, **kwargs)
            return
        callback.set_size(info["size"])
        modes: dict[str, Any] = {"resume": "resume", "restart": "discard", "error": "refuse"}
        options = DownloadOptions(
            file_exists="overwrite",
            download_exists=modes[self.on_unfinished],
            part_size=self.part_size,
            download_slots=self.slots,
            customer_key=customer_key(self.s3_additional_kwargs),
        )
        location = self.location(rpath, version_id)
        await asyncio.to_thread(self._run_download, location, LocalPath(os.fspath(lpath)), options, callback)

    def _run_download(
        self, source: S3Location, target: LocalPath, options: DownloadOptions, callback: Callback
    ) -> None:
        client = self.client
        assert client is not None
        download(source, target, client, options, on_event=_telling(callback), gate=self._gates[1])

    async def _get_into(self, rpath: str, file: Any, callback: Callback, version_id: str | None) -> None:
        """Into an open file object, in order."""
        from .verbs.reader import ObjectReader

        def run() -> None:
            reader = ObjectReader(self.pinned(self.location(rpath, version_id)))
            callback.set_size(reader.size)
            try:
                at = 0
                while data := reader.pread(at, 1024 * 1024):
                    file.write(data)
                    at += len(data)
                    callback.relative_update(len(data))
            finally:
                reader.close()

        await asyncio.to_thread(run)

    async def _cp_file(self, path1: str, path2: str, preserve_etag: bool | None = None, **kwargs: Any) -> None:
        source, target = self.location(path1), self.location(path2)
        options = self._object_options(kwargs) if self._service is not None and not preserve_etag else None
        info = await self._info(path1, source.bucket, source.key, version_id=source.version_id)
        if options is None or not source.key or not self._is_large(info["size"] or 0):
            await super()._cp_file(path1, path2, preserve_etag=preserve_etag, **kwargs)
            return
        upload_options = self._upload_options(options, exclusive=False)

        def run() -> None:
            client = self.client
            assert client is not None
            copy(source, target, client, upload_options, gate=self._gates[0])

        await asyncio.to_thread(run)
        self._forget(path2)

    async def _pipe_file(
        self,
        path: str,
        data: bytes,
        chunksize: int | None = None,
        max_concurrency: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        options = self._object_options(kwargs) if self._service is not None else None
        if options is None or not self._is_large(len(data)):
            extra = {"chunksize": chunksize} if chunksize is not None else {}
            await super()._pipe_file(path, data, max_concurrency=max_concurrency, mode=mode, **extra, **kwargs)
            return
        location = self.location(path)
        upload_options = self._upload_options(options, exclusive=mode == "create")

        def run() -> None:
            from .verbs.writer import ObjectWriter

            client = self.client
            assert client is not None
            writer = ObjectWriter(client, location.bucket, location.key, upload_options, gate=self._gates[0])
            try:
                writer.write(data)
                writer.close()
            except BaseException:
                writer.abort(keep=True)
                raise

        await asyncio.to_thread(run)
        self._forget(path)

    async def _cat_file(
        self,
        path: str,
        version_id: str | None = None,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        whole = start is None and end is None
        size = (await self._info(path, version_id=version_id))["size"] or 0 if self._service is not None else 0
        first, last = _limits(start, end, size)
        if not self._is_large(last - first):
            found: bytes = await super()._cat_file(path, version_id=version_id, start=start, end=end, **kwargs)
            return found
        location = self.location(path, version_id)

        def run() -> bytes:
            pinned = self.pinned(location)
            return read_whole(pinned, *((0, pinned.info.size) if whole else _limits(start, end, pinned.info.size)))

        return await asyncio.to_thread(run)

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
        if self._service is None or max_gap is not None or kwargs:
            found: list[Any] = await super()._cat_ranges(
                paths, starts, ends, max_gap=max_gap, batch_size=batch_size, on_error=on_error, **kwargs
            )
            return found
        starts = starts if isinstance(starts, list | tuple) else [starts] * len(paths)
        ends = ends if isinstance(ends, list | tuple) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("paths, starts and ends are of different lengths")
        wanted: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            wanted.setdefault(path, []).append(index)
        results: list[Any] = [None] * len(paths)

        async def one(path: str, indices: list[int]) -> None:
            try:
                ranges = [(starts[index], ends[index]) for index in indices]
                data: list[Any] = await asyncio.to_thread(self._read_ranges, self.location(path), ranges)
            except Exception as error:
                if on_error != "return":
                    raise
                data = [error] * len(indices)
            for index, piece in zip(indices, data, strict=True):
                results[index] = piece

        await asyncio.gather(*(one(path, indices) for path, indices in wanted.items()))
        return results

    def _read_ranges(self, location: S3Location, ranges: list[tuple[int | None, int | None]]) -> list[bytes]:
        pinned = self.pinned(location)
        return read_ranges(pinned, [_limits(start, end, pinned.info.size) for start, end in ranges])

    # -- open files -------------------------------------------------------------------------------------------------

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        from .file import open_file

        opened = open_file(self, path, mode, kwargs) if self._service is not None else None
        return opened if opened is not None else super()._open(path, mode, **kwargs)

    def _is_large(self, size: int) -> bool:
        return self._service is not None and size >= self.threshold


def _put_source(lpath: Any) -> Location | None:
    if not isinstance(lpath, str | os.PathLike):
        return None
    text = os.fspath(lpath)
    location = parse_source(text) if "://" in text else LocalPath(text)
    return location if isinstance(location, LocalPath | Url) else None


def _limits(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    """[first, last) in the sense of Python slices."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


def _telling(callback: Callback) -> Callable[[Event], None]:
    """Events as fsspec's callbacks: exact bytes, never backwards."""

    def tell(event: Event) -> None:
        if isinstance(event, BytesMoved):
            if callback.size is None and event.total is not None:
                callback.set_size(event.total)
            callback.absolute_update(event.done)

    return tell


def register_s3() -> None:
    """Makes `s3://` and `s3a://` URLs use S3AMFileSystem in this process."""
    for protocol in ("s3", "s3a"):
        fsspec.register_implementation(protocol, S3AMFileSystem, clobber=True)
