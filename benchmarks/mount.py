"""`s3am mount` beside rclone, s3fs-fuse, geesefs, mountpoint-s3 (those that are here), a null file system and a disk.

    python -m benchmarks.mount --size 1GiB --repeat 3 --small 300 --untar 10000

One table: cp in until it is in S3; cp out cold, again from the kernel's pages (warm), and once more without them, from
what the mount itself has kept; new small files, and an archive of them. A real S3 server (SeaweedFS) takes its share of
the cores, so walls are its as much as the mounts'. CPU is the daemon's alone. Needs root to drop the page cache;
without, every reading but the first is of what the kernel has kept.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.bench import MIB, make_data, turns
from benchmarks.mount_peers import BUCKET, PEERS, Daemon, Mounts
from s3amfs.core.sizes import parse_size
from s3amfs.demo.seaweed import SeaweedServer

FILES = 5000


def timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def copy_in(daemon: Daemon, source: Path, boto: Any) -> None:
    """Until the object is whole in S3: not every mount's close waits for that."""
    cpu = daemon.cpu()

    def copy() -> None:
        subprocess.run(["cp", str(source), str(daemon.folder / "f")], check=True)
        while daemon.stores and not any(o["Size"] == source.stat().st_size for o in _listed(boto, daemon.key("f"))):
            time.sleep(0.05)

    daemon.walls_in.append(timed(copy))
    daemon.cpus_in.append(daemon.cpu() - cpu)


def _listed(boto: Any, key: str) -> list[dict[str, Any]]:
    return [o for o in boto.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", []) if o["Key"] == key]


def _count(boto: Any, prefix: str) -> int:
    """Files below it: folders have an object of their own with some mounts."""
    pages = boto.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return sum(not o["Key"].endswith("/") for page in pages for o in page.get("Contents", []))


def drop_caches() -> None:
    """What the kernel has read, so that a reading is cold: root alone may say so."""
    if os.geteuid() == 0:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")


def copy_out(daemon: Daemon, target: Path) -> None:
    """Cold, warm, and from the mount's own cache; then the file is removed."""
    drop_caches()
    shutil.rmtree(daemon.folder.parent / "rclone-cache", ignore_errors=True)
    command = ["cp", str(daemon.folder / "f"), str(target)]
    cpu = daemon.cpu()
    daemon.walls_out.append(timed(lambda: subprocess.run(command, check=True)))
    daemon.cpus_out.append(daemon.cpu() - cpu)
    daemon.walls_warm.append(timed(lambda: subprocess.run(command, check=True)))
    drop_caches()
    daemon.walls_again.append(timed(lambda: subprocess.run(command, check=True)))
    (daemon.folder / "f").unlink()


def small_files(daemon: Daemon, count: int, boto: Any) -> None:
    """New files of 100 bytes one after the other: until the last is closed, and until all are in S3."""
    (daemon.folder / "small").mkdir()
    cpu, began = daemon.cpu(), time.monotonic()
    for number in range(count):
        with open(daemon.folder / "small" / str(number), "wb", buffering=0) as file:
            file.write(b"x" * 100)
    daemon.small = _ends(daemon, began, "small/", count, boto) + f" | {(daemon.cpu() - cpu) / count * 1000:.2f}"


def untar(daemon: Daemon, archive: Path, count: int, boto: Any) -> None:
    began = time.monotonic()
    command = ["tar", "-x", "--no-same-owner", "-f", str(archive), "-C", str(daemon.folder)]
    subprocess.run(command, check=True)
    daemon.untar = _ends(daemon, began, "tar/", count, boto)


def _ends(daemon: Daemon, began: float, prefix: str, count: int, boto: Any) -> str:
    closed = stored = time.monotonic() - began
    while daemon.stores and _count(boto, daemon.key(prefix)) < count:
        time.sleep(0.05)
        stored = time.monotonic() - began
    return f"{closed:.2f} / {stored:.2f}"


def make_archive(path: Path, count: int) -> None:
    """Files of 1 to 4 KiB, 100 in a folder."""
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            entry = tarfile.TarInfo(f"tar/{number // 100:03}/{number:05}")
            entry.size = 1024 * (1 + number % 4)
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))


def listing(daemon: Daemon) -> float:
    """Seconds of `ls -l` over many objects."""
    command = ["ls", "-l", str(daemon.folder / "many")]
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def small_reads(daemon: Daemon, size: int) -> float:
    """MB/s of `dd bs=4k`, through the page cache."""
    command = ["dd", f"if={daemon.folder / 'f'}", "of=/dev/null", "bs=4k"]
    return size / 1e6 / timed(lambda: subprocess.run(command, check=True, capture_output=True))


