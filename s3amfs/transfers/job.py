"""`Job`: what travels together through one transfer to S3, and the manifest of its target."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..core import manifest as m
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..engine.journal import Journal, state_dir
from ..engine.limits import SlotGate
from ..errors import TransferLocked
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
        """Capabilities that the target's server has shown."""
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


def open_journal(job: Job) -> Journal | None:
    """The locked manifest of transfers to the job's target; None, with a warning, where the state folder can't be used.

    Raises TransferLocked when another transfer to the same target runs.
    """
    client, target, options, report = job.client, job.target, job.options, job.report
    name = m.manifest_name(client.session.endpoint_id(target.bucket), target.bucket, target.key)
    folder = state_dir(options.state_dir)
    try:
        journal = Journal.open(os.path.join(folder, name))
    except TransferLocked as error:
        if options.unfinished == "continue":
            return None
        raise TransferLocked(f"{target.url}: {error}") from None
    except OSError as error:
        report.warn(f"no manifest can be kept in {folder} ({error.strerror}): resuming will need more checks")
        return None
    if journal.problem is not None:
        report.warn(f"the manifest of an earlier transfer is not usable ({journal.problem})")
    if journal.too_new:
        journal.close()
        return None
    return journal
