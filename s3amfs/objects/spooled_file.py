"""`SpooledFile`: an object that is being changed: its pinned base, and a local spool of the ranges that differ.

`publish` makes it the object: S3 copies unchanged ranges, changed ones are sent (core/patch.py plans it), or all of it
is sent. The changed ranges are on record (core/unpublished.py) and outlive the process: `s3am pending` finds them.
One thread at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace

from ..core import unpublished
from ..core.events import Warned
from ..core.holes import worth_copying
from ..core.locations import S3Location
from ..core.parts import DEFAULT_PART
from ..core.patch import PatchPlan, Ranges, plan_patch
from ..engine.client import S3Client
from ..engine.spool import Spool, SpoolRecord
from ..errors import InTheClear, Unsupported
from ..transfers.job import stream_job
from ..transfers.options import ObjectInfo, UploadOptions
from ..transfers.report import OnEvent, ignore
from ..wire.s3.api import StoredInfo
from .patch import patch, store_sparse
from .ranges import Pinned, read_to_keep
from .writer import ObjectWriter, WriterMemory

FETCH_BYTES = 8 * 1024 * 1024
WRITE_BYTES = 1024 * 1024


class SpooledFile:
    """base: None for a new content. size: bytes of the file. valid: how much of the base's beginning still counts."""

    def __init__(
        self, client: S3Client, location: S3Location, base: ObjectInfo | None, spool: Spool, size: int, valid: int
    ) -> None:
        self.client = client
        self.location = location
        self.spool = spool
        self.size = size
        self.valid = valid
        self._base = base
        self._record: SpoolRecord | None = None

    # -- content ----------------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> bytes:
        """Raises SourceChanged if the base was replaced, TransferError."""
        end = min(self.size, offset + size)
        if offset >= end:
            return b""
        self.fetch(offset, end)
        return self.spool.read(offset, end - offset)

    def fetch(self, start: int, end: int) -> None:
        """Clean bytes of [start, end) from the base into the spool."""
        if self._base is None:
            return
        for first, last in list(self.spool.present.gaps(start, min(end, self.valid))):
            for at in range(first, last, FETCH_BYTES):
                self.spool.write(read_to_keep(self._pinned(), at, min(last, at + FETCH_BYTES)), at, dirty=False)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Raises OSError (ENOSPC)."""
        end = offset + len(data)
        known = self.spool.dirty.covers(offset, end)
        self.spool.write(data, offset)
        self.size = max(self.size, end)
        if self._record is not None and not known:
            self._record.append(unpublished.encode_written(offset, end))

    def resize(self, size: int) -> None:
        self.spool.resize(size)
        self.size, self.valid = size, min(self.valid, size)
        if self._record is not None:
            self._record.append(unpublished.encode_resized(self.size, self.valid))

    # -- for after a crash ------------------------------------------------------------------------------------------

    def keep_record(self, metadata: Mapping[str, str]) -> None:
        """From now on what differs outlives this process. Raises OSError."""
        if self._record is not None:
            return
        header = unpublished.Header(
            url=self.location.url,
            endpoint=self.client.session.endpoint_id(self.location.bucket),
            data=self.spool.give_name(os.path.basename(self.location.key)),
            base_etag=self._base.etag if self._base is not None and self.valid else "",
            size=self.size,
            base_valid=self.valid,
            metadata=metadata,
            began=time.time(),
        )
        try:
            self._record = SpoolRecord.create(header)
        except OSError:
            self.spool.remove_name()
            raise
        for start, end in self.spool.dirty:
            self._record.append(unpublished.encode_written(start, end))

    def forget_record(self) -> None:
        """It is published, or nobody wants it: nothing of it outlives this process."""
        record, self._record = self._record, None
        if record is not None:
            record.remove()
        self.spool.remove_name()

    def close(self) -> None:
        """All that is on record stays on disk."""
        if self._record is not None:
            self._record.close()
            self._record = None
        self.spool.close()

    # -- publishing -------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> ObjectInfo | None:
        """The object whose content goes on in this one: what it has beside its content is kept."""
        return self._base if self.valid else None

    def rebase(self, base: ObjectInfo | None) -> None:
        """The same content is another object now: it was published, or copied onto itself."""
        self._base = base
        if self._record is not None and base is not None:
            self._record.append(unpublished.encode_base(base.etag))

    def published_as(self, stored: ObjectInfo) -> None:
        """All that is in the spool is the object's."""
        self.forget_record()
        self.spool.dirty = Ranges()
        self._base, self.valid = stored, self.size

    def publish(
        self, options: UploadOptions, memory: WriterMemory | None = None, on_event: OnEvent = ignore
    ) -> StoredInfo:
        """Makes it the object. Raises what went wrong, SourceChanged for another base; then nothing is visible."""
        self.spool.resize(self.size)
        if self._base is None or not self.valid:
            return self._store(options, memory, on_event)
        options = replace(options, expected=self._base.expected)  # what was changed here is this very object
        plan = self._plan(options, self._base.size)
        for start, end in plan.fills:
            self.fetch(start, end)
        copies = any(part.kind == "copy" for part in plan.parts)
        if plan.whole or not (copies or _has_holes(plan)):
            self._pinned().check("changed here")
            return self._write_whole(options, memory, on_event)
        try:
            return patch(self._pinned(), self.spool.path, plan, options, on_event=on_event)
        except InTheClear:
            raise  # all of it would be, too
        except Unsupported as error:
            on_event(Warned(f"{self.location.url}: the server can't copy parts ({error}): all of it is sent"))
            self._pinned().check("changed here")
            return self._write_whole(options, memory, on_event)

    def _plan(self, options: UploadOptions, base_size: int) -> PatchPlan:
        return plan_patch(
            self.spool.dirty,
            base_size=base_size,
            base_valid=self.valid,
            size=self.size,
            part_size=options.part_size or DEFAULT_PART,
        )

    def _store(self, options: UploadOptions, memory: WriterMemory | None, on_event: OnEvent) -> StoredInfo:
        """A new content, or one of which nothing is in the base."""
        plan = self._plan(options, 0)
        if not _has_holes(plan):
            return self._write_whole(options, memory, on_event)
        return store_sparse(self.client, self.location, self.spool.path, plan, options, on_event=on_event)

    def _write_whole(self, options: UploadOptions, memory: WriterMemory | None, on_event: OnEvent) -> StoredInfo:
        """All of it from the spool; parts that an earlier attempt has sent are found again."""
        writer = ObjectWriter(
            stream_job(self.client, self.location, replace(options, unfinished="continue"), on_event=on_event),
            memory=memory,
        )
        try:
            while writer.position < self.size:
                if writer.position % FETCH_BYTES < WRITE_BYTES:
                    self.fetch(writer.position, min(self.size, writer.position + FETCH_BYTES))
                writer.write(self.read(writer.position, WRITE_BYTES))
            return writer.close()
        except BaseException:
            writer.abort(keep=True)
            raise

    def _pinned(self) -> Pinned:
        assert self._base is not None
        return Pinned(self.client, self.location, self._base)


def _has_holes(plan: PatchPlan) -> bool:
    """Whether there are so many parts of zeros that S3 is to copy them."""
    return worth_copying([part.length for part in plan.parts if part.kind == "zeros"])
