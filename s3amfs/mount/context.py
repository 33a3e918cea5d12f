"""What all open files of a mount share: the client, the options, and the memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.client import S3Client
from ..engine.limits import ByteBudget
from .options import MountOptions
from .reader_pool import Readers


@dataclass(frozen=True, slots=True)
class Service:
    """What all open files of a mount share."""

    client: S3Client
    bucket: str
    options: MountOptions
    budget: ByteBudget
    """Bytes of all writers that may be in memory."""
    readers: Readers