def crowd(daemon: Daemon, size: int) -> None:
    """Four writers and four readers of `size` at once: for the peak of the memory."""

    def write(number: int) -> None:
        command = ["dd", "if=/dev/zero", f"of={daemon.folder / f'crowd{number}'}", "bs=1M", f"count={size // MIB}"]
        subprocess.run(command, check=True, capture_output=True)

    def read(number: int) -> None:
        subprocess.run(["cat", str(daemon.folder / f"crowd{number}")], check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(4)))
        Path("/proc/sys/vm/drop_caches").write_text("3")
        both = [pool.submit(write, number) for number in range(4, 8)] + [
            pool.submit(read, number) for number in range(4)
        ]
        for each in both:
            each.result()
    for number in range(8):
        (daemon.folder / f"crowd{number}").unlink()


def report(daemons: list[Daemon], extra: list[tuple[str, float, float, str]], size: int) -> int:
    gib = size / (1024 * MIB)
    middle = statistics.median
    print("\n| mount | in, s | CPU s/GiB | out, s | CPU s/GiB | warm, s | again, s |", end="")
    print(" small files: closed / in S3, s | CPU ms each | untar: closed / in S3, s | peak MiB |\n|" + "---|" * 11)
    for d in daemons:
        row = [middle(d.walls_in), middle(d.cpus_in) / gib, middle(d.walls_out), middle(d.cpus_out) / gib]
        row += [middle(d.walls_warm), middle(d.walls_again)]
        cells = [d.name, *(f"{value:.2f}" for value in row), d.small or "- | -", d.untar or "-", f"{d.peak():.0f}"]
        print("| " + " | ".join(cells) + " |")
    by_name = {d.name: d for d in daemons}
    ours, disk = by_name["s3am"], by_name["disk"]
    others = [by_name[name] for name in PEERS if name in by_name]
    targets = list(extra)
    for way in ("in", "out") if others else ():
        for what, limit in (("walls", 1.0), ("cpus", 0.5)):
            best = min(middle(getattr(d, f"{what}_{way}")) for d in others)
            name = f"{way}: {'wall' if what == 'walls' else 'CPU'}, times the better one's"
            targets.append((name, middle(getattr(ours, f"{what}_{way}")) / best, limit, ""))
    local = middle(disk.walls_again) / 0.9
    targets.append(
        ("from --cache-dir: 90 % of the disk, times ours", middle(by_name["s3am-cached"].walls_again) / local, 1, "")
    )
    if null := by_name.get("null"):
        for way in ("in", "out"):
            ratio = 0.8 * middle(getattr(ours, f"walls_{way}")) / middle(getattr(null, f"walls_{way}"))
            targets.append((f"{way}: 80 % of the null file system, times ours", ratio, 1.0, ""))
    targets.append(("peak memory", ours.peak(), 256, "MiB"))
    print("\n| target | measured | limit | |\n|---|---|---|---|")
    for what, value, limit, unit in targets:
        print(f"| {what} | {value:.2f} {unit} | {limit:g} {unit} | {'pass' if value <= limit else '**FAIL**'} |")
    return 0 if all(value <= limit for _, value, limit, _ in targets) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mount", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=1024 * MIB, help="of the file (default 1GiB)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--crowd", type=parse_size, default=0, help="then 4 writers and 4 readers of that size (root)")
    parser.add_argument("--small", type=int, default=300, help="new small files (default 300)")
    parser.add_argument("--untar", type=int, default=0, help="files of an archive (default 0: none)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = Mounts.here()
    work = Path(tempfile.mkdtemp(prefix="s3am-bench-mount-"))
    data = Path(tempfile.mkdtemp(prefix="s3am-bench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    daemons: list[Daemon] = []
    try:
        make_data(data / "source", args.size)
        with SeaweedServer() as server:
            boto = _boto(server)
            boto.create_bucket(Bucket=BUCKET)
            mounts = Mounts(server, work)
            daemons += [mounts.start(name) for name in names]
            by_name = dict(zip(names, daemons, strict=True))
            for name in turns(names, args.repeat):
                copy_in(by_name[name], data / "source", boto)
                copy_out(by_name[name], data / "back")
            make_archive(data / "archive", args.untar)
            for daemon in daemons:
                small_files(daemon, args.small, boto)
                if args.untar:
                    untar(daemon, data / "archive", args.untar, boto)
            with ThreadPoolExecutor(16) as pool:
                put = lambda n: boto.put_object(Bucket=BUCKET, Key=f"s3am/many/{n:05}", Body=b"x")  # noqa: E731
                list(pool.map(put, range(FILES)))
            extra = [(f"ls -l of {FILES} objects", listing(daemons[0]), 3.0, "s")]
            copy_in(daemons[0], data / "source", boto)
            extra.append(("4 KiB reads: 200 MB/s, times ours", 200 / small_reads(daemons[0], args.size), 1.0, ""))
            daemons[0].walls_in.pop(), daemons[0].cpus_in.pop()
            if args.crowd:
                crowd(daemons[0], args.crowd)
            return report(daemons, extra, args.size)
    finally:
        for name in names:
            subprocess.run(["fusermount3", "-u", "-z", str(work / name)], check=False, capture_output=True)
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


def _boto(server: SeaweedServer) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(max_pool_connections=20),
    )


if __name__ == "__main__":
    sys.exit(main())
