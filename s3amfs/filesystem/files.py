"""Open objects: reading ahead in parallel, writing while parts leave, appending. The rest is s3fs's."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import s3fs
from s3fs.utils import FileExpired

from ..core.expected import NOTHING
from ..core.parts import DEFAULT_PART, MIN_PART
from ..errors import SourceChanged
from ..objects.appender import Appender
from ..objects.reader import ObjectReader
from ..objects.writer import ObjectWriter
from ..transfers.job import stream_job
from .bridge import pass_on_warning

if TYPE_CHECKING:
    from ..objects.ranges import Pinned
    from .base import EngineFileSystem

S3FS_BLOCK = 50 * 1024 * 1024
"""s3fs's own default, too large for the memory that we promise; any other one was chosen by somebody."""
_READING = {"block_size", "version_id", "fill_cache", "cache_type", "cache_options", "size", "autocommit", "acl"}
_WRITING = {"block_size", "version_id", "fill_cache", "cache_type", "cache_options", "size", "autocommit"}


class ObjectReplaced(SourceChanged, FileExpired):  # type: ignore[misc]
    """The object that is open for reading is no longer there; s3fs's users catch FileExpired."""


def open_file(fs: EngineFileSystem, path: str, mode: str, given: dict[str, Any]) -> Any:
    """A file of the engine, or None where s3fs has to do it (arguments that are s3fs's alone, or wrong)."""
    given = dict(given)
    location = fs.location(path, given.get("version_id"))
    payer = given.pop("requester_pays", None)
    if not location.key or payer not in (None, fs.requester_pays):
        return None
    if given.get("version_id") and not fs.version_aware:
        return None  # s3fs says why not
    if mode == "rb":
        return ReadFile(fs, path, given) if not set(given) - _READING else None
    if mode not in ("wb", "xb", "ab") or location.version_id:
        return None
    acl = given.pop("acl", None)
    extra = {name: value for name, value in given.items() if name not in _WRITING}
    options = fs.object_options({**extra, "ACL": acl} if acl else extra)
    block = given.get("block_size")
    if options is None or (acl and acl not in s3fs.core.key_acls) or (block is not None and block < MIN_PART):
        return None
    return WriteFile(fs, path, mode, options, block_size=block, autocommit=given.get("autocommit", True))


class ReadFile(s3fs.core.S3File):  # type: ignore[misc]
    """An object open for reading, pinned to the version that was opened."""

    def __init__(self, fs: EngineFileSystem, path: str, given: dict[str, Any]) -> None:
        pinned = fs.pinned(fs.location(path, given.get("version_id")))
        self._reader = ObjectReader(pinned)
        self._pid = os.getpid()
        size = given.get("size")
        fill_cache = given.get("fill_cache")
        super().__init__(
            fs,
            path,
            "rb",
            block_size=given.get("block_size") or fs.default_block_size,
            version_id=given.get("version_id"),
            fill_cache=fs.default_fill_cache if fill_cache is None else fill_cache,
            s3_additional_kwargs=fs.s3_additional_kwargs,
            cache_type=_cache_type(fs, given),
            cache_options=given.get("cache_options"),
            requester_pays=fs.requester_pays,
            size=pinned.info.size if size is None else size,
        )
        self._details = _details(fs, path, pinned)
        if fs.version_aware:
            self.version_id = pinned.info.version_id

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._pid != os.getpid():  # a forked child: requests in flight belong to the parent
            again = replace(self._reader.pinned, client=self.fs.client, gate=self.fs.gates()[1])
            self._pid, self._reader = os.getpid(), ObjectReader(again)
        try:
            return self._reader.pread(start, end - start)
        except SourceChanged as error:
            raise ObjectReplaced(error.message) from None

    def close(self) -> None:
        if self._pid == os.getpid():
            self._reader.close()
        super().close()


def _cache_type(fs: EngineFileSystem, given: dict[str, Any]) -> str:
    """The reader reads ahead by itself; a cache of fsspec's comes on top only where the user wants one."""
    chosen: str | None = given.get("cache_type")
    return chosen or (fs.default_cache_type if fs.cache_type_is_chosen else "none")


def _details(fs: EngineFileSystem, path: str, pinned: Pinned) -> dict[str, Any]:
    """As s3fs's `info` has it, of the object that is open."""
    info = pinned.info
    modified = info.last_modified
    return {
        "ETag": f'"{info.etag}"',
        "LastModified": datetime.fromtimestamp(modified, timezone.utc) if modified is not None else "",
        "size": info.size,
        "name": fs._strip_protocol(path),
        "type": "file",
        "StorageClass": info.storage_class or "STANDARD",
        "VersionId": info.version_id,
        "ContentType": info.content_type,
    }


