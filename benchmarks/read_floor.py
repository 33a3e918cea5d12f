"""One large file through FUSE out of S3, or into it: what Python, mfusepy and libcurl cost, beside `s3am mount`.

    python -m benchmarks.read_floor [--write] [--size 1GiB] [--rounds 3] [--no-crc]

The bare file system does nothing else: requests for ranges ahead of one reader, or a PUT for each part of one writer,
the CRC of every byte (as the mount; not with --no-crc), and one copy into or out of libfuse's buffer. No signature, no
conditions, no retries, no other files. In turns with the mount, on the server that costs next to nothing; CPU seconds
of the daemon for each GiB, and MiB/s. As root.
"""

from __future__ import annotations

import argparse
import errno
import multiprocessing
import os
import stat
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mfusepy
import pycurl
from awscrt import checksums

from s3amfs.core.sizes import parse_size
from s3amfs.mount.daemon import _find_libfuse, _keep_memory, _read_ahead_more
from s3amfs.mount.fuse import MOST_BACKGROUND, _memory, keep_thread
from s3amfs.wire.curl.handle import BUFFER_BYTES, RECEIVE_BYTES

from .bench import MIB, make_data, null_server, s3am
from .mount import Daemon, drop_caches, timed

PIECE, AHEAD, PART, PARALLEL = 4 * MIB, 4, 8 * MIB, 4


class Files(mfusepy.Operations):  # type: ignore[misc]
    """`down` is read from the server, `up` is written to it, by one program each."""

    use_ns = True

    def __init__(self, url: str, size: int, crc: bool) -> None:
        self.url, self.size, self.crc, self.sizes = url, size, crc, {"/down": size}
        self.turn, self.local, self.pool = threading.Lock(), threading.local(), ThreadPoolExecutor(PARALLEL)
        self.pieces, self.part, self.parts = dict[int, Future[list[bytes]]](), bytearray(), list[Future[None]]()

    def getattr(self, path: str, fh: Any = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path not in self.sizes:
            raise FileNotFoundError(errno.ENOENT, path)
        return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1, "st_size": self.sizes[path]}

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.sizes[path] = 0
        return self.open(path, fi)

    def open(self, path: str, fi: Any) -> int:
        fi.direct_io = path == "/up"
        return 0

    def truncate(self, path: str, length: int, fi: Any = None) -> int:
        return 0

    def read(self, target: memoryview, offset: int) -> int:
        end = min(offset + len(target), self.size)
        for number in range(offset // PIECE, -(-end // PIECE)):
            at = number * PIECE
            for chunk in self.piece(number).result():
                first, last = max(offset, at), min(end, at + len(chunk))
                if first < last:
                    target[first - offset : last - offset] = memoryview(chunk)[first - at : last - at]
                at += len(chunk)
        return end - offset

    def piece(self, number: int) -> Future[list[bytes]]:
        with self.turn:
            for wanted in range(number, min(number + AHEAD + 1, -(-self.size // PIECE))):
                if wanted not in self.pieces:
                    self.pieces[wanted] = self.pool.submit(self.get, wanted * PIECE)
            self.pieces.pop(number - 2, None)
            return self.pieces[number]

    def request(self, path: str) -> pycurl.Curl:
        if not hasattr(self.local, "curl"):
            self.local.curl = pycurl.Curl()
        self.local.curl.setopt(pycurl.URL, f"{self.url}/{path}")
        return self.local.curl

    def get(self, offset: int) -> list[bytes]:
        chunks, crc, curl = list[bytes](), 0, self.request("down")
        curl.setopt(pycurl.RANGE, f"{offset}-{offset + PIECE - 1}")
        curl.setopt(pycurl.BUFFERSIZE, RECEIVE_BYTES)
        curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
        curl.perform()
        for chunk in chunks if self.crc else ():
            crc = checksums.crc64nvme(chunk, crc)
        return chunks

    def write(self, data: memoryview) -> int:
        self.part += data
        if len(self.part) >= PART:
            self.parts.append(self.pool.submit(self.put, self.part))
            self.part = bytearray()
            if len(self.parts) > PARALLEL:
                self.parts.pop(0).result()
        return len(data)

    def flush(self, path: str, fi: Any) -> int:
        while self.parts:
            self.parts.pop().result()
        return 0

    def put(self, part: bytearray) -> None:
        view, at, curl = memoryview(part), 0, self.request("up?partNumber=1&uploadId=u")
        if self.crc:
            checksums.crc64nvme(part)

        def read(size: int) -> bytes:
            nonlocal at
            at += size
            return bytes(view[at - size : at])

        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.INFILESIZE_LARGE, len(part))
        curl.setopt(pycurl.READFUNCTION, read)
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER_BYTES)
        curl.setopt(pycurl.HTTPHEADER, ["Expect:"])
        curl.perform()


class Bare(mfusepy.FUSE):  # type: ignore[misc]
    """Without mfusepy's copies of what is read and written."""

    def init_fuse_3(self, connection: Any, config: Any) -> None:
        connection.contents.max_background = MOST_BACKGROUND
        super().init_fuse_3(connection, config)

    def _wrapper(self, func: Any, *args: Any, **kwargs: Any) -> int:
        keep_thread()
        return int(super()._wrapper(func, *args, **kwargs))

    def read(self, path: bytes, buf: Any, size: int, offset: int, fip: Any) -> int:
        return int(self.operations.read(_memory(buf, size), offset))

    def write(self, path: bytes, buf: Any, size: int, offset: int, fip: Any) -> int:
        return int(self.operations.write(_memory(buf, size)))


def serve(url: str, size: int, crc: bool, folder: str) -> None:
    _keep_memory()
    Bare(Files(url, size, crc), folder, raw_fi=True, foreground=True, max_idle_threads=16)


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
