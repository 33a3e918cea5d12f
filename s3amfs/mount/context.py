"""All that the open files of a mount share: the client, the options, and the memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.block_store import BlockStore
from ..engine.client import S3Client
from ..engine.limits import ByteBudget
from .options import MountOptions
from .reader_pool import Readers


@dataclass(frozen=True, slots=True)
class Service:
    """All that the open files of a mount share."""

    client: S3Client
    reading: S3Client
    """The same, for reads and looks: they are given up sooner, since nothing is lost by it."""
    bucket: str
    options: MountOptions
    budget: ByteBudget
    """Bytes of all writers that may be in memory."""
    readers: Readers
    blocks: BlockStore | None = None
    """The cache of reads on disk; None: nothing is kept there."""
