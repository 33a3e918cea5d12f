"""Reads of an open file through the cache on disk: what is there is not fetched, what is fetched is kept.

Every block is checked when it is read back, and counts for the proof of the whole object like what S3 has sent: if that
fails, the version's blocks are forgotten. Never kept: objects without a strong ETag or under a customer's key, and,
without TLS, objects of which S3 stores no CRC.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.block_cache import aligned, version_name
from ..engine.block_store import BlockStore
from ..errors import ChecksumMismatch
from ..objects.ranges import Pinned
from ..objects.reader import ObjectReader

Pieces = list[bytes | memoryview]
Fetch = Callable[[int, int], Pieces]
"""(offset, size) -> bytes from S3."""


def name_of(pinned: Pinned) -> str | None:
    """Returns the name of this version in the cache; None: it may not be kept."""
    info = pinned.info
    etag = info.strong_etag
    if etag is None or pinned.customer_key is not None or info.customer_key_md5 is not None:
        return None
    if not pinned.uses_tls and pinned.proof.crc_name is None:
        return None  # nothing would ever find a bit that flipped in transit, and it would stay
    location = pinned.location
    endpoint = pinned.client.session.endpoint_id(location.bucket)
    return version_name(endpoint, location.bucket, location.key, etag, info.version_id, info.size)


def read_through(store: BlockStore, reader: ObjectReader, offset: int, size: int, fetch: Fetch) -> Pieces:
    """Returns up to `size` bytes at `offset`, in pieces.

    Raises what `fetch` raises, and ChecksumMismatch when cached blocks complete an object that is not what S3 has.
    """
    name, whole = name_of(reader.pinned), reader.size
    end = min(whole, offset + size)
    if name is None or offset >= end:
        return fetch(offset, size)
    first, last = aligned(offset, end, whole)
    found: Pieces = []
    try:
        at = first
        for block in store.read(name, first, last, whole):
            found += _fetched(store, name, at, block.start, whole, fetch)
            reader.count_as_read(block.start, block.data, block.crc)
            found.append(block.data)
            at = block.end
        found += _fetched(store, name, at, last, whole, fetch)
    except ChecksumMismatch:
        store.discard(name)
        raise
    return cut(found, offset - first, end - first)


def _fetched(store: BlockStore, name: str, start: int, end: int, whole: int, fetch: Fetch) -> Pieces:
    if start >= end:
        return []
    pieces = fetch(start, end - start)
    store.write(name, start, pieces, whole)
    return pieces


def cut(pieces: Pieces, start: int, end: int) -> Pieces:
    """Returns bytes [start, end) of all `pieces` together, without a copy."""
    found: Pieces = []
    at = 0
    for piece in pieces:
        first, last = max(start - at, 0), min(end - at, len(piece))
        if first < last:
            found.append(piece if last - first == len(piece) else memoryview(piece)[first:last])
        at += len(piece)
    return found
