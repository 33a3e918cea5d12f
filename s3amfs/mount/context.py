"""All that the open files of a mount share: the client, the options, and the memory."""

from __future__ import annotations

from ..core.define import define
from ..core.sizes import MIB
from ..engine.block_store import BlockStore
from ..engine.client import S3Client
from ..engine.limits import ByteBudget
from ..engine.part_buffer import FillingMemory
from ..objects.writer import WriterMemory
from .options import MountOptions
from .reader_pool import Readers

SENT_BYTES, FILLED_BYTES = 40 * MIB, 32 * MIB
"""Of all files that are written: bytes in memory of parts in flight, and of parts that are being filled."""


@define(frozen=True, slots=True)
class Service:
    """All that the open files of a mount share."""

    client: S3Client
    reading: S3Client
    """The same, for reads and looks: they are given up sooner, since nothing is lost by it."""
    bucket: str
    options: MountOptions
    memory: WriterMemory
    """Of all files that are written."""
    readers: Readers
    blocks: BlockStore | None = None
    """The cache of reads on disk; None: nothing is kept there."""


def writer_memory(options: MountOptions) -> WriterMemory:
    """The memory of all files that are written; parts that find no room there are filled in the spool."""
    return WriterMemory(ByteBudget(SENT_BYTES), FillingMemory(FILLED_BYTES, options.spool_dir))
