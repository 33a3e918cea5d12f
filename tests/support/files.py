"""Test data: pseudo-random files that are the same for the same seed, made fast and in flat memory.

A block of 1 MiB comes from SHAKE-256 of the seed; every further block is that block with its number written over the
first 16 bytes of each 64 KiB page, so no two pages are equal and a part that lands in the wrong place is noticed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 20
PAGE = 1 << 16


def blocks(size: int, seed: int | str = 0) -> Iterator[bytes]:
    """The content of `size` bytes for `seed`, in pieces of at most 1 MiB."""
    base = bytearray(hashlib.shake_256(f"s3amfs:{seed}".encode()).digest(BLOCK))
    for number, start in enumerate(range(0, size, BLOCK)):
        for page in range(0, BLOCK, PAGE):
            base[page : page + 16] = (number * BLOCK + page).to_bytes(16, "big")
        yield bytes(base[: size - start])


def content(size: int, seed: int | str = 0) -> bytes:
    """The same content as one bytes object; for small sizes."""
    return b"".join(blocks(size, seed))


def make_file(path: str | os.PathLike[str], size: int, seed: int | str = 0) -> Path:
    """Writes the content of `size` bytes for `seed` to `path` and returns the path."""
    with open(path, "wb") as out:
        for block in blocks(size, seed):
            out.write(block)
    return Path(path)


def make_sparse(path: str | os.PathLike[str], size: int, islands: dict[int, bytes] | None = None) -> Path:
    """A file of `size` bytes that is all hole but for `islands` (offset -> bytes)."""
    with open(path, "wb") as out:
        out.truncate(size)
        for offset, data in (islands or {}).items():
            out.seek(offset)
            out.write(data)
    return Path(path)


def digest_of(size: int, seed: int | str = 0, name: str = "sha256") -> str:
    """Hex digest of the content of `size` bytes for `seed`, without making the file."""
    h = hashlib.new(name)
    for block in blocks(size, seed):
        h.update(block)
    return h.hexdigest()


def digest(path: str | os.PathLike[str], name: str = "sha256") -> str:
    """Hex digest of a file, read in pieces."""
    h = hashlib.new(name)
    with open(path, "rb") as file:
        while piece := file.read(BLOCK):
            h.update(piece)
    return h.hexdigest()


def object_digest(boto: object, bucket: str, key: str, name: str = "sha256", **arguments: str) -> str:
    """Hex digest of an object's content, read through boto3 in pieces (`arguments` go to get_object)."""
    h = hashlib.new(name)
    body = boto.get_object(Bucket=bucket, Key=key, **arguments)["Body"]  # type: ignore[attr-defined]
    for piece in body.iter_chunks(BLOCK):
        h.update(piece)
    return h.hexdigest()
