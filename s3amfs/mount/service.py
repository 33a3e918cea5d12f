"""What all open files of a mount share: the client, the options, and the memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.client import S3Client
from ..engine.slots import ByteBudget
from .options import MountOptions

READER_BYTES = 16 * 1024 * 1024
"""Read ahead in one file at most; a reader may hold twice of what it reads ahead."""
LEAST_READER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """What all open files of a mount share."""

    client: S3Client
    bucket: str
    options: MountOptions
    budget: ByteBudget
    """Bytes of all writers that may be in memory."""
    reading: set[object] = field(default_factory=set)
    """Files with a reader: they share the cache."""

    @property
    def reader_share(self) -> int:
        share = self.options.cache_size // (2 * max(1, len(self.reading)))
        return max(LEAST_READER_BYTES, min(READER_BYTES, share))
