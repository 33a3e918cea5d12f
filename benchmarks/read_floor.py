"""One large file through FUSE out of S3, or into it: what Python, mfusepy and libcurl cost, beside `s3am mount`.

    python -m benchmarks.read_floor [--write] [--size 1GiB] [--rounds 3] [--no-crc]

The bare file system (bare_mount.py) does nothing else: requests for ranges ahead of one reader, or a PUT for each part
of one writer, the CRC of every byte (as the mount; not with --no-crc), and one copy into or out of libfuse's buffer. No
signature, no conditions, no retries, no other files. In turns with the mount, on the server that costs next to nothing;
CPU seconds of the daemon for each GiB, and MiB/s. As root.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from s3amfs.core.sizes import parse_size
from s3amfs.mount.daemon import _find_libfuse, _read_ahead_more

from .bare_mount import serve
from .bench import MIB, make_data, null_server, s3am
from .mount import Daemon, drop_caches, timed


@contextmanager
def running(args: argparse.Namespace, address: str, work: Path) -> Iterator[list[Daemon]]:
    given = f"http://{address}/bench", args.size, args.crc, str(work / "bare")
    bare = multiprocessing.get_context("spawn").Process(target=serve, args=given)
    (work / "bare").mkdir()
    bare.start()
    pids, processes = {"bare": bare.pid or 0}, list[subprocess.Popen[bytes]]()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL_S3": f"http://{address}"}
    environment = {**os.environ, **keys, "AWS_REGION": "us-east-1", "S3AM_STATE_DIR": str(work / "state")}
    for name, options in [("s3am", []), *([("s3am --spool-keep 0", ["--spool-keep", "0"])] if args.write else [])]:
        (work / name).mkdir()
        command = s3am("mount", f"s3://bench/{len(pids)}", str(work / name), "--foreground", *options)
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        pids[name] = processes[-1].pid
    try:
        while not all(os.path.ismount(work / name) for name in pids):
            if not bare.is_alive() or any(process.poll() is not None for process in processes):
                raise SystemExit("one of them could not be mounted")
            time.sleep(0.05)
        _read_ahead_more(str(work / "bare"))
        yield [Daemon(name, work / name, pid) for name, pid in pids.items()]
    finally:
        for name in pids:
            subprocess.run(["umount", str(work / name)], check=False)
        bare.join()
        for process in processes:
            process.wait()


def copy(folder: Path, args: argparse.Namespace) -> None:
    ends = ["if=/dev/zero", f"of={folder}/up", f"count={args.size // MIB}"] if args.write else []
    command = ["dd", "bs=1M", *(ends or [f"if={folder}/down", "of=/dev/null"])]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read_floor", description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--size", type=parse_size, default=1024 * MIB)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-crc", dest="crc", action="store_false", help="of the bare one")
    args = parser.parse_args()
    _find_libfuse()  # for the process that is started: it imports all of this again
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        checksum = make_data(data / "source", args.size)
        address = stack.enter_context(null_server(data / "source", checksum))
        daemons = stack.enter_context(running(args, address, work))
        for daemon in [daemon for _ in range(args.rounds + 1) for daemon in daemons]:
            drop_caches()
            before = daemon.cpu()
            daemon.walls_in.append(timed(lambda: copy(daemon.folder, args)))  # noqa: B023 - called at once
            daemon.cpus_in.append(daemon.cpu() - before)
    gib = args.size / 1024 / MIB
    for daemon in daemons:  # the first round warmed up
        cpu, wall = min(daemon.cpus_in[1:]) / gib, statistics.median(daemon.walls_in[1:])
        print(f"{daemon.name}: {cpu:.2f} CPU s/GiB (best), {gib * 1024 / wall:.0f} MiB/s (median)")


if __name__ == "__main__":
    main()
