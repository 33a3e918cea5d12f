"""Reads of an open file: of the version it was opened with, also after its name has become another's.

If the object is gone, the version is asked for where versions are kept; else it is ESTALE, as on NFS.
"""

from __future__ import annotations

import errno
from dataclasses import replace

from ..core.locations import S3Location
from ..errors import NotFound
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader
from ..objects.spooled_file import SpooledFile
from ..transfers.options import ObjectInfo
from .context import Service
from .disk_cache import read_through


class FileReader:
    """The reader of one open file, opened when it is needed. Threads may read; one at a time opens and closes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reader: ObjectReader | None = None

    def open(self, location: S3Location, base: ObjectInfo) -> ObjectReader:
        if self._reader is None:
            self._reader = self._service.readers.open(Pinned(self._service.reading, location, base))
        self._reader.limit_to(self._service.readers.share)
        return self._reader

    def is_of(self, reader: ObjectReader) -> bool:
        """Whether it is the one that reads now."""
        return self._reader is reader

    def read(self, reader: ObjectReader, offset: int, size: int) -> list[bytes | memoryview]:
        """Raises SourceChanged, TransferError; OSError (ESTALE) for what is gone."""
        try:
            if self._service.blocks is None:
                return reader.buffers(offset, size)
            return read_through(self._service.blocks, reader, offset, size, reader.buffers)
        except NotFound:
            pinned = reader.pinned
            version = pinned.info.version_id
            if version is None or pinned.location.version_id is not None or self._reader is not reader:
                raise _gone() from None
        location = replace(pinned.location, version_id=version)
        self._reader = self._service.readers.open(replace(pinned, location=location))
        self._service.readers.close(reader)
        return self.read(self._reader, offset, size)

    def read_spooled(self, spooled: SpooledFile, offset: int, size: int) -> bytes:
        try:
            return spooled.read(offset, size)
        except NotFound:
            raise _gone() from None

    def keep_what_is_here(self, spooled: SpooledFile) -> None:
        """Copies ranges read of an object that is gone into the spool that takes its place. Raises OSError."""
        if self._reader is None:
            return
        for start, buffers in self._reader.held():
            for buffer in buffers:
                for first, last in list(spooled.spool.present.gaps(start, start + len(buffer))):
                    spooled.spool.write(memoryview(buffer)[first - start : last - start], first, dirty=False)
                start += len(buffer)

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._service.readers.close(reader)


def _gone() -> OSError:
    return OSError(errno.ESTALE, "it was removed, and what was not read before is gone")
