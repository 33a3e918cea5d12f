"""Which parts of an unfinished upload can be kept: proven by the manifest, by a stored checksum, or by the source.

A part counts only if it has the plan's length and one of these holds: the manifest recorded the ETag that the server
shows, of a source that is proven to be unchanged; or the bytes of the source have the checksum that the manifest
recorded with that ETag, or the checksum or the MD5 that the server shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from ..core.checksums import Crc, decode, encode
from ..core.claims import Compared
from ..core.manifest import PartRecord
from ..core.parts import MIN_PART, Part, Plan, Recovered, choose_part_size, infer_part_size
from ..engine.part_buffer import PartBuffer
from ..errors import IncompatiblePartSize, SourceChanged
from ..wire.s3 import api as s3api
from .multipart import Begun, Multipart
from .report import Report

Hash = Callable[[Iterable[Part], str], dict[int, tuple[int, str]]]
"""Reads parts of the source: part number -> (CRC, MD5 in hex)."""


def take_up(upload: Multipart, begun: Begun, plan: Plan, hashes: Hash | None, describe: str, report: Report) -> None:
    """`upload` goes on with `begun`: the parts that `recover` proves count as done, and the report says so."""
    kept = recover(begun, plan, hashes, describe)
    upload.continue_with(begun, plan.part_size, kept)
    report.resumed(record.length for record in kept.values())


def recover(begun: Begun, plan: Plan, hashes: Hash | None, describe: str) -> dict[int, PartRecord]:
    """The parts of `begun` that need not be sent again.

    hashes: None where reading the source costs more than sending the part again (copies inside S3).
    Raises SourceChanged if there is no record of the parts and their checksums differ from the source's.
    """
    server = begun.server_parts
    fitting = Recovered(plan, ((number, part.size) for number, part in server.items()))
    recorded = begun.manifest.parts if begun.manifest is not None else {}
    recorded_name = begun.manifest.header.checksum if begun.manifest is not None else None
    crc_name = begun.checks.parts.crc or "crc64nvme"
    kept: dict[int, PartRecord] = {}
    doubtful: list[Part] = []
    for number in sorted(fitting.complete):
        record = recorded.get(number)
        if begun.proven and record is not None and _is_of(record, server[number]):
            kept[number] = record
        else:
            doubtful.append(plan.part(number))
    if not doubtful or hashes is None:
        return kept
    for number, (crc, md5) in hashes(doubtful, crc_name).items():
        part = server[number]
        record = recorded.get(number)
        if record is not None and _is_of(record, part) and (record.crc, recorded_name) == (crc, crc_name):
            kept[number] = record
        elif (same := record_of(part, crc_name, crc, md5)) is not None:
            kept[number] = same
        elif begun.manifest is None and (crc_name in part.checksums or (part.etag and begun.etag_is_md5())):
            raise SourceChanged(
                f"the unfinished upload of {describe} holds other bytes than the source has now: "
                "use --force to start over"
            )
    return kept


def _is_of(record: PartRecord, part: s3api.PartInfo) -> bool:
    """Whether `record` is about the bytes that the server has as `part`."""
    return record.etag == part.etag != "" and record.length == part.size


def record_of(part: s3api.PartInfo, crc_name: str, crc: int, md5: str) -> PartRecord | None:
    """The record of `part` if it is the bytes with this CRC and MD5 (hex); None: nothing proves that."""
    stored = part.checksums.get(crc_name, "")
    if stored and decode(crc_name, stored) is not None:
        how = Compared.CHECKSUM if stored == encode(crc_name, crc) else Compared.NOTHING
    else:
        how = Compared.ETAG if part.etag == md5 else Compared.NOTHING
    if how is Compared.NOTHING:
        return None
    return PartRecord(part.number, part.size, part.etag, crc, stored, how.value)


def part_with(begun: Begun, part: s3api.PartInfo, data: PartBuffer) -> PartRecord | None:
    """The record of `part`, which the upload that is continued has, if it is `data`; else None."""
    name = begun.checks.parts.crc or "crc64nvme"
    running, running_md5 = Crc(name), hashlib.md5(usedforsecurity=False)
    for piece in data.chunks():
        running.update(piece)
        if name not in part.checksums:
            running_md5.update(piece)
    recorded = begun.manifest.parts.get(part.number) if begun.manifest is not None else None
    if recorded is not None and _is_of(recorded, part):
        return recorded if recorded.crc == running.value else None
    md5 = "" if name in part.checksums else running_md5.hexdigest()
    return record_of(part, name, running.value, md5)


def part_there(begun: Begun, number: int, data: PartBuffer) -> PartRecord | None:
    """The record of part `number`, if the upload that is continued has it and it is `data`; else None."""
    part = begun.server_parts.get(number)
    return part_with(begun, part, data) if part is not None and part.size == len(data) else None


def stream_part_size(begun: Begun, first: int, wanted: int | None) -> int:
    """Bytes of the first parts of the stream whose upload is continued.

    first: as a new upload would have them. wanted: as the user wants them. Raises IncompatiblePartSize.
    """
    there = begun.server_parts.get(1)
    if begun.manifest is not None:
        first = begun.manifest.header.part_size
    elif there is not None and there.size >= MIN_PART:
        first = there.size
    if wanted is not None and first != wanted:
        choose_part_size(first, wanted, taken_up=first)
    return first


def part_size_of(begun: Begun, size: int) -> int | None:
    """Part size in bytes of the upload that is continued; None: it has no parts yet.

    Raises IncompatiblePartSize where its parts are in no even sizes for `size` bytes.
    """
    if begun.manifest is not None:
        return begun.manifest.header.part_size
    parts = [(part.number, part.size) for part in begun.server_parts.values() if part.size or part.etag]
    if not parts:
        return None
    found = infer_part_size(size, parts)
    if found is None:  # a run that was killed may have left the byte that asks what ETags are (etag_probe.py)
        larger = [(number, length) for number, length in parts if length > 1]
        if not larger:
            return None
        found = infer_part_size(size, larger)
    if found is None:
        raise IncompatiblePartSize(
            f"the parts of the unfinished upload do not fit a source of {size:,} bytes: use --force to start over"
        )
    return found
