"""The one loop for parts: begin, take up, move parts, fall back, begin again, check the source, complete.

Upload, copy, patch, append and the writer are its callers. They differ in their ends only: a `Content` describes the
bytes, how a part of them gets to the target, and how the source is checked before the object becomes visible.

How it works. A ranged caller knows all parts: `find`, `take_up` or `begin`, then `install`, which blocks until the
object is there. A streaming caller adds them one by one: `find`, `begin`, `open`, `add` for each part, `finish`,
`complete`; it keeps the bytes of a part until `on_part` says that the server has it. Parts move in the engine's loops
(engine/executor.py); the thread that owns this waits. Where the server refuses how the upload was begun, it is aborted
and begun again in another form, as long as no part that the server has is lost by that; `unsent` names the parts that
have to be sent then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..core.define import define
from ..core.events import TransferResult
from ..core.expected import Expected
from ..core.failures import Failure
from ..core.manifest import PartRecord
from ..core.parts import Part, Plan
from ..engine.attempt import PartResult
from ..errors import S3AMError, Unsupported
from ..wire.s3 import api as s3api
from .checksum_choice import PartForms, Suspect
from .job import Job, open_journal
from .multipart import Begun, Multipart
from .part_feed import Add
from .report import Report
from .resume import Hash, take_up
from .sending import Content, Copied, Movement, PartCallbacks, Sending, WholeCrc, unchecked
from .trouble import Trouble

__all__ = ["Content", "Copied", "Installed", "Movement", "SendParts", "WholeCrc", "unchecked"]


@define(frozen=True, slots=True)
class Installed:
    """An object that became visible."""

    stored: s3api.StoredInfo
    checksum: str
    """'ALGORITHM:BASE64' of the whole; '' where it is not known."""
    proof: str

    def result(self, report: Report, size: int | None, parts: int) -> TransferResult:
        """The result for people. size: bytes of the whole."""
        stored = self.stored
        return report.result(
            size=size,
            parts=parts,
            etag=stored.etag,
            version_id=stored.version_id,
            checksum=self.checksum,
            proof=self.proof,
        )


BeginFeed = Callable[[Add], None]
"""Called with `Sending.add` once parts move; has it called for further parts, at last with `last=True`."""


class SendParts:
    """One object sent in parts. One thread at a time; `on_part` is called in a loop's."""

    def __init__(
        self,
        job: Job,
        content: Content,
        on_part: Callable[[PartResult], None] | None = None,
        *,
        manifest: bool = True,
        shared: s3api.MultipartUpload | None = None,
    ) -> None:
        """manifest: whether this machine keeps one. shared: an upload that other processes send to as well: it is never
        aborted nor begun again from here, and no manifest is about it."""
        self._job, self._content = job, content
        journal = open_journal(job) if manifest and shared is None else None
        self._upload = Multipart(job, content.verb, content.identity, journal, content.algorithm)
        self._shared, self._on_part = shared is not None, on_part
        self.begun: Begun | None = self._upload.adopt(shared) if shared is not None else None
        """The upload that is under way; None before `find` or `begin`."""
        self.part_size = 0  # bytes of each part, as the upload was begun
        self._sending: Sending | None = None
        self._unsent: Callable[[], Iterable[Part]] = tuple
        self._last = self._tries_out = False
        self._on_trouble: Callable[[], None] = lambda: None
        self.is_open = False  # whether parts can be added
        self._suspect: Suspect | None = None
        self._kept = False  # whether the server has parts of an earlier run, never given up for another form
        self._trouble = Trouble()
        self._copied: tuple[tuple[Part, ...], Movement | None] = ((), None)  # in front of a stream

    @property
    def records(self) -> Mapping[int, PartRecord]:
        """The parts that are there, by number."""
        return self._upload.records

    # -- beginning --------------------------------------------------------------------------------------------------

    def find(self) -> Begun | None:
        """The unfinished upload to continue, if there is one and it may be. Raises the contract's errors."""
        self.begun = self._upload.find()
        return self.begun

    def take_up(self, plan: Plan, hashes: Hash | None) -> None:
        """Goes on with what `find` has found: parts that are proven to be the source's are not sent again.

        hashes: reads parts of the source; None: a part that the manifest does not prove is sent again.
        """
        assert self.begun is not None
        self.part_size = plan.part_size
        take_up(self._upload, self.begun, plan, hashes, self._job.target.url, self._job.report)
        self._kept = bool(self._upload.records)

    def continue_with(self, part_size: int) -> None:
        """Goes on with what `find` has found, as a stream: each part is compared as it comes, and given to `keep`."""
        assert self.begun is not None
        self.part_size = part_size
        self._upload.continue_with(self.begun, part_size, {})

    def keep(self, record: PartRecord) -> None:
        """A part of an earlier run is what is wanted."""
        self._upload.keep(record)
        self._kept = True

    def begin(self, part_size: int) -> Begun:
        """A new upload. part_size: bytes, for the manifest. Raises the server's error."""
        self.part_size = part_size
        self.begun = self._upload.begin(part_size, declares=self._suspect is None)
        return self.begun

    def begin_again(self) -> None:
        """Another upload in place of the one that was begun, which is aborted with the parts that this run has sent."""
        self._upload.abort_to_begin_again()
        self.begun, self.is_open = None, False
        self.begin(self.part_size)

    # -- parts ------------------------------------------------------------------------------------------------------

    def install(self, parts: Iterable[Part], size: int) -> Installed:
        """Sends those of `parts` that are not there, checks the source and makes the object of `size` bytes visible.

        parts: all of them; iterated again where the upload has to be begun again.
        """
        self.move_all(parts)
        return self.complete(size)

    def move_all(self, parts: Iterable[Part], movement: Movement | None = None, feed: BeginFeed | None = None) -> None:
        """Sends those of `parts` that are not there, and waits. movement: another one than the content's."""
        records = self._upload.records
        self._unsent = lambda: (part for part in parts if part.number not in records)
        self._last = feed is None
        self._move(self._unsent(), movement or self._content.movement, feed)
        assert self._sending is not None
        if self._sending.has_false_checksums(records):
            self._begin_undeclared(movement or self._content.movement)
        self._sending.check_copied(records)
        if movement is not None and movement.repeatable:
            self._copied = tuple(parts), movement

    def try_out(self, first: Part) -> None:
        """Sends the first byte of `first`, which shows the form that the server takes; the part itself is still to be
        sent: S3 keeps the last of what a number gets (S3 API, UploadPart). Ends this if it raises."""
        self._tries_out = True
        self.move_all([replace(first, length=1)])
        self._tries_out = False

    def _copy_again(self) -> None:
        """The parts in front of a stream, after the upload was begun again."""
        parts, movement = self._copied
        if movement is not None:
            self._start(movement)
            assert self._sending is not None
            self._sending.add(parts, last=True)
            self._sending.wait()

    def _begin_undeclared(self, movement: Movement) -> None:
        """All parts once more, in an upload that declares no checksum."""
        if self._shared:
            raise Unsupported(f"{self._content.describe}: the server answers copied parts with false checksums")
        self._suspect = "copied_checksums"
        self.begin_again()
        self._move(list(self._unsent()), movement)

    def move_again(self, parts: Iterable[Part], movement: Movement) -> None:
        """Sends parts that are there once more, with other bytes: S3 keeps the last of what a part's number gets."""
        self._unsent, self._last = (lambda: parts), True
        self._move(parts, movement)

    def _move(self, parts: Iterable[Part], movement: Movement, feed: BeginFeed | None = None) -> None:
        self._start(movement)
        self._add(parts)
        if feed is not None and self._sending is not None:
            feed(self._sending.add)
        self._wait(movement)

    def open(self, unsent: Callable[[], Iterable[Part]], on_trouble: Callable[[], None] = lambda: None) -> None:
        """For streams: parts are added one by one. unsent: parts that were added and not yet reported to `on_part`.
        on_trouble: called in a loop's thread when `needs_care` has become true."""
        self._unsent, self._last, self._on_trouble, self.is_open = unsent, False, on_trouble, True
        self._start(self._content.movement)

    def add(self, part: Part) -> None:
        """Sends one more part. Raises what ended the transfer; the part is sent all the same if it was begun again."""
        self._add([part]).deliver_events()
        self.care()

    @property
    def needs_care(self) -> bool:
        """Whether nothing moves any more, or parts are in trouble: then `care` is to be called."""
        return self._sending is not None and self._sending.needs_care

    def look(self) -> bool:
        """Delivers the events that have come together; returns `needs_care`."""
        if self._sending is not None:
            self._sending.deliver_events()
        return self.needs_care

    def care(self) -> None:
        """Raises what ended the transfer, or begins again; looks after parts in trouble."""
        if self._sending is not None and self._sending.over:
            self._wait(self._content.movement)
        elif self._sending is not None:
            self._sending.look_after_trouble()

    def finish(self) -> None:
        """Waits until all parts that were added are there."""
        self._last = True
        if self.is_open:
            self._add(())
            self._wait(self._content.movement)

    def stop(self) -> None:
        """Cuts what is in flight."""
        if self._sending is not None and not self._sending.over:
            self._sending.stop()

    def _start(self, movement: Movement) -> None:
        begun = self.begun or self.begin(self.part_size)
        self.begun = begun if self._shared else self._upload.settle_checks(begun)
        forms = PartForms(self.begun.checks, self._job.can, self._suspect)
        calls = PartCallbacks(self._part_done, self._on_trouble)
        self._sending = Sending(self._job, self._content, movement, self.begun.upload, forms, self._trouble, calls)

    def _add(self, parts: Iterable[Part]) -> Sending:
        assert self._sending is not None
        self._sending.add(parts, last=self._last)
        return self._sending

    def _part_done(self, result: PartResult) -> None:
        if not self._tries_out:
            self._upload.record(result)
        if not self._tries_out and self._on_part is not None:
            self._on_part(result)

    def _wait(self, movement: Movement) -> None:
        """Until all is there; where parts are still to be added, until the transfer has failed and was begun again."""
        while True:
            sending = self._sending
            assert sending is not None
            try:
                sending.wait()
                return
            except S3AMError:
                failure = sending.failure
                if failure is None or not self._falls_back(failure, sending):
                    sending.raise_of_copy(has_kept=self._kept)
                    raise
            was_open = self.is_open
            self.begin_again()
            self._copy_again()
            self.is_open = was_open
            self._start(movement)
            self._add(list(self._unsent()))
            if not self._last:
                return

    def _falls_back(self, failure: Failure, sending: Sending) -> bool:
        """Whether `failure` may be due to how the upload was begun, so that it is worth to begin again without that."""
        assert self.begun is not None
        copied = {part.number for part in self._copied[0]}
        if self._kept or self._shared or (self.is_open and self._upload.records.keys() - copied):
            return False  # parts would be lost that nobody has any more
        suspect = sending.suspect_of(failure, self.begun.checks)
        self._suspect = suspect or self._suspect
        return suspect is not None

    # -- ends -------------------------------------------------------------------------------------------------------

    def complete(self, size: int, expected: Expected | None = None) -> Installed:
        """Looks at the source once more, and makes the object of `size` bytes visible. expected: as in the options."""
        self._content.check(self._upload.whole_crc())
        return Installed(*self._upload.complete(size, expected))

    def abort(self) -> None:
        """Removes what was begun from the server, and the manifest."""
        self.stop()
        self.begun = None
        self._upload.abort()

    def leave(self) -> None:
        """Leaves what was sent for a later run."""
        self.stop()
        self._upload.leave()

    def abandon(self) -> None:
        """As `leave`, but waits for nothing: for finalizers, which run in any thread, also a loop's."""
        if self._sending is not None:
            self._sending.stop_soon(self._upload.leave)
        else:
            self._upload.leave()
