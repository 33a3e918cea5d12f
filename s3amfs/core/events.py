"""Events of a running transfer: frozen, each with a text for people and a JSON face. Pure."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import ClassVar

from .define import define
from .sizes import format_size


def limited_text(cause: str, share: float) -> str:
    """'limited by: round trips (80 % of the time)'."""
    return f"limited by: {cause} ({100 * share:.0f} % of the time)"


@define(frozen=True, slots=True)
class Event:
    """Base of all events."""

    event: ClassVar[str] = "event"

    def text(self) -> str:
        """One line for people."""
        return self.event

    def json(self) -> dict[str, object]:
        """For `--json`; docs/json.md has the schema."""
        return {"event": self.event, **asdict(self)}


@define(frozen=True, slots=True)
class TransferStarted(Event):
    """The first event of a verb."""

    event: ClassVar[str] = "transfer_started"
    verb: str
    source: str
    target: str
    size: int | None
    """Bytes; None: nobody knows yet."""
    part_size: int | None
    parts: int | None
    resumed_parts: int = 0
    resumed_bytes: int = 0

    def text(self) -> str:
        size = "unknown size" if self.size is None else format_size(self.size)
        parts = f" in {self.parts} parts" if self.parts is not None and self.parts > 1 else ""
        resumed = f", {self.resumed_parts} parts are there already" if self.resumed_parts else ""
        return f"{self.verb} {self.source} to {self.target}: {size}{parts}{resumed}"


@define(frozen=True, slots=True)
class BytesMoved(Event):
    """Progress."""

    event: ClassVar[str] = "bytes_moved"
    done: int
    """Bytes of the whole that are done or in flight, those of earlier runs included."""
    total: int | None

    def text(self) -> str:
        return format_size(self.done) + ("" if self.total is None else f" of {format_size(self.total)}")


@define(frozen=True, slots=True)
class PartFinished(Event):
    """A part is there."""

    event: ClassVar[str] = "part_finished"
    number: int
    length: int
    attempts: int
    seconds: float = 0.0
    """Of the attempt that succeeded."""

    def text(self) -> str:
        tries = f" at try {self.attempts}" if self.attempts > 1 else ""
        return f"part {self.number}: {format_size(self.length)}{tries}"


@define(frozen=True, slots=True)
class WorkerMoved(Event):
    """Progress of one worker."""

    event: ClassVar[str] = "worker_moved"
    worker: str
    """Address in the dask cluster."""
    parts: int
    """All that it has moved in this run."""
    bytes: int

    def text(self) -> str:
        return f"worker {self.worker}: {self.parts} parts, {format_size(self.bytes)}"


@define(frozen=True, slots=True)
class PartRetried(Event):
    """An attempt has failed, and there will be another."""

    event: ClassVar[str] = "part_retried"
    number: int
    attempt: int
    delay: float
    """Seconds until the next try."""
    reason: str

    def text(self) -> str:
        return f"part {self.number}: try {self.attempt} failed ({self.reason}), again in {self.delay:.1f} s"


@define(frozen=True, slots=True)
class Warned(Event):
    """Something that the user should know."""

    event: ClassVar[str] = "warning"
    message: str

    def text(self) -> str:
        return f"warning: {self.message}"


@define(frozen=True, slots=True)
class LimitedBy(Event):
    """The limit of the last seconds; every few seconds of a transfer."""

    event: ClassVar[str] = "limited_by"
    cause: str
    share: float
    """Of the last seconds, 0 to 1."""

    def text(self) -> str:
        return limited_text(self.cause, self.share)


@define(frozen=True, slots=True)
class Completing(Event):
    """All parts are there."""

    event: ClassVar[str] = "completing"
    target: str

    def text(self) -> str:
        return f"completing {self.target}"


@define(frozen=True, slots=True)
class TransferResult(Event):
    """Result of a verb; also its last event."""

    event: ClassVar[str] = "result"
    verb: str
    source: str
    target: str
    size: int | None
    parts: int = 0
    etag: str = ""
    version_id: str | None = None
    checksum: str = ""
    """'crc64nvme:BASE64' of the whole; '' if it is not known."""
    proof: str = ""
    """The checks of the content that were made."""
    seconds: float = 0.0
    bytes_sent: int = 0
    """Bytes that went over the network in this run, in either direction, repeated ones included."""
    bytes_copied: int = 0
    """Bytes that S3 copied by itself in this run."""
    parts_sent: int = 0
    parts_resumed: int = 0
    """Parts that an earlier run had moved."""
    retries: int = 0
    skipped: bool = False
    dry_run: bool = False
    limited_by: str = ""
    """The cause with the largest share of the time; '' where it was too short to say."""
    limited_share: float = 0.0
    """0 to 1."""
    requests_made: dict[str, int] = field(default_factory=dict)
    """Requests of this process meanwhile, by price class."""

    def text(self) -> str:
        if self.skipped:
            return f"{self.target} exists: left as it is"
        size = "unknown size" if self.size is None else format_size(self.size)
        if self.dry_run:
            return f"would {self.verb} {self.source} to {self.target}: {size} in {self.parts} parts"
        moved = self.bytes_sent + self.bytes_copied
        rate = f", {format_size(int(moved / self.seconds))}/s" if self.seconds > 0 and moved else ""
        resumed = f", {self.parts_resumed} of {self.parts} parts were there already" if self.parts_resumed else ""
        retries = f", {self.retries} retries" if self.retries else ""
        proof = f"; {self.proof}" if self.proof else ""
        limit = f"\n{limited_text(self.limited_by, self.limited_share)}" if self.limited_by else ""
        return f"{self.target}: {size} in {self.seconds:.1f} s{rate}{resumed}{retries}{proof}{limit}"
