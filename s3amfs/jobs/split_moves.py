"""The parts that one process of a split job sends, without a pause between batches, and the records of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from functools import partial

from ..core.manifest import PartRecord
from ..core.parts import Part
from ..engine.attempt import PartResult
from ..errors import TransferError
from ..transfers.part_feed import Feed
from ..transfers.report import Report
from ..transfers.send_parts import SendParts
from ..wire.s3 import api as s3api
from .split_ends import SplitEnds
from .split_records import Records

MOST_LOOKS = 60
"""In a row that show nothing but parts of this process as missing, about one a second."""


class Moves:
    """The parts that this process sends, and their records."""

    def __init__(self, ends: SplitEnds, shared: s3api.MultipartUpload, records: Records, report: Report) -> None:
        content = ends.content()
        self._sending = SendParts(ends.job, content, self._done, shared=shared)
        self._copies = content.copied is not None
        self._records = records
        self._report = report
        self._new: deque[PartRecord] = deque()
        self._feed: Feed | None = None
        self._sent: set[int] = set()
        self._looks = 0
        self.moved = 0

    def unsent(self, missing: Collection[int]) -> set[int]:
        """Those of the `missing` parts that this process has not sent: a listing may lag behind what the server has.

        Raises TransferError if it does so for too long, and nothing else is left to do.
        """
        left = set(missing).difference(self._sent.copy())
        self._looks = self._looks + 1 if missing and not left else 0
        if self._looks > MOST_LOOKS:
            raise TransferError(
                f"the server has taken part {min(missing)}, but does not list it: run 's3am split move' again"
            )
        return left

    def move(
        self,
        parts: list[Part],
        further: Callable[[Collection[int]], list[Part]],
        missing: Callable[[], Collection[int]],
    ) -> None:
        """Returns when `parts` are there, and those that `further` has found meanwhile.

        missing: the numbers of the parts that the server does not have. Parts that S3 copies are compared once all are
        there, and no line holds them up: these are waited for.
        """

        def more(moving: Collection[int]) -> list[Part]:
            self._keep()
            return further(moving)

        feed = self._feed = Feed(parts, more, None if self._copies else missing)
        begin = partial(feed.begin, stop=self._sending.stop)
        try:
            feed.run(lambda: self._sending.move_all(parts, feed=begin))
        finally:
            keep_records(self._records, self._take(), self._report)

    def _done(self, part: PartResult) -> None:
        self._new.append(moved_record(part))
        self._sent.add(part.number)
        self.moved += 1
        assert self._feed is not None
        self._feed.done(part.number)

    def _take(self) -> list[PartRecord]:
        return [self._new.popleft() for _ in range(len(self._new))]

    def _keep(self) -> None:
        """Beside the transfer: records that can't be kept now are left for its end, which says so."""
        new = self._take()
        try:
            self._records.add(new)
        except OSError:
            self._new.extendleft(reversed(new))


def moved_record(result: PartResult) -> PartRecord:
    """Returns the record of a part that has moved."""
    return PartRecord(result.number, result.length, result.etag, result.crc, result.checksum, result.compared.value)


def keep_records(records: Records, done: list[PartRecord], report: Report) -> None:
    """The records spare `finish` nothing but proofs: without them the server's word on each part is all there is."""
    try:
        records.add(done)
    except OSError as error:
        report.warn(f"no record of the parts can be kept beside the job file ({error.strerror})")
