"""`Job`: what travels together through one transfer to S3."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.locations import S3Location
from ..engine.client import S3Client
from ..engine.limits import SlotGate
from ..wire.aws.capabilities import Capabilities
from .options import UploadOptions
from .report import OnEvent, Report, ignore


@dataclass(frozen=True, slots=True)
class Job:
    """One transfer to one object."""

    client: S3Client
    target: S3Location
    options: UploadOptions
    report: Report
    gate: SlotGate | None = None
    """Slots shared with other transfers; None: its own."""

    @property
    def can(self) -> Capabilities:
        """What the target's server was seen to do."""
        return self.client.session.capabilities(self.target.bucket)


def stream_job(
    client: S3Client,
    target: S3Location,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> Job:
    """For bytes that a program gives: they have no name."""
    return Job(client, target, options, Report("upload", "-", target.url, on_event), gate)
