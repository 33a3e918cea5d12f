"""`write_object` while workers are killed: blocks that workers compute become one object, none passes the scheduler.

    python -m tests.faults.written_blocks --blocks 64 --most 200MiB --kills 6 --seed 1

Blocks of random sizes, a real dask cluster of processes, a real S3 server. Whenever a share of the parts is there, a
worker is killed with SIGKILL. The last line says whether the object is right, what proved it, how many parts were sent
again, and the bytes on all connections of the process that is client and scheduler; exit code 0 only if all is right.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from s3amfs import cluster
from s3amfs.core.blocks import join_blocks
from s3amfs.core.sizes import MIB, parse_size
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Config
from tests.conftest import boto_client
from tests.support.dask import config, kill
from tests.support.files import object_digest
from tests.support.proxy import FaultProxy

PIECE = MIB
"""Bytes of a block are drawn in pieces of this size."""


def make_block(seed: int, size: int) -> bytes:
    """The same bytes whenever and wherever it is computed."""
    draw = random.Random(seed)
    return b"".join(draw.randbytes(min(PIECE, size - at)) for at in range(0, size, PIECE))


@dataclass(frozen=True)
class Written:
    size: int
    right: bool
    """The object has the blocks' bytes, in order."""
    proof: str
    killed: int
    again: int
    """Parts that were stored more than once: each under its own number."""
    kills: int
    """Workers that were to be killed."""
    scheduler_bytes: int
    """On all dask connections of the process that is client and scheduler."""

    @property
    def good(self) -> bool:
        whole = self.proof == "crc64nvme of the whole object, checked by the server"
        return (
            self.right and whole and self.killed == self.kills and self.scheduler_bytes < max(self.size // 20, 2 * MIB)
        )

    def line(self) -> str:
        right = "right" if self.right else "WRONG"
        return (
            f"write_object: {self.size} bytes, {right}, {self.proof}; {self.killed} of {self.kills} workers killed, "
            f"{self.again} parts stored again, {self.scheduler_bytes} bytes on the scheduler's connections"
        )


@contextmanager
def counted() -> Iterator[list[int]]:
    """Sizes of all messages that this process sends and receives over dask's TCP connections."""
    from distributed.comm import tcp

    sizes: list[int] = []
    to_frames, from_frames = tcp.to_frames, tcp.from_frames

    async def sent(*arguments: Any, **options: Any) -> Any:
        frames = await to_frames(*arguments, **options)
        sizes.append(sum(memoryview(frame).nbytes for frame in frames))
        return frames

    async def received(frames: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(sum(memoryview(frame).nbytes for frame in frames))
        return await from_frames(frames, *arguments, **options)

    tcp.to_frames, tcp.from_frames = sent, received
    try:
        yield sizes
    finally:
        tcp.to_frames, tcp.from_frames = to_frames, from_frames


def write_blocks(
    client: Any, there: S3Config, proxy: FaultProxy, boto: Any, url: str, sizes: list[int], kills: int
) -> Written:
    """client: of a LocalCluster in this process. there: the service behind `proxy`. kills: workers to kill."""
    import dask

    parts = len(join_blocks(sizes, last=True)[0])
    killed: list[int] = []
    over = threading.Event()

    def joined() -> list[Any]:
        """One that is killed while it starts is not started again by dask."""
        present = client.nthreads()
        return [nanny for nanny in client.cluster.workers.values() if nanny.worker_address in present]

    def killer() -> None:
        for number in range(1, kills + 1):
            wanted = number * parts // (kills + 1)
            while not over.is_set():
                if proxy.wait_for(lambda: over.is_set() or proxy.count("UploadPart", status=200) >= wanted, 5):  # noqa: B023
                    break
            nannies = joined()
            while not nannies and not over.wait(0.2):
                nannies = joined()
            if over.is_set():
                return
            killed.append(nannies[number % len(nannies)].pid)
            kill(killed[-1])

    thread = threading.Thread(target=killer)
    with counted() as messages:
        thread.start()
        try:
            blocks = [dask.delayed(make_block)(seed, size) for seed, size in enumerate(sizes)]
            done = cluster.write_object(client, url, blocks, config=there, window=8)
        finally:
            over.set()
            proxy.touched()
            thread.join()
        passed = sum(messages)
    bucket, key = url.removeprefix("s3://").split("/")
    expected = hashlib.sha256()
    for seed, size in enumerate(sizes):
        expected.update(make_block(seed, size))
    stored = [r.part_number for r in proxy.of("UploadPart") if r.status == 200 and r.body_length > 1]
    again = len(stored) - len(set(stored))
    right = done.size == sum(sizes) and object_digest(boto, bucket, key) == expected.hexdigest()
    return Written(sum(sizes), right, done.proof, len(killed), again, kills, passed)


def main() -> int:
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument(
        "--most", type=parse_size, default=200 * MIB, help="bytes of the largest block; the least is 1 MiB"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    sizes = [draw.randint(MIB, args.most) for _ in range(args.blocks)]
    with tempfile.TemporaryDirectory(prefix="s3am-blocks-") as folder, SeaweedServer() as s3:
        boto = boto_client(s3.endpoint_url, s3.access_key, s3.secret_key)
        boto.create_bucket(Bucket="bucket")
        environment = {**s3.environment(), "HOME": folder}
        with (
            FaultProxy(s3.endpoint_url) as proxy,
            LocalCluster(
                n_workers=args.workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                local_directory=folder,
                env=environment,
            ) as local,
            Client(local) as client,
        ):
            there = config(s3, proxy.endpoint_url)
            written = write_blocks(client, there, proxy, boto, "s3://bucket/k", sizes, args.kills)
    print(written.line())
    return 0 if written.good else 1


if __name__ == "__main__":
    sys.exit(main())
