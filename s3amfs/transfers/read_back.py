"""Reads what was just stored, to judge it by its content where a server's own words do not suffice."""

from __future__ import annotations

from ..core.checksums import combine
from ..core.locations import S3Location
from ..core.parts import Part, Plan
from ..core.ssec import CustomerKey
from ..engine.attempt import PartResult, ReceivePart
from ..engine.client import S3Client
from ..engine.sinks import HashSink
from ..engine.sources import range_judge
from ..errors import AccessDenied, BadCredentials, NotFound
from ..wire.s3 import api as s3api
from .report import Report, ignore
from .s3_source import identity_of
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
    identity = identity_of(location, info)

    def keep(result: PartResult) -> None:
        assert result.crc is not None
        found[result.number] = (result.crc, result.length)

    def move(part: Part, attempt: int) -> ReceivePart:
        request = s3api.get_object(
            location.bucket,
            location.key,
            offset=part.offset,
            length=part.length,
            if_match=info.strong_etag,
            customer_key=customer_key,
        )
        sink = HashSink(part, range_judge(part, identity), name)
        return ReceivePart(client.session.prepare(request), sink)

    report = Report("check", location.url, "", ignore)
    transfer = make_transfer(client, move, location.url, Speed(slots=2, bucket=location.bucket), report, on_part=keep)
    move_all(transfer, Plan(info.size, min(READ_BYTES, info.size)))
    return combine(name, [found[number] for number in sorted(found)])
