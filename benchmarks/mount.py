"""`s3am mount` beside `rclone mount` and s3fs-fuse, in one run: cp in until it is in S3, cp out with cold caches.

    python -m benchmarks.mount --size 1GiB --repeat 3

A real S3 server (SeaweedFS) takes its share of the cores, so walls are its as much as the mounts'. CPU is the daemon's
alone. Needs root to drop the page cache; without, the second reading is of what the kernel has kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import MIB, make_data, turns
from s3amfs.core.sizes import parse_size
from s3amfs.demo.seaweed import SeaweedServer

BUCKET = "bench"
FILES = 5000
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Daemon:
    name: str
    folder: Path
    pid: int
    walls_in: list[float] = field(default_factory=list)
    walls_out: list[float] = field(default_factory=list)
    cpus_in: list[float] = field(default_factory=list)
    cpus_out: list[float] = field(default_factory=list)

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class Mounts:
    """The file systems that are here, each on a folder of the same bucket."""

    def __init__(self, server: SeaweedServer, work: Path) -> None:
        self.environment = {**os.environ, **server.environment(), "S3AM_STATE_DIR": str(work / "state")}
        self.environment.pop("AWS_CA_BUNDLE", None)
        self.server, self.work = server, work

    def s3am(self, folder: Path) -> None:
        self._run(sys.executable, "-m", "s3amfs.cli.main", "mount", f"s3://{BUCKET}/s3am", str(folder))

    def rclone(self, folder: Path) -> None:
        remote = f":s3,provider=Other,env_auth,endpoint='{self.server.endpoint_url}',region=us-east-1:{BUCKET}/rclone"
        cache = ("--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "--cache-dir", str(self.work / "rclone-cache"))
        self._run("rclone", "mount", remote, str(folder), *cache, "--daemon")

    def s3fs(self, folder: Path) -> None:
        secret = self.work / "s3fs-password"
        secret.touch(0o600)
        secret.write_text(f"{self.server.access_key}:{self.server.secret_key}")
        options = f"url={self.server.endpoint_url},passwd_file={secret},use_path_request_style,endpoint=us-east-1"
        self._run("s3fs", f"{BUCKET}:/", str(folder), "-o", options)

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self, name: str) -> Daemon:
        folder = self.work / name
        folder.mkdir()
        before = set(_processes())
        getattr(self, name)(folder)
        while not os.path.ismount(folder):
            time.sleep(0.05)
        return Daemon(name, folder, max(set(_processes()) - before, key=_size))


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _size(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def copy_in(daemon: Daemon, source: Path, boto: Any) -> None:
    """Until the object is whole in S3: not every mount's close waits for that."""
    key = f"{daemon.name}/f" if daemon.name != "s3fs" else "f"
    cpu = daemon.cpu()

    def copy() -> None:
        subprocess.run(["cp", str(source), str(daemon.folder / "f")], check=True)
        while not any(o["Size"] == source.stat().st_size for o in _listed(boto, key)):
            time.sleep(0.05)

    daemon.walls_in.append(timed(copy))
    daemon.cpus_in.append(daemon.cpu() - cpu)


def _listed(boto: Any, key: str) -> list[dict[str, Any]]:
    return [o for o in boto.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", []) if o["Key"] == key]


def drop_caches() -> None:
    """What the kernel has read, so that a reading is cold: root alone may say so."""
    if os.geteuid() == 0:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")


def copy_out(daemon: Daemon, target: Path) -> None:
    drop_caches()
    shutil.rmtree(daemon.folder.parent / "rclone-cache", ignore_errors=True)
    cpu = daemon.cpu()
    command = ["cp", str(daemon.folder / "f"), str(target)]
    daemon.walls_out.append(timed(lambda: subprocess.run(command, check=True)))
    daemon.cpus_out.append(daemon.cpu() - cpu)
    (daemon.folder / "f").unlink()


def listing(daemon: Daemon) -> float:
    """Seconds of `ls -l` over many objects."""
    folder = daemon.folder if daemon.name != "s3fs" else daemon.folder / "s3am"
    command = ["ls", "-l", str(folder / "many")]
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
    print("\n| mount | in, s | CPU s/GiB | out, s | CPU s/GiB | peak MiB |\n|---|---|---|---|---|---|")
    middle = statistics.median
    for d in daemons:
        row = (middle(d.walls_in), middle(d.cpus_in) / gib, middle(d.walls_out), middle(d.cpus_out) / gib)
        print(f"| {d.name} | " + " | ".join(f"{value:.2f}" for value in row) + f" | {d.peak():.0f} |")
    ours, *others = daemons
    targets = list(extra)
    for way in ("in", "out") if others else ():
        for what, limit in (("walls", 1.0), ("cpus", 0.5)):
            best = min(middle(getattr(d, f"{what}_{way}")) for d in others)
            name = f"{way}: {'wall' if what == 'walls' else 'CPU'}, times the better one's"
            targets.append((name, middle(getattr(ours, f"{what}_{way}")) / best, limit, ""))
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
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = ["s3am", *(name for name in ("rclone", "s3fs") if shutil.which(name))]
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
