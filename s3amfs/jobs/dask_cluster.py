"""Objects moved by the workers of a dask cluster: the client plans, begins and completes; workers move parts.

How it works. An upload or copy is begun with a manifest of its own, as any, and a download has its partial file and
manifest as any; batches of parts are moved by tasks (jobs/workers.py, jobs/part_task.py), which hold plain data alone:
the job of jobs/split.py and part numbers. Records of parts come back as results and go into the manifest, so a client
that dies resumes, with workers or without; a worker that dies loses what it had in hand. No byte of the object passes
through the scheduler or the client, and no credential either: each worker has its own.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.events import TransferResult
from ..core.locations import LocalPath, Location, S3Location, parse_source, resolve_download_target, resolve_target
from ..core.manifest import PartRecord
from ..core.parts import DEFAULT_PART, MIN_PART, choose_part_size
from ..core.split_job import SplitJob
from ..engine.client import S3Client
from ..engine.connect import S3Config, connect
from ..engine.file_io import make_private
from ..engine.journal import state_dir
from ..engine.limits import SlotGate
from ..errors import TransferError, UsageError
from ..transfers.job import Job
from ..transfers.options import DownloadOptions, UploadOptions
from ..transfers.partial_file import PartialFile, crc_of
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import SendParts
from ..transfers.target import skips_existing
from ..verbs.download import Ranges, download
from ..verbs.upload import upload
from . import part_task
from .sides import ObjectVerbs
from .split import listed_parts, shown_source
from .split_begin import begin, split_job
from .split_ends import SplitEnds
from .workers import NO_KEYS, Cluster, Moving

if TYPE_CHECKING:
    from distributed import Client


def transfer(
    client: Client,
    source: str,
    target: str,
    *,
    config: S3Config | None = None,
    options: UploadOptions | DownloadOptions | None = None,
    slots: int | None = None,
    bwlimit: int = 0,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Moves `source` to `target` with the workers of `client`.

    source: a URL, or a path that all workers see. target: 's3://BUCKET/KEY', or a path that all workers see, of an
    s3:// source. config: the S3 service; keys in it stay here, workers have credentials of their own. options: as for
    `upload` or `download`; an unfinished transfer of the same source is continued unless they say otherwise. slots,
    bwlimit: requests at a time and bytes per second of all workers together; left out: those of `options`.
    Raises what `upload` and `download` raise.
    """
    location, cluster = parse_source(source), Cluster(client, slots, bwlimit)
    if isinstance(location, S3Location) and not target.startswith("s3:"):
        down = options or DownloadOptions(download_exists="resume")
        if not isinstance(down, DownloadOptions):
            raise UsageError("give DownloadOptions for a download")
        file = resolve_download_target(target, location, os.path.isdir)
        return download_with(cluster, location, file, connect(config), down, on_event=on_event)
    up = options or UploadOptions(unfinished="continue")
    if not isinstance(up, UploadOptions):
        raise UsageError("give UploadOptions for an upload or a copy")
    return transfer_with(cluster, location, resolve_target(target, location), connect(config), up, on_event=on_event)


