"""`ObjectWriter`: bytes pushed in order become an object; parts leave while more is written.

For sources that nobody can range over: standard input, pipes, FUSE and fsspec writers. A part is filled in memory, then
sent while the next one fills; `write` waits when too many are on their way. Less than one part is one PutObject.
An unfinished upload of the same key is continued: a part that is already there with the same content is not sent again.
What was written can be changed as long as its part is being filled; a part that has been sent is sent again by `close`,
whose caller still has its bytes. One thread at a time may use a writer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..core.checksums import Crc
from ..core.events import TransferResult
from ..core.locations import S3Location
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import DEFAULT_PART, MIN_PART, Part, check_part_size, choose_part_size, growing_length
from ..engine.attempt import PartResult
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.limits import ByteBudget, SlotGate
from ..engine.sources import LocalSource, MemorySource
from ..engine.targets import MultipartTarget, send
from ..errors import Interrupted, S3AMError
from ..transfers.checksum_choice import should_fall_back
from ..transfers.multipart import Begun, MultipartJob, open_journal
from ..transfers.options import UploadOptions
from ..transfers.put_object import put_single
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.resume import same_content
from ..transfers.source import ByteStream
from ..transfers.speed import Speed, make_transfer, move_all
from ..wire.s3 import api as s3api

BUDGET_BYTES = 48 * 1024 * 1024
"""Bytes of one writer that may be on their way; a part larger than that goes alone."""
READ_BYTES = 256 * 1024


class ObjectWriter:
    """A stream into `s3://bucket/key`.

    budget: bytes in memory, shared with other writers. first_part: bytes of parts at first, if the options fix none.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        key: str,
        options: UploadOptions,
        *,
        on_event: OnEvent = ignore,
        report: Report | None = None,
        identity: SourceIdentity | None = None,
        budget: ByteBudget | None = None,
        gate: SlotGate | None = None,
        first_part: int = DEFAULT_PART,
    ) -> None:
        self.target = S3Location(bucket, key)
        self.position = 0
        """Bytes written so far."""
        self.closed = False
        self._client = client
        self._options = options
        self._identity = identity or SourceIdentity(url="-")
        self._report = report or Report("upload", self._identity.url, self.target.url, on_event)
        self._budget = budget or ByteBudget(BUDGET_BYTES)
        self._gate = gate
        self._base = check_part_size(options.part_size if options.part_size is not None else first_part)
        self._buffer = bytearray()
        self._starts: list[int] = []
        """Where each part that is full begins."""
        self.next_number = 1
        self._job: MultipartJob | None = None
        self._begun: Begun | None = None
        self._transfer: Transfer | None = None
        self._memory = MemorySource()
        self._sending: dict[int, Part] = {}
        self.error: BaseException | None = None
        """What ended it, so that nothing more can be written."""

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes all of `data`; waits while too much is on its way. Raises the error of a part that failed earlier."""
        self._check_open()
        view = memoryview(data).cast("B")
        taken = 0
        while taken < len(view):
            room = self._length() - len(self._buffer)
            piece = view[taken : taken + room]
            self._buffer += piece
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
        if self._job is None:
            self._guard(self._find)

    @property
    def filling(self) -> int:
        """Where the part that is being filled begins."""
        return self.position - len(self._buffer)

    def full_parts(self, start: int, end: int) -> list[Part]:
        """The parts with bytes of [start, end) that are full, so that they have been sent."""
        starts = [*self._starts, self.filling]
        first, last = max(0, bisect_right(self._starts, start) - 1), bisect_left(self._starts, end)
        parts = (Part(index + 1, starts[index], starts[index + 1] - starts[index]) for index in range(first, last))
        return [part for part in parts if part.end > start]

    def overwrite(self, data: bytes | memoryview, offset: int) -> None:
        """Other bytes in the part that is being filled."""
        at = offset - self.filling
        if at < 0 or offset + len(data) > self.position:
            raise ValueError("that part is not being filled")
        self._buffer[at : at + len(data)] = data

    def cut(self, position: int) -> None:
        """Forgets what was written after `position`, in the part that is being filled."""
        if not self.filling <= position <= self.position:
            raise ValueError("that part is not being filled")
        del self._buffer[position - self.filling :]
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
        assert self._stored is not None
        return self._stored

    def finish(self) -> TransferResult:
        """`close`, and the result for people."""
        stored = self.close()
        return self._report.result(
            size=self.position,
            parts=self.next_number,
            etag=stored.etag,
            version_id=stored.version_id,
            checksum=self._checksum,
            proof=self._proof,
        )

    def abort(self, *, keep: bool = False) -> None:
        """Publishes nothing. keep: what was sent stays as an unfinished upload for a later attempt."""
        self.closed = True
        self._stop()
        job, self._job = self._job, None
        if job is None:
            return
        if keep:
            job.leave()
        else:
            job.abort()

    def abandon(self) -> None:
        """As `abort(keep=True)`, but waits for nothing: for finalizers, which run in any thread, also a loop's."""
        self.closed = True
        leave = self._job.leave if self._job is not None else lambda: None
        self._transfer.stop_soon(leave) if self._transfer is not None else leave()

    def set_options(self, options: s3api.ObjectOptions) -> bool:
        """How the object is to be stored, as long as the server knows nothing of it; returns whether that was so."""
        if self._begun is None:
            self._options = replace(self._options, object=options)
        return self._begun is None

    @property
    def upload_id(self) -> str | None:
        """Of the multipart upload, once there is one."""
        return self._begun.upload.upload_id if self._begun is not None else None

    # -- inside -----------------------------------------------------------------------------------------------------

    _stored: s3api.StoredInfo | None = None
    _checksum = ""
    _proof = ""
    _again: tuple[Sequence[Part], LocalSource] | None = None

    def _check_open(self) -> None:
        if self.error is not None:
            raise self.error
        if self.closed:
            raise ValueError("write to a closed object")

    def _guard(self, step: Callable[[], None]) -> None:
        """An error is for good: what comes after it would be lost silently."""
        self._check_open()
        try:
            step()
        except BaseException as error:
            self.error = error if isinstance(error, Exception) else Interrupted("the upload was interrupted")
            self._stop()
            if self._job is not None:
                self._job.leave()
            raise

    def _stop(self) -> None:
        self._buffer = bytearray()
        if self._transfer is not None and not self._transfer.over:
            self._transfer.stop()
        self._budget.give(self._memory.clear())

    def _length(self) -> int:
        """Length in bytes of the part that is being filled."""
        if self._options.part_size is not None:
            return self._base
        return growing_length(self.next_number, self._base)

    def _find(self) -> None:
        self._job = MultipartJob(
            "upload",
            self._client,
            self.target,
            self._options,
            self._identity,
            open_journal(self._client, self.target, self._options, self._report),
            self._report,
        )
        self._begun = self._job.find()
        if self._begun is not None:
            self._take_up(self._begun)

    def _take_up(self, begun: Begun) -> None:
        """The part size of the upload that is continued."""
        assert self._job is not None
        first = begun.server_parts.get(1)
        if begun.manifest is not None:
            self._base = begun.manifest.header.part_size
        elif first is not None and first.size >= MIN_PART:
            self._base = first.size
        if self._options.part_size is not None and self._base != self._options.part_size:
            choose_part_size(self._base, self._options.part_size, taken_up=self._base)
        self._job.continue_with(begun, self._base, {})

    def _part_is_full(self) -> None:
        self.begin()
        assert self._job is not None
        if self._begun is None:
            self._begun = self._job.begin(self._base)
            if not self._begin_with_existing():
                return
        if self._transfer is None:
            self._report.started(self._identity.size, self._base, None)
            self._transfer = self._start(self._begun)
        number, data = self.next_number, self._buffer
        self._starts.append(self.filling)
        self.next_number, self._buffer = number + 1, bytearray()
        if self._there_already(number, data):
            return
        while not self._budget.take(len(data), give_up=self._is_over):
            self._wait(last=False)  # raises what ended it
        part = Part(number, self.position - len(data), len(data))
        self._memory.put(number, data)
        self._sending[number] = part
        self._transfer.add([part], last=False)
        self._transfer.deliver_events()
        if self._is_over():
            self._wait(last=False)

    def _begin_with_existing(self) -> bool:
        """For those who continue an object, right after the upload was begun; False: the full part is taken care of."""
        return True

    def _is_over(self) -> bool:
        return self._transfer is not None and self._transfer.over

    def _wait(self, *, last: bool) -> None:
        """Waits for the end. A server that turns out to take no trailers is no end: all parts are still in memory."""
        assert self._transfer is not None and self._begun is not None and self._job is not None
        try:
            self._transfer.wait()
            return
        except S3AMError:
            capabilities = self._client.session.capabilities(self.target.bucket)
            told = self._begun.checks.parts.trailer is not None and should_fall_back(
                self._transfer.failure, self._options.checksum, capabilities
            )
            if self._job.records or not told:
                raise
        capabilities.trailers = False
        self._report.warn("the server takes no checksum trailers: parts are checked by their ETags")
        self._job.abort_to_begin_again()
        self._begun = self._job.begin(self._base)
        self._transfer = self._start(self._begun)
        self._transfer.add(list(self._sending.values()), last=last)
        if last:
            self._wait(last=True)

    def _start(self, begun: Begun) -> Transfer:
        transfer = self._transfer_from(self._memory, begun, self._part_done)
        transfer.on_over(self._budget.poke)
        return transfer

    def _transfer_from(self, source: LocalSource, begun: Begun, on_part: Callable[[PartResult], None]) -> Transfer:
        target = MultipartTarget(
            self._client.session, begun.upload, begun.checks.parts, self._options.object.customer_key
        )
        return make_transfer(
            self._client,
            lambda part, attempt: send(target, source, part),
            f"upload to {self.target.url}",
            Speed(slots=self._options.upload_slots, bwlimit=self._options.bwlimit, bucket=self.target.bucket),
            self._report,
            on_part=on_part,
            gate=self._gate,
            total=self._identity.size,
        )

    def _send_again(self, parts: Iterable[Part], source: LocalSource) -> None:
        """S3 keeps the last of what is sent under a part's number."""
        assert self._begun is not None and self._job is not None
        move_all(self._transfer_from(source, self._begun, self._job.record), parts)

    def _part_done(self, result: PartResult) -> None:
        assert self._job is not None
        self._job.record(result)
        self._sending.pop(result.number, None)
        self._budget.give(self._memory.drop(result.number))

    def _there_already(self, number: int, data: bytearray) -> bool:
        """Whether the upload that is continued has this part with this content."""
        assert self._begun is not None
        assert self._job is not None
        part = self._begun.server_parts.get(number)
        if part is None or part.size != len(data):
            return False
        name = self._begun.checks.parts.crc or "crc64nvme"
        running = Crc(name)
        running.update(data)
        recorded = self._begun.manifest.parts.get(number) if self._begun.manifest is not None else None
        if recorded is not None and recorded.etag == part.etag:
            same = recorded.crc == running.value
        else:
            same = same_content(part, name, running.value, data)
        if same:
            self._job.keep(PartRecord(number, part.size, part.etag, running.value, part.checksums.get(name, "")))
            self._report.parts_resumed += 1
            self._report.bytes_resumed += part.size
        return same

    def _finish(self) -> None:
        if self._begun is None and self._job is None and self._options.unfinished == "refuse":
            self._find()
        if self._begun is None:
            self._finish_single()
        else:
            self._finish_parts()
        self.closed = True
        self._buffer = bytearray()

    def _finish_single(self) -> None:
        data, memory = self._buffer, MemorySource()
        memory.put(1, data)
        self._stored, self._checksum, self._proof = put_single(
            self._client,
            self.target,
            self._options,
            len(data),
            lambda target: lambda part, attempt: send(target, memory, part),
            self._report,
            gate=self._gate,
        )
        if self._job is not None:
            self._job.leave()

    def _finish_parts(self) -> None:
        assert self._job is not None
        if self._buffer or self.next_number == 1:
            self._part_is_full()
        self.next_number -= 1
        if self._transfer is not None:
            self._transfer.add((), last=True)
            self._wait(last=True)
        if self._again is not None:
            self._send_again(*self._again)
        self._stored, self._checksum, self._proof = self._job.complete(self.position)
