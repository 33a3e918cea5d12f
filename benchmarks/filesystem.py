"""`python -m benchmarks.filesystem`: S3AMFileSystem beside s3fs, obstore's fsspec layer and boto3, in one run.

Each job is a process of its own that imports and connects first; then wall, CPU and growth of peak memory are taken.
The server forgets what it gets (`null_server.py`). Exit code 0 only if all targets are met.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from s3amfs.core.sizes import format_size, parse_size

from .bench import MIB, ROOT, Bench, make_data, null_server, turns

RANGES, RANGE_BYTES = 2000, 64 * 1024
FILES, FILE_BYTES = 1000, 64 * 1024
TABLE_BYTES = 500 * 1000 * 1000
TOOLS = ("s3am", "s3fs", "obstore", "boto3")
KERNEL = "socket to file"
CASES = ("put", "get", "cat_ranges", "read_parquet", "files up", "files down")


def system(tool: str, endpoint: str) -> Any:
    """An fsspec file system."""
    if tool == "s3am":
        from s3amfs import S3AMFileSystem

        return S3AMFileSystem(key="key", secret="secret", endpoint_url=endpoint)
    if tool == "s3fs":
        import s3fs

        return s3fs.S3FileSystem(key="key", secret="secret", endpoint_url=endpoint)
    from obstore.fsspec import FsspecStore

    return FsspecStore(
        "s3",
        access_key_id="key",
        secret_access_key="secret",
        endpoint=endpoint,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def ranges(size: int) -> list[int]:
    how = random.Random(1)
    return [how.randrange(size - RANGE_BYTES) for _ in range(RANGES)]


def fsspec_job(tool: str, case: str, endpoint: str, path: str, size: int) -> Callable[[], None]:
    fs = system(tool, endpoint)
    fs.cat_file("bench/down", start=0, end=1)  # connects, reads configuration, imports what is imported late
    if case == "put":
        return lambda: fs.put_file(path, f"bench/up-{tool}")
    if case == "get":
        return lambda: fs.get_file("bench/down", path)
    if case == "cat_ranges":
        starts = ranges(size)
        ends = [start + RANGE_BYTES for start in starts]
        return lambda: _check(fs.cat_ranges(["bench/down"] * RANGES, starts, ends))
    if case == "read_parquet":
        import pandas as pd
        import pyarrow.dataset  # noqa: F401 - pandas imports it late

        return lambda: _check_table(pd.read_parquet("bench/down.parquet", filesystem=fs))
    if case == "files up":
        return lambda: fs.put(f"{path}/", f"bench/tree-{tool}/", recursive=True)
    names = [f"down{n:04}" for n in range(FILES)]
    return lambda: fs.get([f"bench/{name}" for name in names], [f"{path}/{name}" for name in names])


def boto3_job(case: str, endpoint: str, path: str, size: int) -> Callable[[], None]:
    import boto3
    from botocore.config import Config

    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
        config=Config(max_pool_connections=32),
    )
    pool = ThreadPoolExecutor(32)
    if case == "put":
        return lambda: s3.upload_file(path, "bench", "up-boto3")
    if case == "get":
        return lambda: s3.download_file("bench", "down", path)
    if case == "cat_ranges":

        def fetch(start: int) -> bytes:
            wanted = f"bytes={start}-{start + RANGE_BYTES - 1}"
            body: bytes = s3.get_object(Bucket="bench", Key="down", Range=wanted)["Body"].read()
            return body

        return lambda: _check(list(pool.map(fetch, ranges(size))))
    if case == "read_parquet":
        import pandas as pd
        import pyarrow.dataset  # noqa: F401

        return lambda: _check_table(
            pd.read_parquet(io.BytesIO(s3.get_object(Bucket="bench", Key="down.parquet")["Body"].read()))
        )
    if case == "files up":
        names = sorted(os.listdir(path))
        return lambda: _drain(pool.map(lambda n: s3.upload_file(f"{path}/{n}", "bench", f"tree-boto3/{n}"), names))
    names = [f"down{n:04}" for n in range(FILES)]
    return lambda: _drain(pool.map(lambda n: s3.download_file("bench", n, f"{path}/{n}"), names))


def kernel_job(endpoint: str, path: str) -> Callable[[], None]:
    """The least that any `get` needs: what comes out of one socket goes into the file; nothing looks at it."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    buffer = memoryview(bytearray(MIB))

    def fetch() -> None:
        with socket.create_connection((host, int(port))) as sock, open(path, "wb", buffering=0) as file:
            sock.sendall(b"GET /bench/down HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            while count := sock.recv_into(buffer):
                file.write(buffer[:count])

    return fetch


def _drain(results: Any) -> None:
    for _ in results:
        pass


def _check(found: list[Any]) -> None:
    assert len(found) == RANGES and all(len(piece) == RANGE_BYTES for piece in found), "not what was asked for"


def _check_table(table: Any) -> None:
    assert len(table) > 1_000_000, "not the whole table"


def job(tool: str, case: str, endpoint: str, path: str, size: int) -> None:
    """The child: prints what `case` cost."""
    if tool == KERNEL:
        run = kernel_job(endpoint, path)
    elif tool == "boto3":
        run = boto3_job(case, endpoint, path, size)
    else:
        run = fsspec_job(tool, case, endpoint, path, size)
    peak = _peak_memory()
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    run()
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "growth": _peak_memory() - peak}), flush=True)
    os._exit(0)


