"""`ObjectWriter`: bytes pushed in order become an object; parts leave while more is written.

For sources that nobody can range over: standard input, pipes, FUSE and fsspec writers. A part is filled in memory (in a
file if it is large, or if other writers have the memory), then sent while the next one fills; `write` waits when too
many are in flight. Less than one part is one PutObject.
An unfinished upload of the same key is continued: a part that is already there with the same content is not sent again.
Bytes can be changed as long as their part is being filled; a part that has been sent is sent again by `close`,
whose caller still has its bytes. One thread at a time may use a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..core.define import define
from ..core.events import TransferResult
from ..core.manifest import SourceIdentity
from ..core.parts import DEFAULT_PART, Part, check_part_size, choose_part_size
from ..core.stream_parts import StreamParts
from ..engine.limits import ByteBudget
from ..engine.part_buffer import FillingMemory, PartBuffer
from ..engine.sources import LocalSource, MemorySource
from ..engine.targets import send
from ..errors import Interrupted
from ..transfers.job import Job, has_manifest
from ..transfers.multipart import Begun
from ..transfers.options import UploadOptions
from ..transfers.put_object import put_single
from ..transfers.resume import part_there, stream_part_size
from ..transfers.send_parts import Content, Installed, Movement, SendParts
from ..transfers.source import ByteStream
from ..transfers.speed import Speed
from ..wire.s3 import api as s3api
from .outbox import Outbox

BUDGET_BYTES = 32 * 1024 * 1024
"""Bytes of one writer that may be in flight; a part larger than that goes alone."""
READ_BYTES = 256 * 1024


@define(frozen=True, slots=True)
class WriterMemory:
    """Bytes that writers may have in memory; one may be shared by many."""

    in_flight: ByteBudget
    """For parts that are full; a writer waits for it, since the network gives it back."""
    filling: FillingMemory | None = None
    """For parts that are being filled, which wait in files beyond it; None: each writer has its own."""

    def buffer(self) -> PartBuffer:
        return PartBuffer(memory=self.filling)


class ObjectWriter:
    """A stream into the job's target.

    identity: of what is written; None: nothing is known of it. memory: shared with other writers; None: its own.
    first_part: bytes of parts at first, if the options fix none.
    """

    def __init__(
        self,
        job: Job,
        *,
        identity: SourceIdentity | None = None,
        memory: WriterMemory | None = None,
        first_part: int = DEFAULT_PART,
    ) -> None:
        self.target = job.target
        self.position = 0
        """Bytes written so far."""
        self.closed = False
        self._job = job
        self._identity = identity or SourceIdentity(url="-")
        self._layout = _layout_of(job, self._identity, first_part)
        self._memory = memory or WriterMemory(ByteBudget(BUDGET_BYTES))
        self._buffer = self._memory.buffer()
        self._outbox = Outbox(self._memory.in_flight)
        self._parts: SendParts | None = None
        self.error: BaseException | None = None
        """The error that ended the writer; nothing more can be written."""

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes all of `data`; waits while too much is in flight. Raises the error of a part that failed earlier."""
        self._check_open()
        view = memoryview(data).cast("B")
        taken = 0
        while taken < len(view):
            room = self._layout.length(self._job.can.unequal_parts) - len(self._buffer)
            piece = view[taken : taken + room]
            self._guard(partial(self._buffer.append, piece))
            taken += len(piece)
            self.position += len(piece)
            if len(piece) == room:
                self._guard(self._part_is_full)
        return taken

    def copy_from(self, stream: ByteStream) -> None:
        """Writes what `stream` reads until its end."""
        self.begin()
        while data := stream.read(READ_BYTES):
            self.write(data)

    def begin(self) -> None:
        """Looks for an unfinished upload now, not when the first part is full. Raises the contract's errors (4, 13)."""
        if self._parts is None:
            self._guard(self._find)

    @property
    def filling(self) -> int:
        """Where the part that is being filled begins."""
        return self.position - len(self._buffer)

    def full_parts(self, start: int, end: int) -> list[Part]:
        """The parts with bytes of [start, end) that are full, so that they have been sent."""
        return self._layout.full(start, end, self.filling)

    def overwrite(self, data: bytes | memoryview, offset: int) -> None:
        """Other bytes in the part that is being filled."""
        at = offset - self.filling
        if at < 0 or offset + len(data) > self.position:
            raise ValueError("that part is not being filled")
        self._buffer.overwrite(data, at)

    def cut(self, position: int) -> None:
        """Forgets what was written after `position`, in the part that is being filled."""
        if not self.filling <= position <= self.position:
            raise ValueError("that part is not being filled")
        self._buffer.truncate(position - self.filling)
        self.position = position

    def send_rest(self) -> None:
        """Sends what is left as the last part, without making the object visible: `close` or `abort` comes next."""
        if self._buffer:
            self._guard(self._part_is_full)

    def close(self, again: Sequence[Part] = (), source: LocalSource | None = None) -> s3api.StoredInfo:
        """Makes the object visible. Raises what went wrong; then nothing is visible and the parts stay.

        again: parts that have been sent and are other bytes since, which `source` has.
        """
        self._again = (again, source) if again and source is not None else None
        self._guard(self._finish)
        assert self._done is not None
        return self._done.stored

    def finish(self) -> TransferResult:
        """`close`, and the result for people."""
        self.close()
        assert self._done is not None
        return self._done.result(self._job.report, self.position, self.parts_sent)

    def abort(self, *, keep: bool = False) -> None:
        """Publishes nothing. keep: what was sent stays as an unfinished upload for a later attempt."""
        self.closed = True
        self._stop()
        parts, self._parts = self._parts, None
        if parts is None:
            return
        if keep:
            parts.leave()
        else:
            parts.abort()

    def abandon(self) -> None:
        """As `abort(keep=True)`, but waits for nothing: for finalizers, which run in any thread, also a loop's."""
        self.closed = True
        if self._parts is not None:
            self._parts.abandon()

    def set_options(self, options: UploadOptions) -> bool:
        """Expects what `options` expects. Returns whether `options.object` holds, too: the server knows nothing yet."""
        job = self._job
        options = options if self._parts is None else replace(job.options, expected=options.expects)
        self._job = Job(job.client, job.target, options, job.report, job.gate, job.counts)
        return self._parts is None

    @property
    def parts_sent(self) -> int:
        """Parts that are full, or were copied; after `close` all of the object, at least one."""
        return max(self._layout.next_number - 1, 1 if self._done is not None else 0)

    @property
    def upload_id(self) -> str | None:
        """Of the multipart upload, once there is one."""
        return self._begun.upload.upload_id if self._begun is not None else None

    # -- inside -----------------------------------------------------------------------------------------------------

    _done: Installed | None = None
    _again: tuple[Sequence[Part], LocalSource] | None = None

    @property
    def _begun(self) -> Begun | None:
        return self._parts.begun if self._parts is not None else None

    def _check_open(self) -> None:
        if self.error is not None:
            raise self.error
        if self.closed:
            raise ValueError("write to a closed object")

    def _guard(self, step: Callable[[], None]) -> None:
        """Runs `step`. An error is final: bytes written after it would be lost silently."""
        self._check_open()
        try:
            step()
        except BaseException as error:
            self.error = error if isinstance(error, Exception) else Interrupted("the upload was interrupted")
            self._stop()
            if self._parts is not None:
                self._parts.leave()
            raise

    def _stop(self) -> None:
        self._buffer.drop()
        if self._parts is not None:
            self._parts.stop()
        self._outbox.clear()

    def _find(self) -> None:
        self._parts = SendParts(self._job, self._content(), lambda result: self._outbox.done(result.number))
        begun = self._parts.find()
        if begun is not None:
            self._take_up(self._parts, begun)

    def _content(self) -> Content:
        return Content("upload", self._identity, f"upload to {self.target.url}", self._movement(self._outbox.source))

    def _movement(self, source: LocalSource) -> Movement:
        options = self._job.options
        speed = Speed(slots=options.upload_slots, bwlimit=options.bwlimit, bucket=self.target.bucket)
        return Movement(lambda target: lambda part, attempt: send(target, source, part), speed)

    def _take_up(self, parts: SendParts, begun: Begun) -> None:
        """The part size of the upload that is continued."""
        size = stream_part_size(begun, self._layout.first, self._job.options.part_size)
        self._layout = self._layout.of_size(size)
        parts.continue_with(size)

    def _part_is_full(self) -> None:
        self.begin()
        assert self._parts is not None
        if self._begun is None:
            self._parts.begin(self._layout.first)
            if not self._begin_with_existing(self._parts):
                return
        if not self._parts.is_open:
            self._job.report.started(self._identity.size, self._layout.first, None)
            self._parts.open(self._outbox.unsent, self._outbox.poke)
        warning = self._layout.check(self.target.url, self._job.can.unequal_parts)
        if warning is not None:
            self._job.report.warn(warning)
        number, data = self._layout.end_part(self.filling), self._buffer
        if self._there_already(self._parts, number, data):
            data.drop()
            self._buffer = self._memory.buffer()
            return
        while not self._outbox.wait_for_room(data, self._parts.look):
            self._parts.care()  # raises what ended it
        self._buffer = self._memory.buffer()
        part = Part(number, self.position - len(data), len(data))
        self._outbox.put(part, data)
        self._parts.add(part)

    def _begin_with_existing(self, parts: SendParts) -> bool:
        """For those who continue an object, right after the upload was begun; False: the full part is taken care of."""
        return True

    def _there_already(self, parts: SendParts, number: int, data: PartBuffer) -> bool:
        """Whether the upload that is continued has this part with this content."""
        kept = part_there(self._begun, number, data) if self._begun is not None else None
        if kept is not None:
            parts.keep(kept)
            self._job.report.parts_resumed += 1
            self._job.report.bytes_resumed += kept.length
        return kept is not None

    def _finish(self) -> None:
        job = self._job
        left = job.options.unfinished == "refuse" or has_manifest(job.client, job.target, job.options.state_dir)
        if self._parts is None and left:
            self._find()
        if self._begun is None:
            self._done = _put(self._job, self._buffer)
            if self._parts is not None:
                self._parts.leave()
        else:
            self._finish_parts()
        self.closed = True
        self._buffer.drop()

    def _finish_parts(self) -> None:
        if self._buffer or self._layout.next_number == 1:
            self._part_is_full()
        assert self._parts is not None
        self._parts.finish()
        if self._again is not None:
            again, source = self._again
            self._parts.move_again(again, self._movement(source))
        self._done = self._parts.complete(self.position, self._job.options.expects)


def _layout_of(job: Job, identity: SourceIdentity, first_part: int) -> StreamParts:
    """first_part: bytes, unless something fixes them. Raises UsageError for a size that S3 does not take."""
    wanted, size = job.options.part_size, identity.size
    if size is not None and (wanted is not None or job.can.unequal_parts is False):
        first = choose_part_size(size, wanted)
    else:
        first = check_part_size(wanted if wanted is not None else first_part)
    return StreamParts(first, fixed=wanted is not None, size=size)


def _put(job: Job, data: PartBuffer) -> Installed:
    """Stores `data` as the whole object, in one request."""
    memory = MemorySource()
    memory.put(1, data)
    return Installed(*put_single(job, len(data), lambda target: lambda part, attempt: send(target, memory, part)))
