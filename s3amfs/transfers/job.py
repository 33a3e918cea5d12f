"""`Job`: what travels together through one transfer to S3, and the manifest of its target."""

from __future__ import annotations

import os

from ..core import manifest as m
from ..core.define import define
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..engine.journal import Journal, state_dir
from ..engine.limits import SlotGate
from ..errors import TransferLocked
from ..wire.aws.capabilities import Capabilities
from .options import UploadOptions
from .report import OnEvent, Report, ignore


@define(frozen=True, slots=True)
class Job:
    """One transfer to one object."""

    client: S3Client
    target: S3Location
    options: UploadOptions
    report: Report
    gate: SlotGate | None = None
    """Slots shared with other transfers; None: its own."""
    counts: bool = True
    """Whether the figures of its report are wanted, and its parts reported."""

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
    counts: bool = True,
) -> Job:
    """For bytes that a program gives: they have no name. counts: as of `Job`."""
    return Job(client, target, options, Report("upload", "-", target.url, on_event, counts=counts), gate, counts)


def has_manifest(client: S3Client, target: S3Location, folder: str | None = None) -> bool:
    """Whether an earlier transfer to `target` has left a manifest on this machine, or one is under way.

    Then a store in one request is not enough: `Multipart.find` has to settle what was left. folder: of manifests, as in
    `UploadOptions`. No request is sent.
    """
    return os.path.exists(_manifest_path(client, target, folder))


class ManifestsLeft:
    """`has_manifest` for a job of many objects: the folder is read once, and there is mostly nothing in it."""

    def __init__(self, client: S3Client, folder: str | None = None) -> None:
        self._client = client
        try:
            self._names = frozenset(os.listdir(state_dir(folder)))
        except OSError:  # there is none, or none that may be read: a transfer says so
            self._names = frozenset()

    def has(self, target: S3Location) -> bool:
        """Whether a transfer to `target` had left a manifest when this was made."""
        return bool(self._names) and os.path.basename(_manifest_path(self._client, target, None)) in self._names


def _manifest_path(client: S3Client, target: S3Location, folder: str | None) -> str:
    name = m.manifest_name(client.session.endpoint_id(target.bucket), target.bucket, target.key)
    return os.path.join(state_dir(folder), name)


def open_journal(job: Job) -> Journal | None:
    """The locked manifest of transfers to the job's target; None, with a warning, where the state folder can't be used.

    Raises TransferLocked when another transfer to the same target runs.
    """
    target, options, report = job.target, job.options, job.report
    path = _manifest_path(job.client, target, options.state_dir)
    folder = os.path.dirname(path)
    try:
        journal = Journal.open(path)
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
