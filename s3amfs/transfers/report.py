"""The events that a verb reports while it runs, and its result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from ..core.bottleneck import Bottleneck, Tally
from ..core.events import Completing, Event, TransferResult, TransferStarted, Warned
from ..engine.executor import Transfer
from ..engine.loop import requests_made

OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For callers who want no events."""


class Report:
    """Events and figures of one run of one verb; used by the thread that runs the verb."""

    def __init__(self, verb: str, source: str, target: str, on_event: OnEvent, *, counts: bool = True) -> None:
        """counts: whether its result is wanted."""
        self._verb = verb
        self._source = source
        self._target = target
        self.on_event = on_event
        self._begun = time.monotonic()
        self._requests = requests_made() if counts else Counter[str]()
        self._transfers: list[Transfer] = []
        self.parts_resumed = 0
        self.bytes_resumed = 0
        self._elsewhere = (0, 0)
        self._copied = 0
        self._copied_in_parts = 0

    def started(self, size: int | None, part_size: int | None, parts: int | None) -> None:
        self.on_event(
            TransferStarted(
                self._verb,
                self._source,
                self._target,
                size,
                part_size,
                parts,
                self.parts_resumed,
                self.bytes_resumed,
            )
        )

    def resumed(self, lengths: Iterable[int]) -> None:
        """Parts of these lengths were there already."""
        found = tuple(lengths)
        self.parts_resumed, self.bytes_resumed = len(found), sum(found)

    def warn(self, message: str) -> None:
        self.on_event(Warned(message))

    def completing(self) -> None:
        self.on_event(Completing(self._target))

    def count(self, transfer: Transfer) -> None:
        """The figures of `transfer` go into the result."""
        self._transfers.append(transfer)

    def count_elsewhere(self, parts: int, size: int, *, copied: bool = False) -> None:
        """Other processes have moved `parts` parts, `size` bytes, which go into the result. copied: S3 copied them."""
        self._elsewhere = self._elsewhere[0] + parts, self._elsewhere[1] + size
        if copied:
            self._copied_in_parts += size

    def count_copied(self, size: int, *, in_parts: bool) -> None:
        """S3 has copied `size` bytes by itself. in_parts: as a part of a transfer that counts."""
        if in_parts:
            self._copied_in_parts += size
        else:
            self._copied += size

    def result(
        self,
        *,
        size: int | None,
        parts: int = 0,
        etag: str = "",
        version_id: str | None = None,
        checksum: str = "",
        proof: str = "",
        skipped: bool = False,
        dry_run: bool = False,
    ) -> TransferResult:
        """The result, which is also the last event."""
        limit = self._limit()
        moved = self._elsewhere[1] + sum(transfer.bytes_sent for transfer in self._transfers)
        result = TransferResult(
            verb=self._verb,
            source=self._source,
            target=self._target,
            size=size,
            parts=parts,
            etag=etag,
            version_id=version_id,
            checksum=checksum,
            proof=proof,
            seconds=time.monotonic() - self._begun,
            bytes_sent=max(0, moved - self._copied_in_parts),
            bytes_copied=self._copied_in_parts + self._copied,
            parts_sent=self._elsewhere[0] + sum(transfer.parts_moved for transfer in self._transfers),
            parts_resumed=self.parts_resumed,
            retries=sum(transfer.retries for transfer in self._transfers),
            skipped=skipped,
            dry_run=dry_run,
            limited_by=limit.cause.value if limit is not None else "",
            limited_share=round(limit.share, 3) if limit is not None else 0.0,
            requests_made=dict(requests_made() - self._requests),
        )
        self.on_event(result)
        return result

    def _limit(self) -> Bottleneck | None:
        """The limit of all that moved."""
        tally = Tally()
        for transfer in self._transfers:
            for cause, seconds in transfer.flight.spent().seconds.items():
                tally.seconds[cause] = tally.seconds.get(cause, 0.0) + seconds
        return tally.limited_by()
