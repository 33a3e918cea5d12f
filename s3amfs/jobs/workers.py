"""The workers of a dask cluster: how much they may do together, what they can see, and batches of parts for them.

A worker has one batch at a time (core/dispatch.py says which), as a task of plain data for that worker alone; so the
limits hold whatever number of threads a worker has. A worker that leaves the cluster loses its batch, which others
move; parts of it that the server has by then are not sent again (jobs/part_task.py).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..core.bandwidth import Bandwidth
from ..core.define import define
from ..core.dispatch import Dispatch
from ..core.events import BytesMoved, PartFinished, WorkerMoved
from ..core.manifest import PartRecord
from ..core.parts import Plan
from ..core.split_job import SplitJob
from ..engine.client import S3Client
from ..engine.connect import S3Config
from ..errors import S3AMError, TransferError, Unsupported, UploadGone, UsageError
from ..transfers.report import Report
from . import part_task

LOOK_SECONDS = 1.0
"""Between two looks after idle workers and after those that have left."""
ALONE_SECONDS = 60.0
"""So long a transfer waits for workers after the last one has left: dask starts those again that were killed."""
RETRIES = 3
"""Batches of one transfer that may fail; each has used up the retry budget of its worker by then."""
NO_KEYS = "customer keys would have to travel to the workers: use 's3am split' with key files"
NO_SCHEDULER = "the connection to the dask scheduler is lost: run the same command again"
Task = Callable[[SplitJob, Sequence[int], part_task.Settings], part_task.Moved]


@define(frozen=True, slots=True)
class Cluster:
    """The workers, and how much they may do together."""

    client: Any
    """A `distributed.Client`."""
    slots: int | None = None
    """Requests at a time of all workers together; None: each adapts by itself."""
    bwlimit: int = 0
    """Bytes per second of all workers together; 0: no limit."""

    def within(self, slots: int | None, bwlimit: Bandwidth | int) -> Cluster:
        """Returns the cluster with these limits of a transfer's options, where it has none of its own.

        Raises UsageError for a limit that is shared with other transfers, or changes.
        """
        if not self.bwlimit and not isinstance(bwlimit, int):
            raise UsageError("workers share one rate: give the limit as a number of bytes per second")
        rate = bwlimit if isinstance(bwlimit, int) else 0
        return replace(self, slots=self.slots or slots, bwlimit=self.bwlimit or rate)

    def workers(self) -> list[str]:
        """Returns the addresses of the workers that are used. Raises UsageError where there are none."""
        found = self.present()
        if not found:
            raise UsageError("the cluster has no workers: start some, or wait for them")
        return found[: self.slots]

    def present(self) -> list[str]:
        """Returns the addresses of all workers; [] where there are none. Raises TransferError without a scheduler."""
        try:
            return sorted(self.client.nthreads())
        except OSError as error:
            raise TransferError(f"{NO_SCHEDULER} ({error})") from error

    def settings(self, s3: S3Client, verify_tls: bool | str, reader: S3Client | None = None) -> part_task.Settings:
        """Returns the settings of a task, without credentials. reader: of a source in another service."""
        count = len(self.workers())
        slots = self.slots // count if self.slots is not None else None
        elsewhere = _public(reader.session.config) if reader is not None else None
        return part_task.Settings(
            _public(s3.session.config),
            slots,
            self.bwlimit and max(1, self.bwlimit // count),
            verify_tls,
            reader=elsewhere,
        )

    def most(self, settings: part_task.Settings) -> int | None:
        """Returns the number of workers that may have the shares of `settings` at a time; None: all.

        Workers that come later find no share left: the limits hold, whoever comes.
        """
        shares = ((self.slots, settings.slots), (self.bwlimit, settings.bwlimit))
        return min((whole // (each or 1) for whole, each in shares if whole), default=None)

    def look(self, function: Callable[..., object], *arguments: Any) -> None:
        """Calls `function(*arguments)` on every worker. Raises the error of a worker, which it names."""
        workers = self.workers()
        found = self.client.run(function, *arguments, workers=workers, on_error="return")
        failed = {name: error for name, error in found.items() if isinstance(error, BaseException)}
        for name, error in failed.items():
            if isinstance(error, S3AMError):
                raise type(error)(f"{len(failed)} of {len(workers)} workers can't do it, such as {name}: {error}")
            if isinstance(error, ImportError):
                raise UsageError(f"worker {name} can't import s3amfs ({error}): install there what is installed here")
            if not isinstance(error, OSError):  # those are of workers that have just left the cluster
                raise error

    def move(self, task: Task, job: SplitJob, settings: part_task.Settings, moving: Moving) -> None:
        """Has all parts of `moving` moved by `task`. Raises what a worker raised, TransferError."""
        _Run(self, lambda numbers: (task, job, numbers, settings), moving, self.most(settings)).run()


class Moving:
    """Parts that workers move, and the records of those that have moved. For the thread that waits."""

    def __init__(
        self,
        numbers: Sequence[int],
        keep: Callable[[PartRecord], None],
        report: Report,
        plan: Plan,
        *,
        helps: bool,
        copied: bool = False,
    ) -> None:
        """keep: called with the record of each part. plan: all parts. helps: as `Dispatch` has it.

        copied: the workers have S3 copy them.
        """
        self.dispatch = Dispatch(numbers, helps=helps)
        self._keep = keep
        self.report = report
        self._copied = copied
        self._size = plan.size
        self._done = plan.size - sum(plan.part(number).length for number in numbers)
        self._of: dict[str, tuple[int, int]] = {}
        """Worker -> (parts, bytes)."""

    def done(self, worker: str, moved: part_task.Moved, now: float) -> None:
        """The batch of `worker` has moved."""
        new = set(self.dispatch.done(worker, moved.sent, now))
        records = [record for record in moved.records if record.number in new]
        count = sum(record.length for record in records)
        parts, size = self._of.get(worker, (0, 0))
        self._of[worker] = parts + len(records), size + count
        self.report.count_elsewhere(len(records), count, copied=self._copied)
        self._done += count
        for record in records:
            self._keep(record)
            self.report.on_event(PartFinished(record.number, record.length, 1))
        self.report.on_event(BytesMoved(self._done, self._size))
        self.report.on_event(WorkerMoved(worker, *self._of[worker]))


class Vigil:
    """Looks whether there are workers, and ends the wait for them after a minute. For the thread that waits."""

    def __init__(self, cluster: Cluster, report: Report) -> None:
        self._cluster = cluster
        self._report = report
        self._alone_since: float | None = None

    def look(self) -> list[str]:
        """Returns the workers that are there. Raises TransferError if there has been none for a minute, or if the
        scheduler is gone."""
        if self._cluster.client.status != "running":
            raise TransferError(NO_SCHEDULER)
        present = self._cluster.present()
        if present:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
            self._report.warn("no worker is left: waiting up to a minute for another one")
        elif time.monotonic() - self._alone_since > ALONE_SECONDS:
            raise TransferError("no worker is left in the cluster: start some, and run the same command again")
        return present


class _Run:
    """One loop over the workers, in the thread that waits."""

    def __init__(
        self,
        cluster: Cluster,
        call: Callable[[Sequence[int]], tuple[Any, ...]],
        moving: Moving,
        most: int | None = None,
    ) -> None:
        """most: workers that may have a batch at a time; None: all."""
        self._cluster = cluster
        self._most = most
        self._call = call
        self._moving = moving
        self._futures: dict[str, Any] = {}
        self._ended: queue.SimpleQueue[tuple[str, Any, part_task.Moved | BaseException]] = queue.SimpleQueue()
        self._failures = 0
        self._vigil = Vigil(cluster, moving.report)

    def run(self) -> None:
        dispatch, looked = self._moving.dispatch, float("-inf")
        idle: Iterable[str] = ()
        try:
            while not dispatch.over:
                if time.monotonic() - looked >= LOOK_SECONDS:
                    idle, looked = [name for name in self._look() if not dispatch.is_busy(name)], time.monotonic()
                for worker in idle:
                    if batch := dispatch.next_batch(worker, time.monotonic()):
                        self._submit(worker, batch)
                try:
                    idle = self._settle(*self._ended.get(timeout=LOOK_SECONDS))
                except queue.Empty:
                    idle = ()
        except S3AMError:
            raise
        except Exception as error:
            if self._cluster.client.status == "running":
                raise
            raise TransferError(NO_SCHEDULER) from error
        finally:
            # What runs on here sends what is there already, to an upload that is completed or taken up by then.
            if self._futures and self._cluster.client.status == "running":
                self._cluster.client.cancel(list(self._futures.values()))

    def _look(self) -> list[str]:
        """The workers that are there; what others had in hand is to be moved again."""
        present = self._vigil.look()
        for gone in self._futures.keys() - set(present):
            self._cluster.client.cancel([self._futures.pop(gone)])
            self._moving.dispatch.lost(gone)
        busy = [name for name in present if name in self._futures]
        return (busy + [name for name in present if name not in self._futures])[: self._most]

    def _submit(self, worker: str, batch: list[int]) -> None:
        function, *arguments = self._call(batch)
        future = self._cluster.client.submit(function, *arguments, pure=False, workers=[worker], retries=0)
        self._futures[worker] = future
        future.add_done_callback(
            lambda ended: threading.Thread(target=self._fetch, args=(worker, ended), daemon=True).start()
        )

    def _fetch(self, worker: str, future: Any) -> None:
        """Fetches the outcome of a batch from its worker, in a thread of its own: if the worker has left by now, dask
        waits for it to come back, until `_look` cancels the future."""
        outcome: part_task.Moved | BaseException
        try:
            outcome = future.result()
        except BaseException as error:  # noqa: BLE001 - raised by `_settle`; a cancelled future raises no Exception
            outcome = error
        self._ended.put((worker, future, outcome))

    def _settle(self, worker: str, future: Any, outcome: part_task.Moved | BaseException) -> list[str]:
        """Takes the outcome of a batch. Returns the worker that is idle now, if there is one."""
        if worker not in self._futures or self._futures[worker] is not future:
            return []  # given up before
        del self._futures[worker]
        if future.cancelled():
            raise TransferError("the dask scheduler has dropped the work, or is gone: run the same command again")
        if isinstance(outcome, BaseException):
            self._failures += 1
            another_try = isinstance(outcome, TransferError) and not isinstance(outcome, UploadGone | Unsupported)
            if not another_try or self._failures > RETRIES:
                raise outcome
            self._moving.dispatch.lost(worker)
        else:
            self._moving.done(worker, outcome, time.monotonic())
        return [worker]


def _public(config: S3Config) -> S3Config:
    """`config` without credentials: each worker has its own."""
    return replace(config, access_key=None, secret_key=None, token=None, session=None)
