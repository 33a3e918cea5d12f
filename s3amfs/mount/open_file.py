"""A file that is open: one for all its holders. How it works:

It is in one of six states (states.py): `Clean` (what is in S3, read through objects/reader.py), `Streaming` (a new
content that is being sent, objects/streamed_file.py), `Spooled` (what differs from the base, in a local sparse file,
objects/spooled_file.py), `Delayed` (the same, closed and not published yet: write_back.py), `GivenUp` (its writer was
killed) or `Unlinked` (no name leads to it). `publish` makes what was written the object and leads back to Clean; a
failure leaves the state, so that the next attempt has all it needs.
How a state's content is made, moved to a spool and dropped: file_content.py.

Threads may share it; a lock is held while it changes and while it is published. Looks take no lock.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Mapping

from ..core import posix_metadata as posix
from ..engine.interruptible import holding
from ..errors import S3AMError
from ..objects.spooled_file import SpooledFile
from ..transfers.options import ObjectInfo, StoredInfo
from .attributes import Attributes, attributes, last_changed
from .context import Service
from .file_content import FileContent
from .file_target import published_info
from .states import Clean, GivenUp, Spooled, State, Streaming, Unlinked

NEAR_NANOSECONDS = 10**9
"""A stream's mtime that is that near to the one which was sent before costs no copy of the object."""
MOST_COPIED = 5 * 1024**3
"""Larger objects are not copied for the sake of the mtime of the last write."""
log = logging.getLogger("s3amfs.mount")


