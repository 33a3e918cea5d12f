"""Batches given to workers, with a cluster of threads in place of dask: limits, failures, workers that leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any

import pytest

from s3amfs.core.bandwidth import Bandwidth
from s3amfs.core.events import Event, Warned
from s3amfs.core.manifest import PartRecord, SourceIdentity
from s3amfs.core.split_job import SplitJob
from s3amfs.engine.connect import S3Config, connect
from s3amfs.errors import NotFound, SourceChanged, TransferError, UploadGone, UsageError
from s3amfs.jobs.part_task import Moved, Settings
from s3amfs.jobs.workers import RETRIES, Cluster, Moving
from s3amfs.transfers.report import Report, ignore

MIB = 1024 * 1024
PARTS = 20
JOB = SplitJob(
    "upload", "/big", "s3://b/k", "https://s3", SourceIdentity("/big"), PARTS * 5 * MIB, 5 * MIB, upload_id="u"
)


class FakeCluster:
    """What the code uses of a `distributed.Client`."""

    status = "running"

    def __init__(self, count: int) -> None:
        self.names = [f"w{number}" for number in range(count)]
        self.pool = ThreadPoolExecutor(8)
        self.busy: dict[str, int] = {}
        self.most = 0
        """Tasks of one worker at a time."""
        self.lock = threading.Lock()
        self.here = threading.local()
        """Its `name` is that of the worker whose task this thread runs."""
        self.cancelled: list[Future[Moved]] = []

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.names, 1)

    def submit(
        self, function: Callable[..., Moved], *arguments: Any, pure: bool, workers: list[str], retries: int
    ) -> Future[Moved]:
        def run() -> Moved:
            self.here.name = workers[0]
            with self.lock:
                self.busy[workers[0]] = self.busy.get(workers[0], 0) + 1
                self.most = max(self.most, self.busy[workers[0]])
            try:
                return function(*arguments)
            finally:
                with self.lock:
                    self.busy[workers[0]] -= 1

        return self.pool.submit(run)

    def cancel(self, futures: list[Future[Moved]]) -> None:
        self.cancelled += futures

    def run(self, function: Callable[..., None], *arguments: Any, workers: list[str], on_error: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for worker in workers:
            try:
                found[worker] = function(worker, *arguments)
            except Exception as error:  # noqa: BLE001 - as dask returns it
                found[worker] = error
        return found


def record(number: int) -> PartRecord:
    return PartRecord(number, 5 * MIB, f"etag{number}", 0, "")


def send(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
    return Moved([record(number) for number in numbers], tuple(numbers))


def moving(*, helps: bool = True) -> tuple[Moving, list[int], Report]:
    kept: list[int] = []
    report = Report("upload", "/big", "s3://b/k", ignore)
    numbers = list(range(1, PARTS + 1))
    return Moving(numbers, lambda record: kept.append(record.number), report, JOB.plan, helps=helps), kept, report


def test_all_parts_move_and_are_counted() -> None:
    fake = FakeCluster(3)
    parts, kept, report = moving()
    Cluster(fake).move(send, JOB, Settings(S3Config()), parts)
    assert sorted(kept) == list(range(1, PARTS + 1))
    assert fake.most == 1
    result = report.result(size=JOB.size)
    assert (result.parts_sent, result.bytes_sent) == (PARTS, JOB.size)


def test_a_worker_that_leaves_is_replaced() -> None:
    fake, never = FakeCluster(2), threading.Event()
    first = threading.Event()

    def task(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
        with fake.lock:
            leaves = not first.is_set()
            first.set()
        if leaves:
            fake.names.remove(fake.here.name)
            never.wait(30)
        return send(job, numbers, settings)

    parts, kept, _ = moving(helps=False)
    Cluster(fake).move(task, JOB, Settings(S3Config()), parts)
    never.set()
    assert sorted(kept) == list(range(1, PARTS + 1))
    assert len(fake.cancelled) == 1


class KeptOutcome(Future[Moved]):
    """It has moved its batch, and its outcome went with the worker: dask waits until somebody cancels it."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up = threading.Event()

    def result(self, timeout: float | None = None) -> Moved:
        assert self.given_up.wait(30)
        raise CancelledError


