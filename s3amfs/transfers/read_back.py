"""Reads what was just stored, to judge it by its content where a server's own words do not suffice."""

from __future__ import annotations

from ..core.checksums import combine
from ..core.locations import S3Location
from ..core.parts import Part, Plan
from ..core.ssec import CustomerKey
from ..engine.attempt import PartResult, ReceivePart
from ..engine.client import S3Client
from ..engine.sinks import HashSink
from ..errors import AccessDenied, BadCredentials, NotFound
from .options import UploadOptions
from .report import Report, ignore
from .s3_source import S3Source
from .speed import Speed, make_transfer, move_all

READ_BYTES = 32 * 1024 * 1024


def content_crc(
    client: S3Client, location: S3Location, etag: str, customer_key: CustomerKey | None, name: str
) -> int | None:
    """The CRC called `name` of the object at `location`; None if it may not be read, or is not the one with `etag`.

    Raises TransferError, SourceChanged (it was replaced while it was read).
    """
    try:
        info = client.find(location.bucket, location.key, customer_key=customer_key)
    except BadCredentials:
        raise
    except (AccessDenied, NotFound):
        return None
    if info is None or info.etag != etag:
        return None
    if info.size == 0:
        return 0
    found: dict[int, tuple[int, int]] = {}

    def keep(result: PartResult) -> None:
        assert result.crc is not None
        found[result.number] = (result.crc, result.length)

    ranges = S3Source(client, location, info, UploadOptions(source_key=customer_key))

    def move(part: Part, attempt: int) -> ReceivePart:
        sink = HashSink(part, ranges.accept(part), name)
        return ReceivePart(ranges.request(part), sink, rest=ranges)

    report = Report("check", location.url, "", ignore)
    transfer = make_transfer(client, move, location.url, Speed(slots=2, bucket=location.bucket), report, on_part=keep)
    move_all(transfer, Plan(info.size, min(READ_BYTES, info.size)))
    return combine(name, [found[number] for number in sorted(found)])
