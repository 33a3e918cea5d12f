"""The parts of one multipart upload in flight: their transfer, the forms they are sent in, the meaning of failures.

Where an upload is begun again, another `Sending` takes the place of this one (send_parts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..core.capabilities import may_refuse_feature
from ..core.define import define
from ..core.failures import Failure
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import Part
from ..engine.attempt import Move, PartResult
from ..engine.client import S3Client
from ..engine.targets import MultipartTarget
from ..wire.s3 import api as s3api
from .checksum_choice import Checking, PartForms, Suspect
from .copied_parts import check_lengths, raise_of_copy
from .job import Job
from .speed import Speed, make_transfer
from .trouble import Trouble

LOOK_SECONDS = 1.0
"""Between two looks after parts in trouble."""

WholeCrc = tuple[str, str] | None
"""(algorithm, base64) of all parts, joined; None where one is not known."""


def unchecked(crc: WholeCrc) -> None:
    """For sources that nobody else can change."""


@define(frozen=True, slots=True)
class Movement:
    """How parts get to S3."""

    move: Callable[[MultipartTarget], Move]
    """Given a target: the work of each part."""
    speed: Speed
    repeatable: bool = False
    """Whether the parts in front of a stream can be moved again where the upload has to be begun again."""
    optional: bool = False
    """Whether the parts can get there in another manner: a refusal is Unsupported, and nothing is begun again."""


@define(frozen=True, slots=True)
class Copied:
    """An object of which parts are copied inside S3."""

    url: str
    size: int
    """Bytes."""
    checksums: Mapping[str, str]
    """As the server stores them with the whole: base64 by name."""


@define(frozen=True, slots=True)
class Content:
    """The content of an object, and how its parts get to S3."""

    verb: str
    """The verb that begins the upload; only the same verb continues it."""
    identity: SourceIdentity
    describe: str
    """The operation that a final failure names: 'upload to s3://b/k'."""
    movement: Movement
    others: tuple[S3Client, ...] = ()
    """Further clients whose credentials sign requests."""
    copied: Copied | None = None
    """The object of which parts are copied inside S3; None: none is."""
    algorithm: str = "crc64nvme"
    """The CRC that the parts are declared with, unless the user has chosen one or the server does not take it."""
    check: Callable[[WholeCrc], None] = unchecked
    """Called when all parts are there, before the object becomes visible. Raises SourceChanged, ChecksumMismatch."""


@define(frozen=True, slots=True)
class PartCallbacks:
    """Functions that the parts are reported to, in a loop's thread."""

    on_part: Callable[[PartResult], None]
    """Called for each part that is there, before it counts as done."""
    on_trouble: Callable[[], None]
    """Called when parts are in trouble, or nothing moves any more."""


class Sending:
    """Parts of `upload`, from the moment on in which they are added. One thread at a time, but for the callbacks."""

    def __init__(
        self,
        job: Job,
        content: Content,
        movement: Movement,
        upload: s3api.MultipartUpload,
        forms: PartForms,
        trouble: Trouble,
        callbacks: PartCallbacks,
    ) -> None:
        """trouble: of this object's parts so far, also those of an upload that was begun before."""
        self._job = job
        self._content = content
        self._optional = movement.optional
        self._upload = upload
        self._forms = forms
        self._trouble = trouble
        self._callbacks = callbacks
        target = MultipartTarget(job.client.session, upload, forms, job.options.object.customer_key)
        self._transfer = make_transfer(
            job.client,
            movement.move(target),
            content.describe,
            movement.speed,
            job.report,
            on_part=self._part_done,
            others=content.others,
            gate=job.gate,
            total=content.identity.size,
            done_before=job.report.bytes_resumed,
            judge=self._judge,
        )
        self._transfer.on_over(callbacks.on_trouble)

    def add(self, parts: Iterable[Part], *, last: bool) -> None:
        """Sends more parts; `last` when these are all."""
        self._transfer.add(parts, last=last)

    @property
    def over(self) -> bool:
        """Whether nothing moves any more."""
        return self._transfer.over

    @property
    def failure(self) -> Failure | None:
        """The failure that ended it."""
        return self._transfer.failure

    @property
    def needs_care(self) -> bool:
        """Whether nothing moves any more, or parts are in trouble."""
        return self.over or self._trouble.is_due

    def deliver_events(self) -> None:
        """Hands out the events that have come together."""
        self._transfer.deliver_events()

    def wait(self) -> None:
        """Until all parts are there. Raises what ended it."""
        try:
            while not self._transfer.wait(LOOK_SECONDS):
                self.look_after_trouble()
        finally:
            self._forms.report(self._job.report)

    def look_after_trouble(self) -> None:
        """Ends it where parts are in trouble because their upload is no more."""
        gone = self._trouble.look(self._job.client, self._upload)
        if gone is not None:
            self._transfer.stop(gone)

    def stop(self) -> None:
        """Cuts what is in flight, and waits for that."""
        self._transfer.stop()

    def stop_soon(self, then: Callable[[], None]) -> None:
        """As `stop`, but waits for nothing; calls `then` at the end, maybe in a loop's thread."""
        self._transfer.stop_soon(then)

    def _part_done(self, result: PartResult) -> None:
        self._callbacks.on_part(result)
        self._forms.done(result)
        if result.number in self._forms.copied:
            self._job.report.count_copied(result.length, in_parts=True)

    def _judge(self, number: int, failure: Failure) -> Failure:
        """In a loop's thread."""
        if self._trouble.note(failure):
            self._callbacks.on_trouble()
        return self._forms.judge(number, failure)

    # -- failures and what was copied -------------------------------------------------------------------------------

    def suspect_of(self, failure: Failure, checks: Checking) -> Suspect | None:
        """The feature that explains `failure` of an upload begun with `checks`; None: no feature does."""
        if self._optional or checks.algorithm is None or checks.fixed or not may_refuse_feature(failure):
            return None
        suspect: Suspect = "copied_checksums" if self._forms.is_of_copy(failure) else "trailers"
        return None if getattr(self._job.can, suspect) is True else suspect

    def raise_of_copy(self, *, has_kept: bool) -> None:
        """Raises the error of a part that S3 was to copy, if that ended it. has_kept: parts of an earlier run stay."""
        if self.failure is not None and self._forms.is_of_copy(self.failure):
            has_copied = not self._optional and (has_kept or bool(self._forms.copied))
            source = self._content.copied.url if self._content.copied is not None else ""
            raise_of_copy(self.failure, source, self._content.describe, has_copied=has_copied)

    def has_false_checksums(self, records: Mapping[int, PartRecord]) -> bool:
        """Whether copied parts have the checksum of the whole object that they are a part of.

        versitygw answers so, and stores the object with a checksum made of these, which every reader takes for damage.
        """
        source = self._content.copied
        whole = source.checksums.get(self._forms.crc_name or "", "") if source is not None else ""
        if source is None or not whole:
            return False
        parts = [records[number] for number in self._forms.copied]
        return any(part.checksum == whole and part.length < source.size for part in parts)

    def check_copied(self, records: Mapping[int, PartRecord]) -> None:
        """Once a server: that the parts that S3 copied are as long as `records` say. Raises Unsupported."""
        lengths = {number: records[number].length for number in self._forms.copied}
        if lengths and not self._job.can.copies_ranges:
            check_lengths(self._job, self._content.describe, self._upload, lengths)