def test_a_worker_that_leaves_with_the_outcome_of_its_batch_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.jobs.workers.LOOK_SECONDS", 0.01)
    fake, kept_outcome = FakeCluster(2), KeptOutcome()
    submit = fake.submit

    def first_leaves(function: Callable[..., Moved], *arguments: Any, workers: list[str], **rest: Any) -> Future[Moved]:
        if kept_outcome.done():
            return submit(function, *arguments, workers=workers, **rest)
        fake.names.remove(workers[0])
        kept_outcome.set_result(Moved([], ()))
        return kept_outcome

    def cancel(futures: list[Future[Moved]]) -> None:
        assert futures == [kept_outcome]
        kept_outcome.given_up.set()

    monkeypatch.setattr(fake, "submit", first_leaves)
    monkeypatch.setattr(fake, "cancel", cancel)
    parts, kept, _ = moving(helps=False)
    Cluster(fake).move(send, JOB, Settings(S3Config()), parts)
    assert sorted(kept) == list(range(1, PARTS + 1))


def test_a_worker_that_comes_drives_no_busy_one_out() -> None:
    """With fewer slots than workers: the one that is busy stays among those that are used."""
    fake, come, looked = FakeCluster(1), threading.Event(), threading.Event()

    def nthreads() -> dict[str, int]:
        if come.is_set():
            if "a0" in fake.names:
                looked.set()  # the names were seen once already: that look is over
            else:
                fake.names.append("a0")
        return dict.fromkeys(fake.names, 1)

    def task(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
        come.set()
        assert looked.wait(30)
        return send(job, numbers, settings)

    fake.nthreads = nthreads  # type: ignore[method-assign]
    parts, kept, _ = moving(helps=False)
    Cluster(fake, slots=1).move(task, JOB, Settings(S3Config()), parts)
    assert sorted(kept) == list(range(1, PARTS + 1))
    assert (fake.cancelled, "a0" in fake.busy) == ([], False)


@pytest.mark.parametrize("comes", [True, False])
def test_workers_that_are_started_again_are_waited_for(comes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not comes:
        monkeypatch.setattr("s3amfs.jobs.workers.ALONE_SECONDS", 0.0)
    monkeypatch.setattr("s3amfs.jobs.workers.LOOK_SECONDS", 0.01)
    fake, warned = FakeCluster(0), threading.Event()
    parts, kept, _ = moving()

    def on_event(event: Event) -> None:
        if isinstance(event, Warned) and comes:
            fake.names.append("w1")
        warned.set()

    parts.report.on_event = on_event
    if comes:
        Cluster(fake).move(send, JOB, Settings(S3Config()), parts)
        assert len(kept) == PARTS
    else:
        with pytest.raises(TransferError, match="no worker is left"):
            Cluster(fake).move(send, JOB, Settings(S3Config()), parts)
    assert warned.is_set()


@pytest.mark.parametrize(("failures", "fails"), [(RETRIES, False), (RETRIES + 1, True)])
def test_batches_that_fail_are_moved_again_a_few_times(failures: int, fails: bool) -> None:
    left = [TransferError("no answer")] * failures

    def task(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
        if left:
            raise left.pop()
        return send(job, numbers, settings)

    parts, kept, _ = moving()
    if fails:
        with pytest.raises(TransferError, match="no answer"):
            Cluster(FakeCluster(1)).move(task, JOB, Settings(S3Config()), parts)
    else:
        Cluster(FakeCluster(1)).move(task, JOB, Settings(S3Config()), parts)
        assert sorted(kept) == list(range(1, PARTS + 1))


@pytest.mark.parametrize("error", [SourceChanged("other"), UploadGone("aborted"), NotFound("not here")])
def test_what_another_try_would_not_mend_ends_the_transfer(error: Exception) -> None:
    def task(job: SplitJob, numbers: Sequence[int], settings: Settings) -> Moved:
        raise error

    with pytest.raises(type(error)):
        Cluster(FakeCluster(2)).move(task, JOB, Settings(S3Config()), moving()[0])


def closed() -> dict[str, int]:
    raise OSError("closed")


@pytest.mark.parametrize("how", [{"status": "closed"}, {"nthreads": closed}, {"submit": None, "status": "running"}])
def test_a_scheduler_that_is_gone(how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It was gone before, is while it is asked, or goes while it is given work."""
    fake = FakeCluster(1)

    def submit(*_arguments: Any, **_options: Any) -> Future[Moved]:
        monkeypatch.setattr(fake, "status", "connecting")
        raise RuntimeError("sent after closing")

    for name, value in how.items():
        monkeypatch.setattr(fake, name, value or submit)
    with pytest.raises(TransferError, match="run the same command again"):
        Cluster(fake).move(send, JOB, Settings(S3Config()), moving()[0])


@pytest.mark.parametrize(
    ("workers", "slots", "used", "each"), [(4, None, 4, None), (4, 8, 4, 2), (4, 9, 4, 2), (4, 2, 2, 1)]
)
def test_slots_are_shared_out(workers: int, slots: int | None, used: int, each: int | None) -> None:
    cluster = Cluster(FakeCluster(workers), slots, 1000)
    s3 = connect(S3Config(endpoint_url="http://127.0.0.1:1", access_key="a", secret_key="hunter2", region="r"))
    settings = cluster.settings(s3, True, reader=s3)
    assert len(cluster.workers()) == used
    assert settings.slots == each
    assert settings.bwlimit == 1000 // used
    assert "hunter2" not in str([vars(config) for config in (settings.config, settings.reader) if config is not None])


@pytest.mark.parametrize(("slots", "bwlimit"), [(8, 0), (9, 0), (1, 0), (None, 1000), (None, 3), (4, 5)])
def test_limits_hold_when_workers_come_later(slots: int | None, bwlimit: int) -> None:
    fake = FakeCluster(3)
    cluster = Cluster(fake).within(slots, bwlimit)
    settings = cluster.settings(connect(S3Config(endpoint_url="http://127.0.0.1:1", region="r")), True)
    fake.names += [f"late{number}" for number in range(5)]
    used: set[str] = set()

    def watched(job: SplitJob, numbers: Sequence[int], given: Settings) -> Moved:
        used.add(fake.here.name)
        return send(job, numbers, given)

    work, kept, _ = moving()
    cluster.move(watched, JOB, settings, work)
    assert sorted(kept) == list(range(1, PARTS + 1))
    assert slots is None or len(used) * (settings.slots or 0) <= slots
    assert not bwlimit or 0 < len(used) * settings.bwlimit <= bwlimit


def test_limits_of_the_options_hold_where_the_cluster_has_none() -> None:
    fake = FakeCluster(1)
    assert Cluster(fake).within(3, 10) == Cluster(fake, 3, 10)
    assert Cluster(fake, 2, 5).within(3, 10) == Cluster(fake, 2, 5)
    assert Cluster(fake, 2, 5).within(None, Bandwidth(((0, 7),))) == Cluster(fake, 2, 5)
    with pytest.raises(UsageError, match="one rate"):
        Cluster(fake).within(None, Bandwidth(((0, 7),)))


def test_without_workers() -> None:
    with pytest.raises(UsageError, match="no workers"):
        Cluster(FakeCluster(0)).workers()


def test_a_look_names_the_worker_that_fails() -> None:
    def look(worker: str) -> None:
        if worker == "w1":
            raise NotFound("/big does not exist")

    with pytest.raises(NotFound, match=r"1 of 3 workers .*w1: /big does not exist"):
        Cluster(FakeCluster(3)).look(look)
    Cluster(FakeCluster(1)).look(look)


def test_a_worker_without_the_package_is_named() -> None:
    def look(worker: str) -> None:
        if worker == "w1":
            raise ModuleNotFoundError("No module named 's3amfs'")

    with pytest.raises(UsageError, match="worker w1 can't import s3amfs"):
        Cluster(FakeCluster(2)).look(look)


def test_a_worker_that_has_just_left_is_not_asked() -> None:
    def look(worker: str) -> None:
        if worker == "w0":
            raise ConnectionResetError("closed")

    Cluster(FakeCluster(2)).look(look)