def _peak_memory() -> int:
    """Bytes; ru_maxrss would count what the benchmark itself had when it began this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


class Comparison:
    """Runs of all tools, case by case."""

    def __init__(self, bench: Bench, repeat: int) -> None:
        self._bench = bench
        self._repeat = repeat
        self.tools = [tool for tool in TOOLS if tool in ("s3am", "s3fs", "boto3") or find_spec(tool)]
        self.results: dict[tuple[str, str], dict[str, float]] = {}

    def case(self, case: str, endpoint: str, path: Path, size: int) -> None:
        tools = [*self.tools, KERNEL] if case == "get" else self.tools
        runs: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
        for tool in turns(tools, self._repeat):
            runs[tool].append(self._once(tool, case, endpoint, path, size))
        for tool, found in runs.items():
            middle = {name: statistics.median(run[name] for run in found) for name in ("wall", "cpu")}
            middle["growth"] = max(run["growth"] for run in found)
            self.results[case, tool] = middle
            self._bench.row(
                case, tool, f"{middle['wall']:.2f}", f"{middle['cpu']:.2f}", f"{middle['growth'] / MIB:.0f}"
            )

    def _once(self, tool: str, case: str, endpoint: str, path: Path, size: int) -> dict[str, float]:
        into = path
        if case == "get":
            path.unlink(missing_ok=True)
        if case == "files down":
            into = Path(tempfile.mkdtemp(dir=path))
        command = [sys.executable, "-m", "benchmarks.filesystem", "--job", tool, case, endpoint, str(into), str(size)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._bench.environment, cwd=ROOT, check=False, timeout=300
        )
        if into != path:
            shutil.rmtree(into)
        if done.returncode:
            raise RuntimeError(f"{tool}, {case}: {done.stderr[-2000:]}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    def judge(self) -> None:
        verdict, results = self._bench.verdict, self.results
        for case in ("get", "put"):
            ours, s3fs = results[case, "s3am"], results[case, "s3fs"]
            verdict(f"{case}: a fourth of s3fs's wall time, times ours", 4 * ours["wall"] / s3fs["wall"], 1)
            verdict(f"{case}: a fourth of s3fs's CPU time, times ours", 4 * ours["cpu"] / s3fs["cpu"], 1)
            verdict(f"{case}: growth of peak memory", ours["growth"] / MIB, 64, "MiB")
            if (case, "obstore") in results:
                verdict(f"{case}: wall, times obstore's", ours["wall"] / results[case, "obstore"]["wall"], 1)
        for case in CASES[2:]:
            rivals = [tool for tool in self.tools if tool in ("s3fs", "obstore")]
            best = min(rivals, key=lambda tool, case=case: results[case, tool]["wall"])
            verdict(f"{case}: wall, times {best}'s", results[case, "s3am"]["wall"] / results[case, best]["wall"], 1)


def make_table(path: Path) -> str:
    """500 MB of numbers as Parquet; returns its CRC64NVME."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from s3amfs.core.checksums import Crc

    rows, columns = 1_250_000, 50
    how = np.random.default_rng(1)
    table = pa.table({f"c{n}": how.random(rows) for n in range(columns)})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=rows // 10)
    crc = Crc("crc64nvme")
    crc.update(path.read_bytes())
    return crc.base64


def compare(bench: Bench, size: int, repeat: int) -> Comparison:
    folder, found = bench.folder, Comparison(bench, repeat)
    big = folder / "big"
    with null_server(big, make_data(big, size)) as where:
        found.case("put", f"http://{where}", big, size)
        found.case("get", f"http://{where}", folder / "back", size)
        (folder / "back").unlink()
        found.case("cat_ranges", f"http://{where}", big, size)
    big.unlink()
    table = folder / "table.parquet"
    with null_server(table, make_table(table)) as where:
        found.case("read_parquet", f"http://{where}", table, table.stat().st_size)
    table.unlink()
    tree, one = folder / "tree", folder / "one"
    tree.mkdir()
    checksum = make_data(one, FILE_BYTES)
    for n in range(FILES):
        shutil.copyfile(one, tree / f"{n:04}")
    with null_server(one, checksum) as where:
        found.case("files up", f"http://{where}", tree, FILE_BYTES)
        (folder / "out").mkdir()
        found.case("files down", f"http://{where}", folder / "out", FILE_BYTES)
    return found


def main() -> int:
    if sys.argv[1:2] == ["--job"]:
        tool, case, endpoint, path, size = sys.argv[2:]
        job(tool, case, endpoint, path, int(size))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filesystem", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=1024 * MIB, help="of the large object (default 1GiB)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default 3)")
    args = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="s3am-bench-fs-", dir=memory))
    bench = Bench(folder, args.repeat)
    try:
        print(f"{format_size(args.size)}; {RANGES:,} ranges; table of {TABLE_BYTES // 10**6} MB; {FILES:,} files\n")
        print("| case | tool | wall s | CPU s | growth MiB |\n|---|---|---|---|---|")
        compare(bench, args.size, args.repeat).judge()
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| target | measured | limit | |\n|---|---|---|---|")
    for what, value, limit, unit in bench.verdicts:
        print(f"| {what} | {value:.2f} {unit} | {limit:g} {unit} | {'pass' if value <= limit else '**FAIL**'} |")
    return 0 if all(value <= limit for _, value, limit, _ in bench.verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
