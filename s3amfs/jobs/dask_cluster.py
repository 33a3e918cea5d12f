"""One object moved by the workers of a dask cluster: the client plans, begins and completes; workers move parts.

How it works. `transfer` begins a multipart upload with a manifest of its own, as any upload, and has batches of parts
moved by tasks (jobs/part_task.py), which hold plain data alone: the job of jobs/split.py and part numbers. Records of
parts come back as results and go into the manifest, so a client that dies resumes; a worker that dies loses what it
had in hand, and dask gives that to another. `write_object` makes the parts from blocks that a program computes. No
byte of the object passes through the scheduler or the client, and no credential either: each worker has its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..core.blocks import Joined, join_blocks
from ..core.events import TransferResult
from ..core.locations import Location, S3Location, parse_s3_url, parse_source, resolve_target
from ..core.manifest import PartRecord, SourceIdentity
from ..core.parts import MAX_PARTS, choose_part_size
from ..core.split_job import SplitJob
from ..engine.client import S3Client
from ..engine.connect import S3Config, connect
from ..errors import TransferError, UsageError
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import Content, Movement, SendParts
from ..transfers.speed import Speed
from ..transfers.target import skips_existing
from . import part_task
from .split import shown_source
from .split_begin import begin
from .split_ends import Ends

if TYPE_CHECKING:
    from distributed import Client

RETRIES = 3
"""Times that dask gives a batch to a worker again after an error that may be the worker's."""
BATCH = 8
"""Parts of a task: what a worker that dies has in hand."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers, and how much they may do together."""

    client: Client
    slots: int | None = None
    """Requests at a time of all workers together; None: each adapts by itself."""
    bwlimit: int = 0
    """Bytes per second of all workers together; 0: no limit."""

    def settings(self, config: S3Config, verify_tls: bool | str) -> part_task.Settings:
        """Returns the settings of a task, without credentials. Raises UsageError if the cluster has no workers."""
        workers = len(self.client.scheduler_info()["workers"])
        if not workers:
            raise UsageError("the cluster has no workers: start some, or wait for them")
        public = replace(config, access_key=None, secret_key=None, token=None, session=None)
        slots = max(1, self.slots // workers) if self.slots is not None else None
        return part_task.Settings(public, slots, -(-self.bwlimit // workers), verify_tls)


def transfer(
    client: Client,
    source: str,
    target: str,
    *,
    config: S3Config | None = None,
    options: UploadOptions | None = None,
    slots: int | None = None,
    bwlimit: int = 0,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Moves `source` (a URL, or a path that all workers see) to `target` ('s3://BUCKET/KEY') with the workers of
    `client`.

    config: the S3 service; keys in it stay here, workers have credentials of their own. options: as for `upload`; an
    unfinished upload of the same source is continued unless they say otherwise. slots, bwlimit: requests at a time and
    bytes per second of all workers together. Raises what `upload` raises.
    """
    location = parse_source(source)
    return transfer_with(
        Cluster(client, slots, bwlimit),
        location,
        resolve_target(target, location),
        connect(config),
        options or UploadOptions(unfinished="continue"),
        on_event=on_event,
    )


def transfer_with(
    cluster: Cluster,
    source: Location,
    target: S3Location,
    s3: S3Client,
    options: UploadOptions,
    *,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """`transfer` with an S3 client. source: as `parse_source` returns it. Raises UsageError for customer keys."""
    text = shown_source(source)
    if options.object.customer_key is not None or options.source_key is not None:
        raise UsageError("customer keys would have to travel to the workers: use 's3am split' with key files")
    kind = "copy" if isinstance(source, S3Location) else "upload"
    report = Report(kind, text, target.url, on_event)
    if skips_existing(s3, target, options):
        return report.result(size=None, skipped=True)
    ends = Ends.open(source, Job(s3, target, options, report))
    sending = SendParts(ends.job, ends.content())
    try:
        job = begin(ends, sending, text)
        plan = job.plan
        settings = cluster.settings(s3.session.config, options.verify_tls)
        missing = [part.number for part in plan if part.number not in sending.records]
        batches = [missing[at : at + BATCH] for at in range(0, len(missing), BATCH)]
        for records in _results(cluster.client, part_task.move_parts, [(job, batch, settings) for batch in batches]):
            for record in records:
                sending.keep(record)
        done = sending.complete(plan.size)
    finally:
        sending.leave()
        ends.close()
    return report.result(
        size=plan.size,
        parts=len(plan),
        etag=done.stored.etag,
        version_id=done.stored.version_id,
        checksum=done.checksum,
        proof=done.proof,
    )


def write_object(
    client: Client,
    url: str,
    blocks: Iterable[Any],
    *,
    config: S3Config | None = None,
    options: UploadOptions | None = None,
    window: int | None = None,
    on_event: OnEvent = ignore,
) -> TransferResult:
    """Makes one object at `url` of `blocks`: dask delayed values or futures of bytes, or a bag, in their order.

    A block of 5 MiB or more is sent by the worker that has it; smaller neighbours are joined on one worker. At most
    `window` blocks (default: 4 a thread of the cluster) are held in the cluster's memory at a time. Part numbers follow
    from the blocks' order alone, so a block that is computed twice is sent to the same part, and what the server has at
    the end is compared with what was recorded. On an error nothing is published and the upload is aborted.
    Raises what `upload` raises, and UsageError for more than 10,000 parts.
    """
    target = parse_s3_url(url)
    s3 = connect(config)
    given = options or UploadOptions(unfinished="continue")
    report = Report("upload", "blocks", target.url, on_event)
    if skips_existing(s3, target, given):
        return report.result(size=None, skipped=True)
    sending = SendParts(Job(s3, target, given, report), _blocks_content(target), manifest=False)
    try:
        writing = _BlockWriter(client, s3, target, given, sending)
        size, parts = writing.run(_delayed(blocks), window or 4 * max(1, sum(client.nthreads().values())))
        done = sending.complete(size)
    except BaseException:
        sending.abort()
        raise
    return report.result(
        size=size,
        parts=parts,
        etag=done.stored.etag,
        version_id=done.stored.version_id,
        checksum=done.checksum,
        proof=done.proof,
    )


class _BlockWriter:
    """Turns blocks into parts, a window at a time."""

    def __init__(
        self, client: Client, s3: S3Client, target: S3Location, options: UploadOptions, sending: SendParts
    ) -> None:
        self._client = client
        self._sending = sending
        begun = sending.begin(choose_part_size(0))
        self._job = SplitJob(
            "upload",
            "blocks",
            target.url,
            s3.session.endpoint_id(target.bucket),
            SourceIdentity("blocks"),
            0,
            1,
            upload_id=begun.upload.upload_id,
            checksum_algorithm=begun.upload.checksum_algorithm,
            checksum_type=begun.upload.checksum_type,
            checksum=options.checksum,
        )
        self._settings = Cluster(client).settings(s3.session.config, options.verify_tls)
        self._number = 0
        self._size = 0

    def run(self, blocks: Iterator[Any], window: int) -> tuple[int, int]:
        """(bytes, parts) of the whole."""
        held: list[tuple[Any, int]] = []
        """Small blocks at the end of a window: the next one's may be joined to them."""
        while taken := list(islice(blocks, window)):
            futures = self._client.compute(taken)
            sizes = self._client.gather(self._client.map(part_task.size_of, futures))
            joined, rest = join_blocks([size for _, size in held] + list(sizes), last=False)
            self._send(joined, [future for future, _ in held] + list(futures))
            both = held + list(zip(futures, sizes, strict=True))
            held = both[rest:]
        joined, _ = join_blocks([size for _, size in held], last=True)
        if not joined and self._number == 0:
            joined = [Joined(0, 0, 0)]
        self._send(joined, [future for future, _ in held])
        return self._size, self._number

    def _send(self, joined: Sequence[Joined], futures: Sequence[Any]) -> None:
        tasks = []
        for group in joined:
            self._number += 1
            if self._number > MAX_PARTS:
                raise UsageError(f"the blocks make more than {MAX_PARTS} parts (S3's limit): give larger ones")
            self._size += group.size
            tasks.append((self._job, self._number, list(futures[group.first : group.end]), self._settings))
        for record in _results(self._client, part_task.send_blocks, tasks):
            self._sending.keep(record)


def _blocks_content(target: S3Location) -> Content:
    """Parts are sent by workers alone."""

    def nothing_here(_target: object) -> Any:
        raise TypeError("blocks are sent by the workers")

    return Content(
        "blocks",
        SourceIdentity("blocks"),
        f"upload to {target.url}",
        Movement(nothing_here, Speed(bucket=target.bucket)),
    )


def _delayed(blocks: Iterable[Any]) -> Iterator[Any]:
    """The blocks of a bag are its partitions; others come as they are."""
    to_delayed = getattr(blocks, "to_delayed", None)
    return iter(to_delayed() if to_delayed is not None else blocks)


def _results(client: Client, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yields the results of the tasks as they end. Raises the first error and cancels the other tasks."""
    from distributed import as_completed

    if not tasks:
        return
    futures = [client.submit(function, *task, pure=False, retries=RETRIES) for task in tasks]
    waiting = as_completed(futures)
    try:
        for future in waiting:
            yield future.result()
            future.release()
    except BaseException:
        client.cancel(futures)
        raise


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the cluster at `address`; 'local:N' is N processes of this machine, for as long as they are needed.

    Raises UsageError (dask is not installed, no such number), TransferError (nothing answers at the address).
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError("--dask needs dask: pip install 's3amfs[dask]'") from None
    kind, _, count = address.partition(":")
    if kind == "local":
        if not count.isdigit() or not 1 <= int(count) <= 1024:
            raise UsageError(f"--dask {address}: give local:N with N processes, or the address of a scheduler")
        with (
            LocalCluster(
                n_workers=int(count), threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise TransferError(f"no dask scheduler answers at {address} ({error}): check the address") from None
    with client:
        yield client


__all__ = ["Cluster", "PartRecord", "connected", "transfer", "transfer_with", "write_object"]