def transfer_with(
    cluster: Cluster,
    source: Location,
    target: S3Location,
    s3: S3Client,
    options: UploadOptions,
    *,
    reader: S3Client | None = None,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """An upload or copy by workers. source: as `parse_source` returns it. reader: of a source in another service.

    Raises what `upload` raises, and UsageError for customer keys.
    """
    text = shown_source(source)
    if options.object.customer_key is not None or options.source_key is not None:
        raise UsageError(NO_KEYS)
    copies = isinstance(source, S3Location) and reader is None
    relays = not copies and not isinstance(source, LocalPath)
    cluster = cluster.within(options.slots if relays else options.upload_slots, options.bwlimit)
    report = Report("copy" if copies else "upload", text, target.url, on_event)
    if skips_existing(s3, target, options):
        return report.result(size=None, skipped=True)
    settings = cluster.settings(s3, options.verify_tls, reader)
    ends = SplitEnds.open(source, Job(s3, target, options, report), reader=reader)
    if ends.size <= MIN_PART:
        ends.close()
        return upload(source, target, s3, options, source_client=reader, on_event=on_event)
    try:
        cluster.look(part_task.look_at_source, _before(ends, text), settings)
        sending = SendParts(ends.job, ends.content())
        try:
            if options.unfinished in ("continue", "resume"):
                cluster.look(part_task.wait_for_earlier, target.url)
            job = begin(ends, sending, text)
            missing = [part.number for part in job.plan if part.number not in sending.records]
            copied = job.kind == "copy"
            moving = Moving(missing, sending.keep, report, job.plan, helps=True, copied=copied)
            cluster.move(part_task.move_parts, job, settings, moving)
            _take_latest(sending, moving.dispatch.helped, job, s3, options)
            done = sending.complete(job.size)
        finally:
            sending.leave()
    finally:
        ends.close()
    return done.result(report, job.size, len(job.plan))


def _before(ends: SplitEnds, text: str) -> SplitJob:
    """The job as workers look at its source, before anything is begun."""
    job = split_job(ends.job, text, ends.identity, kind="copy" if ends.copies else "upload")
    return replace(job, size=ends.size, part_size=choose_part_size(ends.size), version_id=ends.version_id)


def _take_latest(sending: SendParts, twice: set[int], job: SplitJob, s3: S3Client, options: UploadOptions) -> None:
    """Of parts that two workers have sent the server has kept the last; the ETag is another one under KMS."""
    if twice:
        there = listed_parts(job, s3, options)
        known = {number for number, part in there.items() if part.etag}
        for number in sorted(twice & sending.records.keys() & known):
            sending.keep(replace(sending.records[number], etag=there[number].etag))


def download_with(
    cluster: Cluster,
    source: S3Location,
    target: LocalPath,
    s3: S3Client,
    options: DownloadOptions,
    *,
    on_event: OnEvent = ignore,
    gate: SlotGate | None = None,
) -> TransferResult:
    """A download by workers into a file on a file system that all of them share.

    Raises what `download` raises, UsageError for customer keys, NotFound where a worker does not see the file.
    """
    if options.customer_key is not None:
        raise UsageError(NO_KEYS)
    if options.sparse:
        raise UsageError("--sparse is not for several processes: leave one of them out")
    cluster = cluster.within(options.download_slots, options.bwlimit)

    def fetch(ranges: Ranges, keep: Callable[[PartRecord], None]) -> None:
        plan = ranges.plan
        endpoint = s3.session.endpoint_id(source.bucket)
        job = SplitJob(
            "download",
            source.url,
            ranges.target,
            endpoint,
            ranges.identity,
            plan.size,
            plan.part_size,
            checksum_algorithm=ranges.crc,
            version_id=source.version_id,
        )
        with open(PartialFile(ranges.target).progress, "rb") as manifest:
            settings = replace(cluster.settings(s3, True), mark=manifest.readline())
        cluster.look(part_task.wait_for_earlier, ranges.target)  # else it could write when the file has its name
        cluster.look(part_task.look_at_file, job, settings)
        # A range that two workers write could still be written to when the file has its name: no help here.
        records: dict[int, PartRecord] = {}

        def fetched(record: PartRecord) -> None:
            records[record.number] = record
            keep(record)

        moving = Moving(ranges.missing, fetched, ranges.report, plan, helps=False)
        cluster.move(part_task.fetch_parts, job, settings, moving)
        _read_again(job, [records[number] for number in sorted(moving.dispatch.again & records.keys())], keep)

    return download(source, target, s3, options, on_event=on_event, gate=gate, fetch=fetch)


def _read_again(job: SplitJob, records: Sequence[PartRecord], keep: Callable[[PartRecord], None]) -> None:
    """Takes the CRCs of ranges that were given to a second worker from the disk: the first one may be alive, without a
    connection to the scheduler, and may have written damaged bytes after the second had fetched good ones."""
    name = job.checksum_algorithm or "crc64nvme"
    with open(PartialFile(job.target).partial, "rb") as file:
        for record in records:
            keep(replace(record, crc=crc_of(file.fileno(), job.plan.part(record.number), name)))


__all__ = ["Cluster", "ClusterVerbs", "connected", "download_with", "transfer", "transfer_with"]


class ClusterVerbs(ObjectVerbs):
    """Moves large objects of a tree with workers, one at a time: each takes all workers. Smaller ones move here."""

    def __init__(self, cluster: Cluster, least: int = 8 * DEFAULT_PART) -> None:
        """least: bytes of the smallest object that workers move."""
        self._cluster = cluster
        self._least = least
        self._one_at_a_time = threading.Lock()

    def upload(
        self,
        source: Location,
        target: S3Location,
        client: S3Client,
        options: UploadOptions,
        *,
        source_client: S3Client | None = None,
        on_event: OnEvent = ignore,
        gate: SlotGate | None = None,
    ) -> TransferResult:
        size = self._size(source, source_client or client)
        if size < self._least:
            return super().upload(
                source, target, client, options, source_client=source_client, on_event=on_event, gate=gate
            )
        with self._one_at_a_time:
            return transfer_with(
                self._cluster, source, target, client, options, reader=source_client, on_event=on_event
            )

    def download(
        self,
        source: S3Location,
        target: LocalPath,
        client: S3Client,
        options: DownloadOptions,
        *,
        on_event: OnEvent = ignore,
        gate: SlotGate | None = None,
    ) -> TransferResult:
        if self._size(source, client) < self._least:
            return super().download(source, target, client, options, on_event=on_event, gate=gate)
        with self._one_at_a_time:
            return download_with(self._cluster, source, target, client, options, on_event=on_event, gate=gate)

    @staticmethod
    def _size(source: Location, client: S3Client) -> int:
        if isinstance(source, S3Location):
            return client.head(source.bucket, source.key, version_id=source.version_id).size
        return os.path.getsize(source.path) if isinstance(source, LocalPath) else 0


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the cluster at `address`; 'local:N' is N processes of this machine, for as long as they are needed.

    Raises UsageError (dask is not installed, no such number), TransferError (nothing answers at the address).
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError("--dask needs dask: pip install 's3amfs[dask]'") from None
    kind, _, count = address.partition(":")
    if kind == "local":
        if not count.isdigit() or not 1 <= int(count) <= 1024:
            raise UsageError(f"--dask {address}: give local:N with N processes, or the address of a scheduler")
        with (
            dask.config.set({"temporary-directory": _scratch_folder()}),
            LocalCluster(
                n_workers=int(count),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # errors reach the client as such; the rest is noise of its end
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        reason = str(error)
    else:
        with client:
            yield client
        return
    # What failed is garbage now, and ends when it is collected. If that happened while another client begins, both
    # would want a lock of dask that one thread can't have twice.
    gc.collect()
    raise TransferError(f"no dask scheduler answers at {address} ({reason}): check the address")


def _scratch_folder() -> str:
    """A folder for dask's own files. It is always the same one: dask removes there what killed runs have left."""
    folder = os.path.join(state_dir(), "dask")
    make_private(folder)
    return folder
