"""A file that is open: one for all its holders. Clean, streaming or spooled; `publish` makes the object.

- clean: what is in S3, pinned to one version (objects/reader.py);
- streaming: a new content, written mostly in order, on its way to S3 (objects/streamed_file.py);
- spooled: the base object and, in a local sparse file, what differs from it (objects/spooled_file.py).

Threads may share it; a lock is held while it changes and while it is published. What only looks at it takes no lock.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from ..core.events import Event, Warned
from ..core.locations import S3Location
from ..engine.spool import Spool
from ..errors import S3AMError
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader
from ..objects.spooled_file import SpooledFile
from ..objects.streamed_file import FileStream
from ..objects.writer import ObjectWriter
from ..transfers.job import stream_job
from ..transfers.options import ObjectInfo, ObjectOptions, StoredInfo, UploadOptions
from ..transfers.source import guess_content_type
from .attributes import Attributes, attributes, last_changed, time_of, time_text
from .context import Service

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
        self._reader: ObjectReader | None = None
        self._stream: FileStream | None = None
        self._spooled: SpooledFile | None = None
        self._emptied = False
        """Whether nothing of what is stored counts any more."""
        self._lost = False
        """Whether it was removed while it was sent, and not all of it was copied."""
        self._off_record = False
        self._unwritten: BaseException | None = None
        """Why a write failed: of a memory map the kernel alone has heard of it, so the next fsync or close tells it."""
        self._sent: dict[str, str] = {}
        self._writers: set[int] = set()
        self.failed = False
        """Whether the last attempt to send or publish it went wrong, which its writer was told."""
        self.copies_all = service.options.spool_dir is not None
        """Whether all of a stream is copied to the spool."""

    # -- looking ----------------------------------------------------------------------------------------------------

    @property
    def attributes(self) -> Attributes:
        return attributes(self._service.options, self.metadata, size=self.size, changed=last_changed(self.published))

    @property
    def mtime(self) -> int:
        return time_of(self.metadata.get("mtime"), 0)

    def written_by(self, process: int) -> bool:
        return process in self._writers

    def read(self, offset: int, size: int) -> list[bytes | memoryview]:
        """In pieces. Raises SourceChanged if the object was replaced elsewhere, TransferError; EBUSY (a stream)."""
        while True:
            with self.lock:
                if self._lost:
                    raise OSError(errno.EIO, "it was removed while it was written: what was sent is gone")
                if self._spooled is not None:
                    return [self._spooled.read(offset, size)]
                if self._stream is not None:
                    return [self._stream.read(offset, size)]
                if self.published is None or self._emptied:
                    return []
                reader = self._open_reader()
            try:
                return reader.buffers(offset, size)
            except S3AMError:
                if self._reader is reader:
                    raise  # else the file has changed meanwhile, which has stopped its reader

    def _open_reader(self) -> ObjectReader:
        if self._reader is not None and self._reader.pinned.location.key != self.key:
            self._close_reader()  # it was renamed
        if self._reader is None:
            assert self.published is not None
            self._reader = self._service.readers.open(Pinned(self._service.client, self._location, self.published))
        self._reader.limit_to(self._service.readers.share)
        return self._reader

    @property
    def _location(self) -> S3Location:
        return S3Location(self._service.bucket, self.key)

    # -- changing ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview, offset: int, process: int) -> int:
        """Raises the error of what was written earlier, too (a part that could not be sent); ENOSPC; EFBIG."""
        with self.lock:
            self._check_usable()
            self._writers.add(process)
            if self._stream is None and self._spooled is None and not self.size and not offset:
                self._stream = self._begin_stream()
            try:
                self._write(data, offset)
            except BaseException as error:
                self.failed = True
                if getattr(error, "errno", None) != errno.EFBIG:  # which changes nothing
                    self._unwritten = error
                raise
            self.changed = True
            return len(data)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        if self._stream is not None:
            self._stream.copies_all |= self.copies_all
            self._stream.write(data, offset)
            self.size = self._stream.size
            return
        spooled = self._changing()
        spooled.write(data, offset)
        self.size = spooled.size
        self.metadata["mtime"] = time_text(time.time_ns())  # a stream's has been sent already

    def resize(self, size: int) -> None:
        """Raises OSError: EFBIG for a stream whose beginning is gone."""
        with self.lock:
            self._check_usable()
            if size == self.size:
                return
            if size == 0:
                self._empty()
            elif self._stream is None or not self._stream.resize(size):
                self._changing().resize(size)
            self.size = size
            self._touched()

    def begin_anew(self) -> None:
        """O_TRUNC: the old content does not count any more; it stays in S3 until the new one is published."""
        with self.lock:
            self._check_usable()
            self._empty()
            self._touched()

    def _empty(self) -> None:
        self._discard()
        self._emptied, self.size, self._unwritten = True, 0, None

    def _touched(self) -> None:
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

    def _begin_stream(self) -> FileStream:
        service = self._service
        self.metadata["mtime"] = time_text(time.time_ns())
        self._sent = dict(self.metadata)
        options = self._upload_options(None)
        job = stream_job(service.client, S3Location(service.bucket, self.key), options)
        writer = ObjectWriter(job, budget=service.budget)
        return FileStream(writer, Spool(service.options.spool_dir), copies_all=self.copies_all)

    def _changing(self) -> SpooledFile:
        """From now on the spool has what is new, and it is on record: it outlives this process."""
        spooled = self._to_spool()
        if not self.unlinked and not self._off_record:
            try:
                spooled.keep_record(self.metadata)
            except OSError as error:
                self._off_record = True
                log.warning("%s: changes that wait for its close will not outlive this process: %s", self.key, error)
        return spooled

    def _to_spool(self) -> SpooledFile:
        """From now on the spool has what is new; a stream stops, and what it sent stays for `publish` to find."""
        if self._spooled is None:
            base = None if self._emptied else self.published
            stream, self._stream = self._stream, None
            if stream is not None and not stream.is_whole and not self.unlinked:
                self._stream = stream
                raise OSError(errno.EFBIG, "its beginning was sent and not copied: mount with --spool-dir to allow it")
            if stream is not None:
                self._stop(stream)
                self._lost, base = not stream.is_whole, None
            spool = stream.spool if stream is not None else Spool(self._service.options.spool_dir)
            spool.resize(self.size)
            valid = base.size if base is not None else 0
            self._spooled = SpooledFile(self._service.client, self._location, base, spool, self.size, valid)
        return self._spooled

    def _stop(self, stream: FileStream) -> None:
        try:
            stream.abort(keep=not self.unlinked)
        except S3AMError as error:
            log.warning("%s: what was sent of it could not be removed ('s3am pending' lists it): %s", self.key, error)

    def _discard(self) -> None:
        """Forgets all content."""
        if self._stream is not None:
            self._stop(self._stream)
            self._stream.spool.close()
            self._stream = None
        if self._spooled is not None:
            self._spooled.forget_record()
            self._spooled.close()
            self._spooled = None
        self._close_reader()

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._service.readers.close(reader)

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self) -> bool:
        """Makes what was written the object; whether there was anything to publish. Raises what went wrong.

        After a failure nothing is visible, the data is kept, and the next `publish` tries again.
        """
        with self.lock:
            self._check_usable()
            if not self.changed or self.unlinked:
                return False
            unwritten, self._unwritten = self._unwritten, None
            if unwritten is not None:
                raise unwritten
            try:
                self._published_as(self._store())
            except BaseException:
                self.failed = True
                raise
            return True

    def _store(self) -> StoredInfo:
        if self._stream is not None and not (self._stream.is_broken and self._stream.is_whole):
            if self._stream.set_options(self._upload_options(None).object):
                self._sent = dict(self.metadata)
            return self._stream.close()
        spooled = self._to_spool()
        options = self._upload_options(spooled.kept)
        self._sent = dict(self.metadata)
        return spooled.publish(options, self._service.budget, self._told)

    def _told(self, event: Event) -> None:
        if isinstance(event, Warned):
            log.warning("%s", event.text())

    def _upload_options(self, kept: ObjectInfo | None) -> UploadOptions:
        """kept: the object whose content goes on in this one. A new content is described by its name alone."""
        service = self._service
        if kept is not None:
            tags = service.client.tags(service.bucket, self.key) if kept.tags_count else None
            options = replace(kept.copy_options(), tags=tags)
        else:
            options = ObjectOptions(content_type=guess_content_type(self.key))
        return UploadOptions(
            unfinished="continue",
            exists="overwrite",
            part_size=service.options.part_size,
            object=replace(options, metadata=dict(self.metadata)),
        )

    def _published_as(self, stored: StoredInfo) -> None:
        self._close_reader()
        kept = self._spooled.kept if self._spooled is not None else None
        self.published = replace(
            kept or ObjectInfo(size=0, etag="", content_type=guess_content_type(self.key)),
            size=self.size,
            etag=stored.etag,
            version_id=stored.version_id,
            last_modified=time.time(),
            metadata=dict(self._sent),
            checksums=stored.checksums,
            checksum_type=stored.checksum_type,
        )
        stream, self._stream = self._stream, None
        if stream is not None and stream.is_whole:
            self._spooled = SpooledFile(
                self._service.client, self._location, self.published, stream.spool, self.size, self.size
            )
        elif stream is not None:
            stream.spool.close()
        if self._spooled is not None:
            self._spooled.published_as(self.published)
        self._emptied = self.changed = self.failed = False
        self._writers.clear()

    def stored_again(self, etag: str) -> None:
        """The same content is another object now: its metadata was changed, or its name."""
        with self.lock:
            if self.published is not None and self.published.etag != etag:
                self.published = replace(self.published, etag=etag, version_id=None, last_modified=time.time())
                if self._spooled is not None and self._spooled.kept is not None:
                    self._spooled.rebase(self.published)
                self._close_reader()

    def was_moved(self) -> None:
        """`key` is another one now."""
        with self.lock:
            if self._spooled is not None:
                self._spooled.location = self._location
            self._close_reader()  # it asks for the old name

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

    def fetch_all(self) -> None:
        """The object is about to go: what its holders may still read comes into the spool. Raises OSError."""
        with self.lock:
            if not self.given_up and self._stream is None and self.size:
                spooled = self._to_spool()
                spooled.fetch(0, spooled.size)

    def detach(self) -> None:
        """It has no name any more, and will not be published."""
        with self.lock:
            self.unlinked = True
            if self._stream is not None:
                self._to_spool()
            elif self._spooled is not None:
                self._spooled.forget_record()

    def close(self) -> None:
        """The last holder is gone. What could not be published is kept, on record and in a file with a name."""
        with self.lock:
            if self.changed and not self.unlinked and not self.given_up:
                self._keep_what_is_left()
            self._discard()

    def _keep_what_is_left(self) -> None:
        try:
            if self._stream is not None and not self._stream.is_whole:
                log.error("%s was not published: what was sent of it is an unfinished upload", self.key)
            elif self._stream is not None or self._spooled is not None:
                self._changing().keep_record(self.metadata)
                assert self._spooled is not None
                log.error("%s was not published: what was written is in %s", self.key, self._spooled.spool.name)
                self._spooled.close()
                self._spooled = None
        except OSError as error:
            log.error("%s was not published, and what was written could not be kept: %s", self.key, error)