class OpenFile(FileContent):
    """As FileContent says."""

    def __init__(
        self,
        service: Service,
        key: str,
        base: ObjectInfo | None,
        metadata: Mapping[str, str],
        *,
        replaces: bool = False,
    ) -> None:
        super().__init__(service, key, base, metadata, replaces=replaces)
        self.holders = 0
        self.failed = False
        """Whether the last attempt to send or publish it went wrong, of which its writer knows."""
        self.changed_at = last_changed(base) if base is not None else time.time_ns()
        """ctime, in nanoseconds."""
        self._unwritten: BaseException | None = None
        """Why a write failed: of a memory map only the kernel has learned it, so the next fsync or close raises it."""
        self._writers: set[int] = set()
        self._mtime_was_set = False

    # -- looking ----------------------------------------------------------------------------------------------------

    @property
    def attributes(self) -> Attributes:
        modified = last_changed(self.published)
        return attributes(
            self._service.options, self.metadata, size=self.size, modified=modified, changed=self.changed_at
        )

    def written_by(self, process: int) -> bool:
        return process in self._writers

    def read(self, offset: int, size: int) -> list[bytes | memoryview]:
        """In pieces. Raises SourceChanged if the object was replaced elsewhere, TransferError; EBUSY (a stream)."""
        while True:
            with holding(self.lock):
                state = self.state.content if isinstance(self.state, Unlinked) else self.state
                if isinstance(self.state, Unlinked) and self.state.lost:
                    raise OSError(errno.EIO, "it was removed while it was written: what was sent is gone")
                if isinstance(state, Streaming):
                    return [state.stream.read(offset, size)]
                spooled = (
                    state.spooled if isinstance(state, Spooled) else state.copy if isinstance(state, Clean) else None
                )
                if spooled is not None:
                    return [self._reader.read_spooled(spooled, offset, size)]
                if state.base is None:
                    return []
                reader = self._reader.open(self._location, state.base)
            try:
                return self._reader.read(reader, offset, size)
            except S3AMError:
                if self._reader.is_of(reader):
                    raise  # else the file has changed meanwhile, which has stopped its reader

    # -- changing ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview, offset: int, process: int) -> int:
        """Raises the error of what was written earlier, too (a part that could not be sent); ENOSPC; EFBIG."""
        with holding(self.lock):
            self._check_usable()
            self._writers.add(process)
            try:
                self._write(data, offset)
            except BaseException as error:
                self.failed = True
                if getattr(error, "errno", None) not in (errno.EFBIG, errno.EINTR):  # which change nothing
                    self._unwritten = error
                raise
            self._touched()
            return len(data)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        if isinstance(self.state, Clean) and not self.size and not offset:
            self._become("write", Streaming(self.state.base, self._new_stream(self.state.base)))
        if isinstance(self.state, Streaming):
            stream = self.state.stream
            stream.keeps = self.keeps
            stream.write(data, offset)
            self.size = stream.size
            return
        self.size = self._change("write", lambda spooled: spooled.write(data, offset)).size

    def resize(self, size: int) -> None:
        """Raises OSError: EFBIG for a stream whose beginning is gone."""
        with holding(self.lock):
            self._check_usable()
            if size == self.size:
                return
            if size == 0:
                self._empty()
            elif not (isinstance(self.state, Streaming) and self.state.stream.resize(size)):
                self._change("resize", lambda spooled: spooled.resize(size))
            self.size = size
            self._touched()

    def truncate_to_nothing(self) -> None:
        """O_TRUNC: the old content does not count any more; it stays in S3 until the new one is published."""
        with holding(self.lock):
            self._check_usable()
            self.replaces = True
            self._empty()
            self._touched()

    def _empty(self) -> None:
        self.size, self._unwritten = 0, None
        following: State
        if isinstance(self.state, Unlinked):
            following = Unlinked(Spooled(None, self._new_spooled(None)))
        else:
            following = Streaming(self.published, self._new_stream(self.published))
        self._discard()
        self._become("empty", following)

    def _touched(self) -> None:
        self.changed_at = time.time_ns()
        self.metadata["mtime"] = posix.time_text(self.changed_at)
        self._mtime_was_set = False

    def change_metadata(self, changes: Mapping[str, str]) -> bool:
        """Whether they will be published with the content; False: it is clean."""
        with holding(self.lock):
            self.metadata.update(changes)
            self.changed_at = time.time_ns()
            self._mtime_was_set |= "mtime" in changes
            return self.changed

    def _check_usable(self) -> None:
        if self.given_up:
            raise OSError(errno.EIO, "the process that wrote this file was killed: nothing of it is published")

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self) -> bool:
        """Makes what was written the object; whether there was anything to publish. Raises what went wrong.

        After a failure nothing is visible, the data is kept, and the next `publish` tries again.
        """
        with holding(self.lock):
            self._check_usable()
            if not self.changed:
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
        state = self.state
        if isinstance(state, Streaming) and not state.stream.is_better_spooled:
            sent = self._sent
            if not state.stream.set_options(self._upload_options(state.base, goes_on=False)):
                self._sent = sent
            return state.stream.close()
        spooled = self._to_spool("publish")
        options = self._upload_options(self.published, goes_on=spooled.kept is not None)
        return spooled.publish(options, self._service.memory, self._on_event)

    def _published_as(self, stored: StoredInfo) -> None:
        self._reader.close()
        state = self.state
        goes_on = isinstance(state, Spooled) and state.spooled.kept is not None
        info = published_info(self.key, state.base, self.size, stored, self._sent, goes_on=goes_on)
        if isinstance(state, Spooled):
            copy: SpooledFile | None = state.spooled
        else:
            assert isinstance(state, Streaming)
            spool = state.stream.spool
            copy = None
            if state.stream.is_whole:
                copy = SpooledFile(self._service.client, self._location, info, spool, self.size, self.size)
            else:
                spool.close()
        if copy is not None:
            copy.published_as(info)
        self._become("publish", Clean(info, copy))
        self.failed = self.replaces = False
        self._writers.clear()

    def take_late_metadata(self) -> dict[str, str]:
        """All that was changed after the stream had begun, so that the object does not have it yet.

        An mtime that is near to the stored one, or of an object that is too large to be copied for it, is taken back.
        """
        if self.published is None:
            return {}
        stored = self.published.metadata
        late = {name: value for name, value in self.metadata.items() if stored.get(name) != value}
        if "mtime" in late and not self._mtime_was_set:
            difference = posix.time_of(late["mtime"], 0) - posix.time_of(stored.get("mtime"), 0)
            if abs(difference) < NEAR_NANOSECONDS or self.size > MOST_COPIED:
                self.metadata["mtime"] = stored.get("mtime", late["mtime"])
                del late["mtime"]
        return late

    # -- ends -------------------------------------------------------------------------------------------------------

    def give_up(self) -> None:
        """The writer was killed: nothing is published, what was sent stays for a second attempt."""
        with self.lock:
            if self.changed:
                log.warning("%s: its writer was killed, so it is not published", self.key)
                base = self.published
                self._discard()
                self._become("writer killed", GivenUp(base))

    def unlink(self) -> None:
        """It has no name any more, or another file has it, and it will not be published. Nothing is fetched."""
        with holding(self.lock):
            state = self.state
            if isinstance(state, Streaming):
                self._stop(state.stream, keep=False)
                spooled = self._new_spooled(None, state.stream.spool)
                self._become("unlink", Unlinked(Spooled(state.base, spooled), lost=not state.stream.is_whole))
            elif isinstance(state, Spooled):
                state.spooled.forget_record()
                self._become("unlink", Unlinked(state))
            elif isinstance(state, Clean):
                self._become("unlink", Unlinked(state))

    def close(self) -> None:
        """The last holder is gone. All that could not be published is kept, on record and in a file with a name."""
        with self.lock:
            if not (self.changed and self._keep_what_is_left()):
                self._discard()

    def _keep_what_is_left(self) -> bool:
        """Whether a spool with a name has it now."""
        try:
            if isinstance(self.state, Streaming) and not self.state.stream.is_whole:
                log.error("%s was not published: what was sent of it is an unfinished upload", self.key)
                return False
            spooled = self._to_spool("publish")
            spooled.keep_record(self.metadata)
            log.error("%s was not published: what was written is in %s", self.key, spooled.spool.name)
            self._reader.close()
            spooled.close()
            return True
        except OSError as error:
            log.error("%s was not published, and what was written could not be kept: %s", self.key, error)
            return False
