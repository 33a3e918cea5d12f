"""What the client of a cluster does for one object of 10,000 parts and 1,000 workers that move them in no time.

    python -m benchmarks.cluster_simulation

The workers are a fake: a batch has moved as soon as it is given. What is measured is all that one process does by
itself: planning and giving batches, taking records into the manifest, the pages of ListParts, and the body of Complete.
From that, from a simulated schedule and from S3's limits it prints an estimate to the full speed of the workers.
"""

from __future__ import annotations

import argparse
import heapq
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s3amfs.core.dispatch import Dispatch
from s3amfs.core.manifest import Header, PartRecord, SourceIdentity
from s3amfs.core.parts import MAX_PARTS
from s3amfs.core.split_job import SplitJob
from s3amfs.engine.connect import S3Config
from s3amfs.engine.journal import Journal
from s3amfs.jobs.part_task import Moved, Settings
from s3amfs.jobs.workers import Cluster, Moving
from s3amfs.transfers.report import Report, ignore
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api

GIB = 1024**3
ETAG = "9b2cf535f27731c974343645a3985328"
CRC = "dGVzdGluZzEyMw=="
UPLOAD = s3api.MultipartUpload("bucket", "key", "u" * 128, "crc64nvme", "FULL_OBJECT")
PUTS_PER_SECOND = 3500
"""Of a prefix: S3 User Guide, "Best practices design patterns: optimizing Amazon S3 performance"."""
DOLLARS_PER_PUT = 0.005 / 1000
"""S3 Standard, us-east-1: PUT, COPY, POST, LIST requests (S3 pricing page)."""
PAGE = 1000
"""Parts of a page of ListParts."""


class Done:
    """A future that is done."""

    def __init__(self, moved: Moved) -> None:
        self._moved = moved

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        call(self)

    def cancelled(self) -> bool:
        return False

    def result(self) -> Moved:
        return self._moved


class FakeClient:
    """A `distributed.Client` whose workers need no time."""

    status = "running"

    def __init__(self, workers: int) -> None:
        self._workers = dict.fromkeys((f"tcp://10.0.0.1:{n}" for n in range(workers)), 1)
        self.tasks = 0

    def nthreads(self) -> dict[str, int]:
        return self._workers

    def submit(self, task: Any, *arguments: Any, **_options: Any) -> Done:
        self.tasks += 1
        return Done(task(*arguments))

    def cancel(self, futures: Any) -> None:
        """Nothing is in flight."""


def fake_task(job: SplitJob, numbers: Any, settings: Settings) -> Moved:
    records = [PartRecord(number, job.plan.part(number).length, ETAG, number, CRC) for number in numbers]
    return Moved(records, tuple(numbers))


def measured(run: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    found = run()
    return time.process_time() - begun, found


def records_into_manifest(job: SplitJob, workers: int, folder: Path) -> tuple[float, int]:
    """CPU seconds from the plan to the last record in the manifest, and tasks."""
    client, count = FakeClient(workers), len(job.plan)
    journal = Journal.open(str(folder / "manifest"))
    journal.begin(Header("upload", job.identity, job.target, job.endpoint, job.size, job.part_size, "crc64nvme"))
    report = Report("upload", job.source, job.target, ignore)

    def run() -> None:
        moving = Moving(range(1, count + 1), journal.record, report, job.plan, helps=True)
        Cluster(client).move(fake_task, job, Settings(S3Config()), moving)

    seconds, _ = measured(run)
    journal.remove()
    return seconds, client.tasks


def list_parts(count: int) -> tuple[float, int]:
    """CPU seconds to read all pages, and their bytes."""
    part = (
        "<Part><PartNumber>{}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{}&quot;"
        "</ETag><Size>8388608</Size><ChecksumCRC64NVME>{}</ChecksumCRC64NVME></Part>"
    )
    pages = [
        (
            '<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated>'
            + "".join(part.format(number, ETAG, CRC) for number in range(at, min(at + PAGE, count + 1)))
            + "</ListPartsResult>"
        ).encode()
        for at in range(1, count + 1, PAGE)
    ]
    seconds, _ = measured(lambda: [s3api.parse_parts(Reply(200, {}, page)) for page in pages])
    return seconds, sum(map(len, pages))


def complete(count: int) -> tuple[float, int]:
    """CPU seconds to make the request, and the bytes of its body."""
    parts = [s3api.PartInfo(number, 1, ETAG, {"crc64nvme": CRC}) for number in range(1, count + 1)]
    seconds, request = measured(lambda: s3api.complete_multipart_upload(UPLOAD, parts, checksum=("crc64nvme", CRC)))
    return seconds, len(request.body)


def schedule(parts: int, workers: int, parts_per_second: float) -> float:
    """Seconds that the parts take by a simulated clock, where the client needs none."""
    dispatch, now = Dispatch(range(1, parts + 1), helps=True), 0.0
    ends: list[tuple[float, str, list[int]]] = []
    idle = [f"w{number}" for number in range(workers)]
    while not dispatch.over:
        for worker in idle:
            if batch := dispatch.next_batch(worker, now):
                heapq.heappush(ends, (now + len(batch) / parts_per_second, worker, batch))
        idle = []
        now = ends[0][0]
        while ends and ends[0][0] <= now:
            _, worker, batch = heapq.heappop(ends)
            dispatch.done(worker, batch, now)
            idle.append(worker)
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=MAX_PARTS)
    parser.add_argument("--part-size", type=int, default=5 * GIB)
    parser.add_argument("--rate", type=float, default=12.5e9, help="bytes per second of a worker's line")
    args = parser.parse_args()
    count, size = args.parts, args.parts * args.part_size
    job = SplitJob(
        "upload", "/big", "s3://b/k", "https://s3", SourceIdentity("/big", size), size, args.part_size, upload_id="u"
    )
    with tempfile.TemporaryDirectory() as name:
        moving, tasks = records_into_manifest(job, args.workers, Path(name))
    listing, listed = list_parts(count)
    completing, body = complete(count)
    ideal = size / args.rate / args.workers
    scheduled = schedule(count, args.workers, args.rate / args.part_size)
    requests_per_second = count / ideal
    print(f"{count} parts of {args.part_size / GIB:g} GiB, {args.workers} workers of {args.rate * 8 / 1e9:g} Gb/s each")
    print(f"client: {moving:.2f} CPU s for {tasks} batches and {count} records, {moving / count * 1e6:.0f} us a part")
    print(f"ListParts: {-(-count // PAGE)} pages, {listed / 1e6:.1f} MB, {listing:.2f} CPU s to read")
    print(f"Complete: {body / 1e6:.2f} MB, {completing:.2f} CPU s to make")
    print(f"schedule: {scheduled:.1f} s where the ideal is {ideal:.1f} s")
    limit = count / PUTS_PER_SECOND
    print(
        f"S3: {requests_per_second:.0f} part uploads a second at full speed; {PUTS_PER_SECOND} are sure: {limit:.1f} s"
    )
    print(f"requests: {count + 2}, {(count + 2) * DOLLARS_PER_PUT:.3f} dollars")
    whole = max(scheduled, limit, moving) + listing + completing
    print(f"estimate: {whole:.1f} s, {size / whole / 1e9:.0f} GB/s of {args.workers * args.rate / 1e9:.0f} GB/s")


if __name__ == "__main__":
    main()
