"""Parts of a remote source received on this machine, with the retries of every transfer: to hash or to hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.events import Event, PartRetried
from ..core.parts import Part
from ..engine.attempt import PartResult, PartSink, ReceivePart
from ..engine.client import S3Client
from ..engine.part_buffer import PartBuffer
from ..engine.sinks import MemorySink
from ..engine.sources import MemorySource, RangedSource
from .report import OnEvent, Report, ignore
from .speed import Speed, make_transfer, move_all


def receive(
    source: RangedSource,
    parts: Iterable[Part],
    sink: Callable[[Part], PartSink],
    client: S3Client,
    *,
    endpoint: str,
    others: tuple[S3Client, ...] = (),
    on_part: Callable[[PartResult], None] = lambda result: None,
    on_event: OnEvent = ignore,
) -> None:
    """Fetches parts of `source` into sinks. Raises the source's error.

    endpoint: name of the line that the bytes come over. others: clients whose credentials sign the requests.
    on_part: called in a loop's thread. on_event: receives retries; the bytes are not those of the job, which are sent.
    """

    def note(event: Event) -> None:
        if isinstance(event, PartRetried):
            on_event(event)

    url = source.identity.url
    transfer = make_transfer(
        client,
        lambda part, attempt: ReceivePart(source.request(part), sink(part), source.explain, source),
        url,
        Speed(direction=None, source=endpoint),
        Report("check", url, "", note),
        on_part=on_part,
        others=others,
    )
    move_all(transfer, parts)


def receive_all(
    source: RangedSource, size: int, client: S3Client, *, endpoint: str, on_event: OnEvent = ignore
) -> MemorySource:
    """Returns all `size` bytes of `source` as part 1, in memory. Raises the source's error."""
    data, received = bytearray(size), MemorySource()
    with memoryview(data) as room:

        def sink(part: Part) -> MemorySink:
            return MemorySink(room, part, source.accept(part))

        receive(source, [Part(1, 0, size)], sink, client, endpoint=endpoint, on_event=on_event)
    received.put(1, PartBuffer(data))
    return received
