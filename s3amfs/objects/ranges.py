"""Ranges of one object into memory: coalesced where they are near, fetched in parallel, pinned to one version."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from ..core.define import define
from ..core.locations import S3Location
from ..core.parts import Part
from ..core.ssec import CustomerKey
from ..engine.attempt import PartResult, ReceivePart
from ..engine.client import S3Client
from ..engine.executor import Transfer
from ..engine.limits import SlotGate
from ..engine.one_shot import OneShot
from ..engine.part_problem import PartProblem
from ..engine.sinks import MemorySink
from ..engine.sources import range_judge
from ..errors import ChecksumMismatch, SourceChanged
from ..transfers.options import UploadOptions
from ..transfers.proof import ReadProof, TakesCrcs
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.s3_source import S3Source, identity_of
from ..transfers.speed import Speed, make_transfer
from ..wire.curl.streams import Chunks
from ..wire.messages import Reply
from ..wire.s3 import api as s3api

NEAR_BYTES = 128 * 1024
"""A gap that costs less than another request."""
TRIES = 4
"""Of a read that arrives damaged."""
PIECE_BYTES = 4 * 1024 * 1024
"""One request fetches at most this much, so that large ranges come in parallel."""
SHORT_BYTES = 512 * 1024
SHORT_SLOTS = 32
"""Ranges that are shorter on average wait more than they move: many of them at a time."""


@define(frozen=True, slots=True)
class Pinned:
    """An object whose version does not change under the reader."""

    client: S3Client
    location: S3Location
    info: s3api.ObjectInfo
    customer_key: CustomerKey | None = None
    gate: SlotGate | None = None
    spread: bool = False
    """Whether all loops fetch pieces, as they do where TLS costs CPU: faster for who works on what was read meanwhile,
    but each GiB costs some CPU time more."""
    slots: int | None = None
    """Most requests of one `fetch` at a time; None: as many as serve."""

    @property
    def proof(self) -> ReadProof:
        """For one reader of the whole."""
        return ReadProof(self.info, self.location.url)

    @property
    def uses_tls(self) -> bool:
        """Whether TLS detects every bit that changes in transit."""
        return self.client.session.uses_tls(self.location.bucket)

    @property
    def copy_source(self) -> s3api.CopySource:
        """For parts that S3 copies: from this very content."""
        return s3api.CopySource(
            self.location.bucket,
            self.location.key,
            if_match=self.info.strong_etag,
            customer_key=self.customer_key,
        )

    def check(self, doing: str) -> None:
        """Raises SourceChanged unless the object is still this one.

        For servers that know no conditions, and for changes after the last copy. doing: 'appended to', for the error.
        """
        now = self.client.find(self.location.bucket, self.location.key, customer_key=self.customer_key)
        if now is None or now.etag != self.info.etag:
            raise SourceChanged(f"{self.location.url} was changed by somebody else while it was {doing}")

    def begin(self, offset: int, length: int, on_bytes: Callable[[Chunks | None], None]) -> OneShot:
        """Begins to fetch one range (at most a piece); no thread waits for it, and nothing is tried again.

        on_bytes is called in a loop's thread, with the bytes, or after any trouble with None: then `read_whole` helps.
        """
        chunks = Chunks(length)
        judge = range_judge(Part(1, offset, length), identity_of(self.location, self.info))

        def on_reply(reply: Reply | None) -> None:
            try:
                if reply is not None:
                    judge(reply)
            except PartProblem:
                reply = None
            on_bytes(chunks if reply is not None and sum(map(len, chunks)) == length else None)

        request = s3api.get_object(
            self.location.bucket,
            self.location.key,
            offset=offset,
            length=length,
            version_id=self.location.version_id,
            if_match=self.info.strong_etag,
            customer_key=self.customer_key,
        )
        spread = self.spread or self.uses_tls
        loop = offset // PIECE_BYTES if spread else 0
        return self.client.begin(request, on_reply, chunks, loop=loop, gate=self.gate)

    def fetch(
        self,
        pieces: Sequence[tuple[int, memoryview]],
        on_event: OnEvent = ignore,
        proof: TakesCrcs | None = None,
    ) -> Transfer:
        """Begins to fill each (offset, buffer); `wait` for what is returned: that raises SourceChanged, too, and
        ChecksumMismatch when the pieces complete what a ReadProof proves wrong.

        However it ends, the buffers are released then. A BytesIO that the garbage collector finds while views of it
        are out cannot be closed, and says so on stderr (Python 3.13).
        """
        ranges = S3Source(self.client, self.location, self.info, UploadOptions(source_key=self.customer_key))
        crc = proof.crc_name if proof is not None else None
        parts = [Part(number, offset, len(buffer)) for number, (offset, buffer) in enumerate(pieces, start=1)]
        total = sum(part.length for part in parts)
        slots = SHORT_SLOTS if total < len(parts) * SHORT_BYTES else None

        def move(part: Part, attempt: int) -> ReceivePart:
            sink = MemorySink(pieces[part.number - 1][1], part, ranges.accept(part), crc)
            return ReceivePart(ranges.request(part), sink, rest=ranges)

        def arrived(result: PartResult) -> None:
            if proof is not None and result.crc is not None:
                proof.add(pieces[result.number - 1][0], result.length, result.crc)

        transfer = make_transfer(
            self.client,
            move,
            self.location.url,
            Speed(slots=self.slots or slots, direction="down", bucket=self.location.bucket),
            Report("read", self.location.url, "", on_event),
            on_part=arrived,
            gate=self.gate,
            total=total,
            receives=len(parts) > 1,
        )
        transfer.on_over(lambda: release(piece for _, piece in pieces))
        transfer.add(parts, last=True)
        return transfer


def release(views: Iterable[memoryview]) -> None:
    """Nobody writes to them any more. May be called again."""
    for view in views:
        view.release()


def split(offset: int, view: memoryview) -> list[tuple[int, memoryview]]:
    """A range in pieces of one request each."""
    return [(offset + at, view[at : at + PIECE_BYTES]) for at in range(0, len(view), PIECE_BYTES)]


def read_whole(pinned: Pinned, start: int, end: int, on_event: OnEvent = ignore) -> bytes:
    """Bytes [start, end) of the object, in parallel. All of it is compared with the checksum that S3 stores.

    Raises ChecksumMismatch if it never arrives as it is stored.
    """
    if end <= start:
        return b""
    room = make_room(end - start)
    with room.getbuffer() as view:
        _fill(pinned, start, view, on_event)
    return room.getvalue()


class _Room(io.BytesIO):
    """A BytesIO that may be collected together with views of it.

    Python 3.13 closes it before the views of the same cycle (an exception's frames hold them), which `BytesIO` refuses.
    """

    def close(self) -> None:
        try:
            super().close()
        except BufferError:
            return  # the last view frees the memory


def make_room(size: int) -> io.BytesIO:
    """Room for `size` bytes, more than 0: `getbuffer` is for who fills it, and once no view is left, `getvalue` gives
    what it holds, not a copy, so that large objects are in memory once."""
    room = _Room()
    room.seek(size - 1)
    room.write(b"\0")
    return room


def _fill(pinned: Pinned, start: int, view: memoryview, on_event: OnEvent) -> None:
    for left in reversed(range(TRIES)):
        try:
            pinned.fetch(split(start, view), on_event, pinned.proof).wait()
            return
        except ChecksumMismatch:
            if not left:
                raise


def read_to_keep(pinned: Pinned, start: int, end: int) -> bytes:
    """As `read_whole`, for bytes that will be stored again: a bit that is wrong now would stay wrong.

    S3 sends no checksum of a range. So without TLS, which detects all damage, the range is read until it comes twice
    alike. Raises ChecksumMismatch if it never does, SourceChanged, TransferError.
    """
    found = read_whole(pinned, start, end)
    if pinned.uses_tls or (end - start == pinned.info.size and pinned.proof.crc_name is not None):
        return found
    for _ in range(TRIES):
        before, found = found, read_whole(pinned, start, end)
        if before == found:
            return found
    raise ChecksumMismatch(f"{pinned.location.url}: each read returns other bytes: check the network")


def read_ranges(pinned: Pinned, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Each range [start, end) of the object, in the order asked for; near ones share a request."""
    merged = coalesce(ranges)
    buffers = [bytearray(end - start) for start, end in merged]
    pieces = [
        piece for (start, _), buffer in zip(merged, buffers, strict=True) for piece in split(start, memoryview(buffer))
    ]
    if pieces:
        pinned.fetch(pieces).wait()
    firsts = [start for start, _ in merged]
    found: list[bytes] = []
    for start, end in ranges:
        if end <= start:
            found.append(b"")
            continue
        at = bisect_right(firsts, start) - 1
        first = firsts[at]
        found.append(bytes(memoryview(buffers[at])[start - first : end - first]))
    return found


def coalesce(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The fewest ranges worth asking for that hold all of `ranges`, in order of their offset."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((start, end) for start, end in ranges if end > start):
        if merged and start - merged[-1][1] <= NEAR_BYTES:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
