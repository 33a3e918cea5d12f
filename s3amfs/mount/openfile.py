"""A file that is open: one for all its holders. Clean, streaming or spooled; `publish` makes the object.

- clean: what is in S3, pinned to one version;
- streaming: a new content, written in order: parts leave while more is written. A copy goes to the spool for whoever
  reads it or writes at another place before the close: all of it where that is likely (opened for reading, too) or
  wished (a folder for it was given), else the beginning; and only as long as the disk has room;
- spooled: the base object and, in a local sparse file, what differs from it.

Threads may share it; a lock is held while it changes and while it is published.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from ..core.locations import S3Location
from ..core.parts import DEFAULT_PART
from ..core.patch import Ranges, plan_patch
from ..errors import S3AMError, SourceChanged, Unsupported
from ..verbs.options import ObjectInfo, ObjectOptions, StoredInfo, UploadOptions
from ..verbs.patch import patch
from ..verbs.ranges import Pinned, read_to_keep
from ..verbs.reader import ObjectReader
from ..verbs.upload_source import guess_content_type
from ..verbs.writer import ObjectWriter
from .attributes import Attributes, attributes, time_of, time_text
from .service import COPIED_BYTES, FETCH_BYTES, Service
from .spool import Spool

log = logging.getLogger("s3amfs.mount")


class OpenFile:
    """base: what is stored, None for a new file. metadata: what it will be stored with."""

    def __init__(self, service: Service, key: str, base: ObjectInfo | None, metadata: Mapping[str, str]) -> None:
        self.lock = threading.RLock()
        self.key = key
        self.metadata = dict(metadata)
        self.size = base.size if base is not None else 0
        self.changed = base is None
        """Whether something is not published."""
        self.holders = 0
        self.unlinked = False
        self.given_up = False
        self.published: ObjectInfo | None = base
        self._service = service
        self._base_size = self.size
        """How much of the base's beginning still counts."""
        self._reader: ObjectReader | None = None
        self._writer: ObjectWriter | None = None
        self._spool: Spool | None = None
        self._sent: dict[str, str] = {}
        self._writers: set[int] = set()
        self.failed = False
        """Whether the last attempt to send or publish it went wrong, which its writer was told."""
        self.copies_all = service.options.spool_dir is not None
        """Whether all of a stream is copied to the spool."""

    # -- looking ----------------------------------------------------------------------------------------------------

    @property
    def attributes(self) -> Attributes:
        return attributes(self._service.options, self.metadata, size=self.size, changed=time.time_ns())

    @property
    def mtime(self) -> int:
        return time_of(self.metadata.get("mtime"), 0)

    def written_by(self, process: int) -> bool:
        return process in self._writers

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Raises SourceChanged if the object was replaced by somebody else, TransferError."""
        while True:
            with self.lock:
                if self._spool is not None:
                    return self._read_spooled(offset, size)
                if self._writer is not None:
                    raise OSError(errno.EBUSY, "being written: what was sent can be read when it is closed")
                if self.published is None or not self._base_size:
                    return b""
                reader = self._open_reader()
            try:
                return reader.view(offset, size)
            except S3AMError:
                if self._reader is reader:
                    raise  # else the file has changed meanwhile, which has stopped its reader

    def _open_reader(self) -> ObjectReader:
        if self._reader is None:
            self._service.reading.add(self)
            self._reader = ObjectReader(self._pinned())
        self._reader.limit_to(self._service.reader_share)
        return self._reader

    def _pinned(self) -> Pinned:
        assert self.published is not None
        return Pinned(self._service.client, S3Location(self._service.bucket, self.key), self.published)

    def _read_spooled(self, offset: int, size: int) -> bytes:
        assert self._spool is not None
        end = min(self.size, offset + size)
        if offset >= end:
            return b""
        self._fetch(offset, end)
        return self._spool.read(offset, end - offset)

    def _fetch(self, start: int, end: int) -> None:
        """Clean bytes of [start, end) from the base into the spool."""
        assert self._spool is not None
        if self._writer is not None or self.published is None:
            return
        for first, last in list(self._spool.present.gaps(start, min(end, self._base_size))):
            for at in range(first, last, FETCH_BYTES):
                self._spool.write(read_to_keep(self._pinned(), at, min(last, at + FETCH_BYTES)), at, dirty=False)

    # -- changing ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview, offset: int, process: int) -> int:
        """Raises the error of what was written earlier, too (a part that could not be sent); ENOSPC; EFBIG."""
        with self.lock:
            self._check_usable()
            self._writers.add(process)
            if self._writer is None and self._spool is None and not self._base_size and not self.size and not offset:
                self._begin_stream()
            if self._writer is not None and offset == self._writer.position:
                self._stream(data)
            else:
                self._to_spool().write(data, offset)
                self.size = max(self.size, offset + len(data))
            self.changed = True
            if self._writer is None:  # a stream's metadata has been sent already
                self.metadata["mtime"] = time_text(time.time_ns())
            return len(data)

    def resize(self, size: int) -> None:
        with self.lock:
            self._check_usable()
            if size == self.size:
                return
            if size == 0:
                self._discard()
                self._base_size = self.size = 0
            else:
                self._to_spool().resize(size)
                self._base_size = min(self._base_size, size)
                self.size = size
            self.changed = True
            self.metadata["mtime"] = time_text(time.time_ns())

    def begin_anew(self) -> None:
        """O_TRUNC: the old content does not count any more; it stays in S3 until the new one is published."""
        with self.lock:
            self._check_usable()
            self._discard()
            self._base_size = self.size = 0
            self.changed = True
            self.metadata["mtime"] = time_text(time.time_ns())

    def change_metadata(self, changes: Mapping[str, str]) -> bool:
        """Whether they will be published with the content; False: it is clean."""
        with self.lock:
            self.metadata.update(changes)
            return self.changed and not self.given_up

    def _check_usable(self) -> None:
        if self.given_up:
            raise OSError(errno.EIO, "the process that wrote this file was killed: nothing of it is published")

    def _begin_stream(self) -> None:
        service = self._service
        self.metadata["mtime"] = time_text(time.time_ns())
        self._sent = dict(self.metadata)
        self._writer = ObjectWriter(
            service.client, service.bucket, self.key, self._upload_options(), budget=service.budget
        )
        self._spool = Spool(service.options.spool_dir)

    def _stream(self, data: bytes | memoryview) -> None:
        assert self._writer is not None
        if self._spool is not None:
            self._copy_to_spool(data)
        try:
            self._writer.write(data)
        except BaseException:
            self.failed = True
            raise
        self.size = self._writer.position

    def _copy_to_spool(self, data: bytes | memoryview) -> None:
        """Without the copy a stream goes on, but nothing else is possible."""
        assert self._spool is not None and self._writer is not None
        at = self._writer.position
        keep = self.copies_all or at + len(data) <= COPIED_BYTES
        if keep and at % FETCH_BYTES < len(data):
            keep = self._spool.has_room(len(data) + FETCH_BYTES)
        try:
            if keep:
                self._spool.write(data, at)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            keep = False
        if not keep:
            self._spool.close()
            self._spool = None

    def _to_spool(self) -> Spool:
        """From now on the spool has what is new; a stream stops, and what it sent stays for `publish` to find."""
        if self._writer is not None:
            if self._spool is None:
                raise OSError(
                    errno.EFBIG, "written out of order after its beginning was sent: mount with --spool-dir to allow it"
                )
            self._writer.abort(keep=True)
            self._writer = None
        if self._spool is None:
            self._spool = Spool(self._service.options.spool_dir)
            self._spool.resize(self.size)
        return self._spool

    def _discard(self) -> None:
        """Forgets all content."""
        if self._writer is not None:
            self._writer.abort(keep=True)
            self._writer = None
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._close_reader()

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._service.reading.discard(self)
            reader.close()

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self) -> bool:
        """Makes what was written the object; whether there was anything to publish. Raises what went wrong.

        After a failure nothing is visible, the data is kept, and the next `publish` tries again.
        """
        with self.lock:
            self._check_usable()
            if not self.changed or self.unlinked:
                return False
            try:
                stored = self._store()
            except BaseException:
                self.failed = True
                raise
            self._published_as(stored)
            return True

    def _store(self) -> StoredInfo:
        if self._writer is not None:
            if not self.failed or self._spool is None:
                if self._writer.describe(self._upload_options().object):
                    self._sent = dict(self.metadata)
                return self._writer.close()
            self._to_spool()
        if self._spool is None:
            return self._write_whole()
        self._spool.resize(self.size)
        if self.published is None or not self._base_size:
            return self._write_whole()
        return self._store_patch(self._spool, self._pinned())

    def _store_patch(self, spool: Spool, base: Pinned) -> StoredInfo:
        plan = plan_patch(
            spool.dirty,
            base_size=base.info.size,
            base_valid=self._base_size,
            size=self.size,
            part_size=self._service.options.part_size or DEFAULT_PART,
        )
        for start, end in plan.fills:
            self._fetch(start, end)
        if plan.whole or all(part.kind == "upload" for part in plan.parts):
            self._check_base()
            return self._write_whole()
        self._sent = dict(self.metadata)
        try:
            return patch(base, spool.path, plan, self._upload_options())
        except Unsupported as error:
            log.warning("%s: the server can't copy parts (%s): all of it is sent", self.key, error)
            return self._write_whole()

    def _check_base(self) -> None:
        assert self.published is not None
        now = self._service.client.find(self._service.bucket, self.key)
        if now is None or now.etag != self.published.etag:
            raise SourceChanged(f"{self.key} was changed by somebody else while it was changed here")

    def _write_whole(self) -> StoredInfo:
        """All of it from the spool; parts that an earlier attempt has sent are found again."""
        service = self._service
        self._sent = dict(self.metadata)
        writer = ObjectWriter(service.client, service.bucket, self.key, self._upload_options(), budget=service.budget)
        try:
            at = 0
            while at < self.size:
                self._fetch(at, min(self.size, at + FETCH_BYTES))
                data = self._read_spooled(at, min(FETCH_BYTES // 8, self.size - at))
                writer.write(data)
                at += len(data)
            return writer.close()
        except BaseException:
            writer.abort(keep=True)
            raise

    def _upload_options(self) -> UploadOptions:
        """A changed object keeps what it has beside its content; a new content is described by its name alone."""
        service, published = self._service, self.published
        if published is not None and self._base_size:
            tags = service.client.tags(service.bucket, self.key) if published.tags_count else None
            kept = replace(published.copy_options(), tags=tags)
        else:
            kept = ObjectOptions(content_type=guess_content_type(self.key))
        return UploadOptions(
            unfinished="continue",
            exists="overwrite",
            part_size=service.options.part_size,
            object=replace(kept, metadata=dict(self.metadata)),
        )

    def _published_as(self, stored: StoredInfo) -> None:
        self._writer = None
        self._close_reader()
        before = self.published if self.published is not None and self._base_size else None
        self.published = replace(
            before or ObjectInfo(size=0, etag="", content_type=guess_content_type(self.key)),
            size=self.size,
            etag=stored.etag,
            version_id=stored.version_id,
            last_modified=time.time(),
            metadata=dict(self._sent),
            checksums=stored.checksums,
            checksum_type=stored.checksum_type,
        )
        if self._spool is not None:
            self._spool.dirty = Ranges()
        self._base_size = self.size
        self.changed = self.failed = False
        self._writers.clear()

    def stored_again(self, etag: str) -> None:
        """The same content is another object now: its metadata was changed, or its name."""
        with self.lock:
            if self.published is not None and self.published.etag != etag:
                self.published = replace(self.published, etag=etag, version_id=None, last_modified=time.time())
                self._close_reader()

    @property
    def metadata_to_store(self) -> dict[str, str] | None:
        """What was changed after the stream had begun, so that the object does not have it yet; None: nothing."""
        if self.published is None or dict(self.published.metadata) == self.metadata:
            return None
        return dict(self.metadata)

    # -- ends -------------------------------------------------------------------------------------------------------

    def give_up(self) -> None:
        """The writer was killed: nothing is published, what was sent stays for a second attempt."""
        with self.lock:
            if self.changed:
                self.given_up = True
                log.warning("%s: its writer was killed, so it is not published", self.key)
                self._discard()

    def detach(self) -> None:
        """The name is about to go: what its holders may still read comes into the spool. Raises OSError."""
        with self.lock:
            if self.published is not None and self._base_size and not self.given_up:
                self._to_spool()
                self._fetch(0, self._base_size)
            elif self._writer is not None:
                self._to_spool()
            self.unlinked = True

    def close(self) -> None:
        """The last holder is gone. What could not be published is kept in the spool's folder."""
        with self.lock:
            if self.changed and self._spool is not None and not self.unlinked and not self.given_up:
                name = f"s3am-unpublished-{os.path.basename(self.key) or 'file'}-{time.time_ns()}"
                try:
                    path = self._spool.keep(name[-200:])
                    log.error("%s was not published: what was written is in %s", self.key, path)
                except OSError as error:
                    log.error("%s was not published, and what was written could not be kept: %s", self.key, error)
            self._discard()
