"""Open objects: reading ahead in parallel, writing while parts leave. What is not for the engine is left to s3fs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import s3fs

from .verbs.reader import ObjectReader
from .verbs.writer import ObjectWriter

if TYPE_CHECKING:
    from .filesystem import S3AMFileSystem

BLOCK_BYTES = 5 * 1024 * 1024
"""What a file gathers before the writer gets it; s3fs allows no less."""


def open_file(fs: S3AMFileSystem, path: str, mode: str, given: dict[str, Any]) -> Any:
    """A file of the engine, or None where s3fs has to do it (appending, arguments that are s3fs's alone)."""
    given = dict(given)
    version_id = given.get("version_id")
    if version_id and not fs.version_aware:
        return None  # s3fs says why not
    known = {"block_size", "version_id", "fill_cache", "cache_type", "autocommit", "size", "cache_options", "acl"}
    extra = {name: value for name, value in given.items() if name not in known}
    if extra.pop("requester_pays", None) not in (None, fs.requester_pays):
        return None
    if mode == "rb" and not extra:
        return ReadFile(fs, path, given)
    if mode in ("wb", "xb"):
        acl = {"ACL": given["acl"]} if given.get("acl") else {}
        options = fs._object_options({**extra, **acl})
        if options is not None:
            return WriteFile(fs, path, mode, options, autocommit=given.get("autocommit", True))
    return None


class ReadFile(s3fs.core.S3File):  # type: ignore[misc]
    """An object open for reading, pinned to the version that was opened."""

    def __init__(self, fs: S3AMFileSystem, path: str, given: dict[str, Any]) -> None:
        pinned = fs.pinned(fs.location(path, given.get("version_id")))
        self._reader = ObjectReader(pinned)
        super().__init__(
            fs,
            path,
            "rb",
            block_size=given.get("block_size") or fs.default_block_size,
            version_id=given.get("version_id"),
            s3_additional_kwargs=fs.s3_additional_kwargs,
            # The reader reads ahead by itself; a cache of fsspec's comes on top only where the user wants one.
            cache_type=given.get("cache_type") or "none",
            cache_options=given.get("cache_options"),
            requester_pays=fs.requester_pays,
            size=pinned.info.size,
        )

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._reader.pread(start, end - start)

    def close(self) -> None:
        self._reader.close()
        super().close()


class WriteFile(s3fs.core.S3File):  # type: ignore[misc]
    """An object open for writing: visible when it is closed (or committed), whole or not at all."""

    def __init__(self, fs: S3AMFileSystem, path: str, mode: str, options: Any, *, autocommit: bool) -> None:
        location = fs.location(path)
        if mode == "xb" and fs.exists(path):
            raise FileExistsError(f"{location.url} exists")
        client = fs.client
        assert client is not None
        self._writer = ObjectWriter(
            client,
            location.bucket,
            location.key,
            fs._upload_options(options, exclusive=mode == "xb"),
            gate=fs._gates[0],
        )
        super().__init__(
            fs,
            path,
            "wb",
            block_size=BLOCK_BYTES,
            s3_additional_kwargs=fs.s3_additional_kwargs,
            autocommit=autocommit,
        )

    def _initiate_upload(self) -> None:
        """The writer begins by itself, when there is enough for a part."""

    def _upload_chunk(self, final: bool = False) -> bool:
        buffer: Any = self.buffer
        self._writer.write(buffer.getbuffer())
        if final and self.autocommit:
            self.commit()
        return not final

    def commit(self) -> None:
        """Makes the object visible."""
        stored = self._writer.close()
        if self.fs.version_aware:
            self.version_id = stored.version_id
        self.fs._forget(self.path)
        self.buffer = None

    def discard(self) -> None:
        """Makes nothing visible and leaves nothing behind."""
        self._writer.abort()
        self.buffer = None
