"""The content of an open file, in one of its states (states.py): how it is made, moved to a spool, and dropped.

Whoever calls a method with an underscore holds the lock.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import RLock

from ..core.events import Event as TransferEvent
from ..core.events import Warned
from ..core.locations import S3Location
from ..engine.interruptible import holding
from ..engine.spool import Spool
from ..errors import S3AMError
from ..objects.spooled_file import SpooledFile
from ..objects.streamed_file import HINT, FileStream
from ..objects.writer import ObjectWriter
from ..transfers.job import stream_job
from ..transfers.options import ObjectInfo, UploadOptions
from .context import Service
from .file_reader import FileReader
from .file_target import upload_options
from .states import Clean, Delayed, Event, GivenUp, Spooled, State, Streaming, Unlinked, step

log = logging.getLogger("s3amfs.mount")


class FileContent:
    """base: the stored object, None for a new file. metadata: of the object that will be stored.

    replaces: it was created by O_TRUNC, so it replaces whatever stands under its name when it is published; else only
    what was seen there may be replaced.
    """

    def __init__(
        self,
        service: Service,
        key: str,
        base: ObjectInfo | None,
        metadata: Mapping[str, str],
        *,
        replaces: bool = False,
    ) -> None:
        self.lock = RLock()
        self.key = key
        self.metadata = dict(metadata)
        self.size = base.size if base is not None else 0
        self.replaces = replaces
        self.keeps = service.options.spool_keep if service.options.spool_dir is None else None
        """Bytes of a stream that are copied to the spool; None: all."""
        self._service = service
        self._reader = FileReader(service)
        self._off_record = False
        self._sent: dict[str, str] = {}
        """The metadata that the server has got with the content."""
        self.state: State = Clean(base) if base is not None else Streaming(None, self._new_stream(None))

    @property
    def published(self) -> ObjectInfo | None:
        return self.state.base

    @property
    def shown(self) -> str:
        """ETag of the version whose attributes it has; '': it has those of none that is in S3."""
        return self.state.base.etag if isinstance(self.state, Clean) else ""

    @property
    def changed(self) -> bool:
        """Whether something is not published."""
        return isinstance(self.state, Streaming | Spooled)

    @property
    def given_up(self) -> bool:
        return isinstance(self.state, GivenUp)

    @property
    def unlinked(self) -> bool:
        return isinstance(self.state, Unlinked)

    @property
    def _location(self) -> S3Location:
        return S3Location(self._service.bucket, self.key)

    def _become(self, event: Event, state: State) -> None:
        self.state = step(self.state, event, state)

    def _new_stream(self, base: ObjectInfo | None) -> FileStream:
        """base: the object that it will replace."""
        service = self._service
        options = self._upload_options(base, goes_on=False)
        target = S3Location(service.bucket, self.key)
        job = stream_job(service.client, target, options, on_event=self._on_event, counts=False)
        writer = ObjectWriter(job, memory=service.memory)
        return FileStream(writer, Spool(service.options.spool_dir), keeps=self.keeps)

    def _new_spooled(self, base: ObjectInfo | None, spool: Spool | None = None) -> SpooledFile:
        spool = spool or Spool(self._service.options.spool_dir)
        spool.resize(self.size)
        valid = base.size if base is not None else 0
        return SpooledFile(self._service.client, self._location, base, spool, self.size, valid)

    def _change(self, event: Event, act: Callable[[SpooledFile], None]) -> SpooledFile:
        """Does `act` to what is new, in a spool; it is on record, so that it outlives this process.

        A clean file stays clean if that fails. Raises OSError.
        """
        state = self.state
        if not isinstance(state, Clean):
            spooled = self._to_spool(event)
            self._keep_record(spooled)
            act(spooled)
            return spooled
        spooled = state.copy or self._new_spooled(state.base)
        try:
            self._keep_record(spooled)
            act(spooled)
        except BaseException:
            spooled.forget_record()
            if state.copy is None:
                spooled.close()
            raise
        self._reader.close()
        self._become(event, Spooled(state.base, spooled))
        return spooled

    def _keep_record(self, spooled: SpooledFile) -> None:
        if not self.unlinked and not self._off_record:
            try:
                spooled.keep_record(self.metadata)
            except OSError as error:
                self._off_record = True
                log.warning("%s: changes that wait for its close will not outlive this process: %s", self.key, error)

    def _to_spool(self, event: Event) -> SpooledFile:
        """From now on the spool has what is new; a stream stops, and what it sent stays for `publish` to find."""
        state = self.state
        if isinstance(state, Unlinked):
            if isinstance(state.content, Clean):
                base = state.content.base
                spooled = state.content.copy or self._new_spooled(base)
                spooled.location = replace(self._location, version_id=base.version_id)  # never published: only read
                self._reader.keep_what_is_here(spooled)
                self._become(event, Unlinked(Spooled(state.content.base, spooled)))
                return spooled
            return state.content.spooled
        if isinstance(state, Streaming):
            if not state.stream.is_whole:
                raise OSError(errno.EFBIG, f"its beginning was sent and not copied; {HINT}")
            self._stop(state.stream)
            spooled = self._new_spooled(None, state.stream.spool)
            self._become(event, Spooled(state.base, spooled))
            return spooled
        assert isinstance(state, Spooled)
        if isinstance(state, Delayed) and event in ("write", "resize"):
            self._become(event, Spooled(state.base, state.spooled))
        return state.spooled

    @property
    def is_whole(self) -> bool:
        """Whether all that is not published lies in the spool."""
        state = self.state
        if isinstance(state, Streaming):
            return state.stream.is_whole and not state.stream.is_broken
        return isinstance(state, Spooled)

    @property
    def is_delayed(self) -> bool:
        """Whether it was closed and waits to be published."""
        return isinstance(self.state, Delayed)

    def delay(self) -> bool:
        """It waits in its spool, on record, to be published; False: a rename, say, has published it, or it has lost its
        name. Raises OSError if it can't be kept on disk."""
        with holding(self.lock):
            if not self.changed or self.is_delayed:
                return False
            spooled = self._to_spool("delay")
            spooled.keep_record(self.metadata)
            self._become("delay", Delayed(self.state.base, spooled))
            return True

    def _stop(self, stream: FileStream, *, keep: bool = True) -> None:
        try:
            stream.abort(keep=keep)
        except S3AMError as error:
            log.warning("%s: what was sent of it could not be removed ('s3am pending' lists it): %s", self.key, error)

    def _discard(self) -> None:
        """Forgets all content."""
        state = self.state.content if isinstance(self.state, Unlinked) else self.state
        if isinstance(state, Streaming):
            self._stop(state.stream)
            state.stream.spool.close()
        spooled = state.spooled if isinstance(state, Spooled) else state.copy if isinstance(state, Clean) else None
        if spooled is not None:
            spooled.forget_record()
            spooled.close()
        self._reader.close()

    def _on_event(self, event: TransferEvent) -> None:
        if isinstance(event, Warned):
            log.warning("%s", event.text())

    def _upload_options(self, base: ObjectInfo | None, *, goes_on: bool) -> UploadOptions:
        """How it is stored now; from here on its metadata is what was sent. goes_on: the content of `base` goes on."""
        given = self._service, self.key, base, self.metadata
        options = upload_options(*given, goes_on=goes_on, replaces=self.replaces)
        self.metadata, self._sent = dict(options.object.metadata), dict(options.object.metadata)
        return options

    def stored_again(self, of: str, etag: str, version_id: str | None = None) -> None:
        """The object with the ETag `of` is another one now, with the same content: its metadata or name was changed."""
        with holding(self.lock):
            base, state = self.published, self.state
            if base is None or base.etag != of or of == etag or isinstance(state, Unlinked):
                return
            base = replace(base, etag=etag, version_id=version_id, last_modified=time.time())
            spooled = state.spooled if isinstance(state, Spooled) else state.copy if isinstance(state, Clean) else None
            if spooled is not None and spooled.kept is not None:
                spooled.rebase(base)
            self._reader.close()
            self._become("stored again", replace(state, base=base))

    def settled(self) -> ObjectInfo | None:
        """The stored object, after a publication that is in flight."""
        with holding(self.lock):
            return self.published

    def was_moved(self) -> None:
        """`key` is another one now."""
        with holding(self.lock):
            state = self.state
            if isinstance(state, Streaming) and state.stream.is_whole:
                self._stop(state.stream, keep=False)  # its parts are for the old name
                state = Spooled(state.base, self._new_spooled(None, state.stream.spool))
                self._become("publish", state)
            spooled = state.spooled if isinstance(state, Spooled) else state.copy if isinstance(state, Clean) else None
            if spooled is not None:
                spooled.location = self._location
            self._reader.close()  # it asks for the old name
