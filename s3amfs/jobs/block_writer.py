"""`write_object`: blocks that a program computes on a dask cluster become the parts of one object, in order.

No byte of the object passes through the scheduler or the client: a block is sent by a worker that has it. Tasks are in
part_task.py.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..core.blocks import Joined, join_blocks
from ..core.events import TransferResult
from ..core.locations import S3Location, parse_s3_url
from ..core.manifest import SourceIdentity
from ..core.parts import MAX_PARTS, choose_part_size
from ..engine.connect import S3Config, connect
from ..errors import TransferError, UsageError
from ..transfers.job import Job
from ..transfers.options import UploadOptions
from ..transfers.report import OnEvent, Report, ignore
from ..transfers.send_parts import Content, Movement, SendParts
from ..transfers.speed import Speed
from ..transfers.target import skips_existing
from . import part_task
from .split_begin import split_job
from .workers import LOOK_SECONDS, NO_KEYS, Cluster, Vigil

if TYPE_CHECKING:
    from distributed import Client

BLOCKS = SourceIdentity("blocks")
"""Blocks that a program computes have no other name."""
RETRIES = 3
"""Times that dask gives a block to a worker again after an error that may be the worker's."""


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
    options: their rate limit is that of all workers together.
    Raises what `upload` raises, TransferError where there is no worker for a minute, and UsageError for more than
    10,000 parts, customer keys, slots and digests of the whole.
    """
    target = parse_s3_url(url)
    given = options or UploadOptions(unfinished="continue")
    if given.object.customer_key is not None:
        raise UsageError(NO_KEYS)
    if given.expect:
        raise UsageError("no process reads all blocks: leave the digest out (S3 compares the CRC64NVME of the whole)")
    if given.upload_slots is not None:
        raise UsageError("each thread of a worker sends one part at a time: leave upload_slots out")
    cluster = Cluster(client).within(None, given.bwlimit)
    s3 = connect(config)
    report = Report("upload", BLOCKS.url, target.url, on_event)
    if skips_existing(s3, target, given):
        return report.result(size=None, skipped=True)
    job = Job(s3, target, given, report)
    sending = SendParts(job, _blocks_content(target), manifest=False)
    try:
        writing = _BlockWriter(cluster, job, sending)
        size, parts = writing.run(_delayed(blocks), window or 4 * max(1, sum(client.nthreads().values())))
        return sending.complete(size).result(report, size, parts)
    except BaseException:
        sending.abort()
        raise


class _BlockWriter:
    """Turns blocks into parts, a window at a time."""

    def __init__(self, cluster: Cluster, job: Job, sending: SendParts) -> None:
        self._client = cluster.client
        self._vigil = Vigil(cluster, job.report)
        self._sending = sending
        begun = sending.begin(choose_part_size(0))
        self._job = split_job(job, BLOCKS.url, BLOCKS, upload=begun.upload)
        self._settings = cluster.settings(job.client, job.options.verify_tls)
        self._number = 0
        self._size = 0

    def run(self, blocks: Iterator[Any], window: int) -> tuple[int, int]:
        """(bytes, parts) of the whole."""
        held: list[tuple[Any, int]] = []
        """Small blocks at the end of a window: the next one's may be joined to them."""
        while taken := list(islice(blocks, window)):
            futures = self._client.compute(taken)
            sizes = self._sizes(futures)
            joined, rest = join_blocks([size for _, size in held] + sizes, last=False)
            self._send(joined, [future for future, _ in held] + list(futures))
            both = held + list(zip(futures, sizes, strict=True))
            held = both[rest:]
        joined, _ = join_blocks([size for _, size in held], last=True)
        if not joined and self._number == 0:
            joined = [Joined(0, 0, 0)]
        self._send(joined, [future for future, _ in held])
        return self._size, self._number

    def _sizes(self, futures: Sequence[Any]) -> list[int]:
        asked = self._client.map(part_task.size_of, futures)
        return [size for _, size in sorted(_outcomes(self._client, self._vigil, asked))]

    def _send(self, joined: Sequence[Joined], futures: Sequence[Any]) -> None:
        tasks = []
        for group in joined:
            self._number += 1
            if self._number > MAX_PARTS:
                raise UsageError(f"the blocks make more than {MAX_PARTS} parts (S3's limit): give larger ones")
            self._size += group.size
            tasks.append((self._job, self._number, list(futures[group.first : group.end]), self._settings))
        submit = partial(self._client.submit, part_task.send_blocks, pure=False, retries=RETRIES)
        for _, record in _outcomes(self._client, self._vigil, [submit(*task) for task in tasks]):
            self._sending.keep(record)


def _blocks_content(target: S3Location) -> Content:
    """Parts are sent by workers alone."""

    def nothing_here(_target: object) -> Any:
        raise TypeError("blocks are sent by the workers")

    return Content(
        BLOCKS.url,
        BLOCKS,
        f"upload to {target.url}",
        Movement(nothing_here, Speed(bucket=target.bucket)),
    )


def _delayed(blocks: Iterable[Any]) -> Iterator[Any]:
    """The blocks of a bag are its partitions; others come as they are."""
    to_delayed = getattr(blocks, "to_delayed", None)
    return iter(to_delayed() if to_delayed is not None else blocks)


def _outcomes(client: Client, vigil: Vigil, futures: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yields (place, result) of the futures as they end.

    Raises the first error, and TransferError if no worker is left or the scheduler is gone; the others are cancelled.
    """
    ended: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()

    def fetch(place: int, future: Any) -> None:
        """In a thread of its own: if the worker has left by now, dask waits for it to come back."""
        try:
            outcome = future.result()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            outcome = error
        ended.put((place, outcome))

    def start(place: int, future: Any) -> None:
        threading.Thread(target=fetch, args=(place, future), daemon=True).start()

    try:
        for place, future in enumerate(futures):
            future.add_done_callback(partial(start, place))
        for _ in futures:
            place, outcome = _next(ended, vigil)
            if futures[place].cancelled():
                raise TransferError("the dask scheduler has dropped the work, or is gone: run the same command again")
            if isinstance(outcome, BaseException):
                raise outcome
            yield place, outcome
            futures[place].release()
    except BaseException:
        if client.status == "running":
            client.cancel(list(futures))
        raise


def _next(ended: queue.SimpleQueue[tuple[int, Any]], vigil: Vigil) -> tuple[int, Any]:
    """The next outcome. Raises TransferError if no worker is left that could bring one."""
    while True:
        try:
            return ended.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            vigil.look()
