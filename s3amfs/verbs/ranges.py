"""Ranges of one object into memory: coalesced where they are near, fetched in parallel, pinned to one version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.locations import S3Location
from ..core.parts import Part
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.operation import PartResult, ReceivePart
from ..engine.sinks import MemorySink
from ..engine.slots import SlotGate
from ..engine.transfer import Transfer
from ..wire import s3api
from .options import UploadOptions
from .parts_mover import Speed, make_transfer
from .report import OnEvent, Report, ignore
from .upload_source import S3Source

NEAR_BYTES = 128 * 1024
"""A gap that costs less than another request."""
PIECE_BYTES = 4 * 1024 * 1024
"""One request fetches at most this much, so that large ranges come in parallel."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """An object whose version does not change under the reader."""

    client: S3Client
    location: S3Location
    info: s3api.ObjectInfo
    customer_key: CustomerKey | None = None
    gate: SlotGate | None = None

    def fetch(self, pieces: Sequence[tuple[int, memoryview]], on_event: OnEvent = ignore) -> Transfer:
        """Begins to fill each (offset, buffer); `wait` for what is returned: that raises SourceChanged, too."""
        ranges = S3Source(self.client, self.location, self.info, UploadOptions(source_key=self.customer_key))
        parts = [Part(number, offset, len(buffer)) for number, (offset, buffer) in enumerate(pieces, start=1)]

        def move(part: Part, attempt: int) -> ReceivePart:
            sink = MemorySink(pieces[part.number - 1][1], part, ranges.accept(part))
            return ReceivePart(ranges.request(part), sink)

        transfer = make_transfer(
            self.client,
            move,
            self.location.url,
            Speed(),
            Report("read", self.location.url, "", on_event),
            on_part=_ignore_part,
            gate=self.gate,
            total=sum(part.length for part in parts),
        )
        transfer.add(parts, last=True)
        return transfer


def _ignore_part(result: PartResult) -> None:
    """Its bytes are where they belong."""


def split(offset: int, view: memoryview) -> list[tuple[int, memoryview]]:
    """A range in pieces of one request each."""
    return [(offset + at, view[at : at + PIECE_BYTES]) for at in range(0, len(view), PIECE_BYTES)]


def read_whole(pinned: Pinned, start: int, end: int, on_event: OnEvent = ignore) -> bytes:
    """Bytes [start, end) of the object, in parallel."""
    buffer = bytearray(max(0, end - start))
    if buffer:
        pinned.fetch(split(start, memoryview(buffer)), on_event).wait()
    return bytes(buffer)


def read_ranges(pinned: Pinned, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Each range [start, end) of the object, in the order asked for; near ones share a request."""
    merged = coalesce(ranges)
    buffers = [bytearray(end - start) for start, end in merged]
    pieces = [
        piece for (start, _), buffer in zip(merged, buffers, strict=True) for piece in split(start, memoryview(buffer))
    ]
    if pieces:
        pinned.fetch(pieces).wait()
    found: list[bytes] = []
    for start, end in ranges:
        if end <= start:
            found.append(b"")
            continue
        at = next(i for i, (first, last) in enumerate(merged) if first <= start and end <= last)
        found.append(bytes(buffers[at][start - merged[at][0] : end - merged[at][0]]))
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