class WriteFile(s3fs.core.S3File):  # type: ignore[misc]
    """An object open for writing: visible when it is closed (or committed), whole or not at all."""

    closed: bool
    is_wrapped = False
    """Whether something above it holds bytes back until it is closed: text, a compressor."""

    def __init__(
        self, fs: EngineFileSystem, path: str, mode: str, options: Any, *, block_size: int | None, autocommit: bool
    ) -> None:
        self._pid = os.getpid()
        self._discarded = False
        if mode == "xb":
            _refuse_existing(fs, path)
        block = block_size or _default_block(fs)
        fixed = block if fs.fixed_upload_size else None
        chosen = fs.upload_options(options, exclusive=mode == "xb", chunksize=fixed)
        # A file gathers what the writer then gets: the writer's memory is bounded, this buffer is a part at most.
        self._writer = _writer(fs, path, mode, chosen, max(MIN_PART, block))
        super().__init__(
            fs,
            path,
            "wb",
            block_size=max(MIN_PART, block),
            s3_additional_kwargs=fs.s3_additional_kwargs,
            autocommit=autocommit,
        )
        self.loc = self._writer.position

    @property
    def mpu(self) -> Any:
        """As s3fs has it: None until there is a multipart upload."""
        upload_id = self._writer.upload_id
        return {"UploadId": upload_id, "Bucket": self.bucket, "Key": self.key} if upload_id is not None else None

    @mpu.setter
    def mpu(self, value: Any) -> None:
        """s3fs begins with None; the writer knows better."""

    @property
    def parts(self) -> list[dict[str, int]] | None:
        """Parts that are at the server or in flight; None until there is a multipart upload."""
        if self._writer.upload_id is None:
            return None
        return [{"PartNumber": number} for number in range(1, self._writer.parts_sent + 1)]

    @parts.setter
    def parts(self, value: Any) -> None:
        """As `mpu`."""

    def _initiate_upload(self) -> None:
        """The writer begins by itself, when there is enough for a part; what is appended to is one already."""
        if isinstance(self._writer, Appender):
            self._writer.copy_base()

    def write(self, data: Any) -> int:
        self._check_process()
        taken: int = super().write(data)
        return taken

    def flush(self, force: bool = False) -> None:
        self._check_process()
        super().flush(force)

    def close(self) -> None:
        """Makes the object visible (with autocommit); raises what went wrong."""
        if self.closed:
            return
        if self._pid != os.getpid():
            self.closed = True
            self._check_process()
        super().close()

    def _check_process(self) -> None:
        """A forked child has a copy of what was written so far, and no thread that sends it."""
        if self._pid != os.getpid():
            raise ValueError(f"{self.full_name} was opened for writing before the fork: only that process can write it")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """After an exception half of an object is not published."""
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        """Whoever did not close it, or could not, did not say that it is whole: nothing is published."""
        if self.closed:
            return
        self.closed = True
        if self._pid == os.getpid():
            self._writer.abandon()
            _warn(f"{self.full_name} was not closed: it is not published", ResourceWarning, source=self)

    def _upload_chunk(self, final: bool = False) -> bool:
        buffer: Any = self.buffer
        held = buffer.getbuffer()
        keep = len(held) % self.blocksize if self.fs.fixed_upload_size and not final else 0
        taken = len(held) - keep
        self._writer.write(held[:taken])
        rest = bytes(held[taken:])
        held.release()
        self.offset += taken
        buffer.seek(0)
        buffer.truncate()
        buffer.write(rest)
        if final and self.autocommit:
            self.commit()
        elif final:
            self._writer.send_rest()  # a transaction may hold many files: what can leave, leaves
        return False  # fsspec leaves the buffer to us

    def commit(self) -> None:
        """Makes the object visible, unless it has been discarded.

        Raises ValueError at the end of a transaction in which text or compressed data was not closed: it is incomplete.
        """
        if self._discarded:
            return
        if not self.closed and not self.forced:
            self._end_of_transaction()
        try:
            stored = self._writer.close()
            if self.fs.version_aware:
                self.version_id = stored.version_id
        finally:
            self.fs.forget(self.path)
            self.buffer = None

    def _end_of_transaction(self) -> None:
        """It was not closed in it: what its buffer holds is part of it."""
        if self.is_wrapped:
            self.discard()
            raise ValueError(f"{self.full_name} was not closed before its transaction ended: it is not published")
        self.flush(force=True)
        self.closed = True

    def discard(self) -> None:
        """Makes nothing visible and leaves nothing behind; but what a failing server has stays, to be resumed."""
        self.closed = self._discarded = True
        self.buffer = None
        if self._pid == os.getpid():
            self._writer.abort(keep=self._writer.error is not None)


_warn = warnings.warn  # also while the interpreter ends, when modules are empty


def _refuse_existing(fs: EngineFileSystem, path: str) -> None:
    """Raises FileExistsError; what is stored between now and the close, the server refuses."""
    location = fs.location(path)
    try:
        found = fs.client.find(location.bucket, location.key)
    except PermissionError:  # may be written and not read: the server has the say
        return
    if found is not None:
        raise FileExistsError(f"{location.url} exists")


def _default_block(fs: EngineFileSystem) -> int:
    default: int = fs.default_block_size
    return DEFAULT_PART if default == S3FS_BLOCK else default


def _writer(fs: EngineFileSystem, path: str, mode: str, options: Any, first_part: int) -> ObjectWriter:
    location = fs.location(path)
    if mode == "ab":
        with contextlib.suppress(FileNotFoundError):  # a new object
            return Appender(
                fs.pinned(location), options, on_event=pass_on_warning, gate=fs.gates()[0], first_part=first_part
            )
        options = replace(options, expected=NOTHING)  # two that append to a new object do not replace each other
    job = stream_job(fs.client, location, options, on_event=pass_on_warning, gate=fs.gates()[0])
    return ObjectWriter(job, first_part=first_part)
