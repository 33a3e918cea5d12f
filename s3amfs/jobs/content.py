"""Whether two entries have the same content, by what S3 stores of it: nothing is downloaded.

None means that nothing is stored that could be compared: a check that was not made is not claimed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from ..core.checksums import Crc, etag_parts, multipart_etag
from ..core.define import define
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.file_io import hash_range
from ..transfers.proof import part_sizes, stored_of
from ..wire.s3 import api as s3api


@define(frozen=True, slots=True)
class Compared:
    """equal: None where nothing stored can be compared."""

    equal: bool | None
    how: str


def object_and_bytes(
    client: S3Client, bucket: str, key: str, info: s3api.ObjectInfo, data: bytes | int, customer_key: CustomerKey | None
) -> Compared:
    """Compares an object with bytes in memory or in an open file (`data` is its descriptor).

    Raises OSError where the file cannot be read, S3AMError where S3 has to be asked for part sizes and does not answer.
    """
    size = len(data) if isinstance(data, bytes) else os.fstat(data).st_size
    if size != info.size:
        return Compared(False, "size differs")
    stored = stored_of(info)
    if stored.crc_name is not None:
        running = Crc(stored.crc_name)
        _read(data, 0, size, running.update)
        return Compared(running.value == stored.crc, stored.crc_name)
    if not stored.etag:
        return Compared(None, "no checksum is stored, and its ETag is none")
    sizes: list[int] | None = [size]
    if etag_parts(stored.etag) is not None:
        sizes = part_sizes(client, bucket, key, info, customer_key)
    if sizes is None:
        return Compared(None, "no checksum is stored, and the sizes of its parts are not known")
    digests = []
    at = 0
    for length in sizes:
        md5 = hashlib.md5(usedforsecurity=False)
        _read(data, at, length, md5.update)
        digests.append(md5.digest())
        at += length
    found = multipart_etag(digests) if "-" in stored.etag else digests[0].hex()
    return Compared(found == stored.etag, "ETag")


def _read(data: bytes | int, at: int, length: int, take: Callable[[bytes], object]) -> None:
    if isinstance(data, bytes):
        take(data[at : at + length])
    else:
        hash_range(data, at, at + length, take)


def two_objects(one: s3api.ObjectInfo, other: s3api.ObjectInfo) -> Compared:
    """Compares two objects by their stored checksums, else by their ETags."""
    if one.size != other.size:
        return Compared(False, "size differs")
    whole = [
        name
        for name, value in one.checksums.items()
        if "-" not in value and other.checksums.get(name, "-").find("-") < 0 and _is_whole(one) and _is_whole(other)
    ]
    if whole:
        name = whole[0]
        return Compared(one.checksums[name] == other.checksums[name], name)
    first, second = stored_of(one).etag or one.etag, stored_of(other).etag or other.etag
    plain = not (one.customer_key_md5 or other.customer_key_md5)
    if plain and first and first == second:
        return Compared(True, "ETag")
    both_md5 = _plain_md5(one) and _plain_md5(other)
    if both_md5:
        return Compared(False, "ETag")
    return Compared(None, "no checksum of the same kind is stored for both")


def _is_whole(info: s3api.ObjectInfo) -> bool:
    return (info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT"


def _plain_md5(info: s3api.ObjectInfo) -> bool:
    encrypted = info.customer_key_md5 is not None or (info.sse or "").startswith("aws:kms")
    return not encrypted and len(info.etag) == 32 and etag_parts(info.etag) is None
