"""`python -m benchmarks.chunks`: many small objects, 64 at a time, as zarr reads its chunks; beside obstore and s3fs.

Each tool gets every chunk once, by its asynchronous interface, in a process of its own that has imported and connected
first; then wall, CPU and peak memory are taken. The server costs nothing (`null_server.py`) and is behind a proxy that
adds a round trip (`long_line.py`). A case passes if s3am takes at most 0.9 of obstore's wall, 0.7 of its CPU and half
its memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from s3amfs.core.sizes import format_size, parse_size

from .bench import MIB, ROOT, Bench, make_certificate, make_data, null_server, turns
from .filesystem import _peak_memory
from .line import WireLine, long_line

TOOLS = ("s3am", "obstore", "s3fs")
LIMITS = (("wall", 0.9), ("cpu", 0.7), ("memory", 0.5))
"""Of obstore's."""

Get = Callable[[str], Awaitable[int]]
"""Gets an object of the bucket; its length."""


@contextlib.asynccontextmanager
async def opened(tool: str, endpoint: str) -> AsyncIterator[Get]:
    """The `Get` of a tool."""
    if tool == "obstore":
        import obstore
        from obstore.store import S3Store

        options = {"allow_http": True, "allow_invalid_certificates": True}
        store = S3Store("bench", endpoint=endpoint, virtual_hosted_style_request=False, client_options=options)

        async def get(name: str) -> int:
            return len(await (await obstore.get_async(store, name)).bytes_async())

        yield get
        return
    from s3fs import S3FileSystem

    from s3amfs import S3AMFileSystem

    make = S3AMFileSystem if tool == "s3am" else S3FileSystem
    config = {} if tool == "s3am" else {"config_kwargs": {"max_pool_connections": 64}}
    fs = make(asynchronous=True, endpoint_url=endpoint, **config)
    session = await fs.set_session()

    async def cat(name: str) -> int:
        return len(await fs._cat_file(f"bench/{name}"))

    yield cat
    if tool == "s3fs":
        await session.close()


async def get_all(tool: str, endpoint: str, chunks: int, at_a_time: int, length: int) -> dict[str, float]:
    """The child: gets all chunks, and says what that cost."""
    async with opened(tool, endpoint) as get:
        assert await get("down") == length
        before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        names = iter([f"down{number:05}" for number in range(chunks)])

        async def work() -> None:
            for name in names:
                assert await get(name) == length

        await asyncio.gather(*(work() for _ in range(at_a_time)))
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "memory": _peak_memory()}


def once(bench: Bench, tool: str, endpoint: str, args: argparse.Namespace, trusted: str | None) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.chunks", "--job", tool, endpoint]
    command += ["--chunks", str(args.chunks), "--at-a-time", str(args.at_a_time), "--size", str(args.size)]
    environment = {**bench.environment, **({"AWS_CA_BUNDLE": trusted} if trusted else {})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextlib.contextmanager
def far_server(bench: Bench, args: argparse.Namespace, round_trip: int) -> Iterator[tuple[str, str | None]]:
    """(endpoint, certificate)"""
    chunk = bench.folder / "chunk"
    checksum = make_data(chunk, args.size)
    certificate = make_certificate(bench.folder) if args.https else ()
    scheme = "https" if args.https else "http"
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(null_server(chunk, checksum, *certificate))
        if round_trip:
            where = stack.enter_context(long_line(where, WireLine(round_trip, 0, 10_000, 0)))
        yield f"{scheme}://{where}", certificate[0] if certificate else None


def compare(bench: Bench, args: argparse.Namespace, round_trip: int) -> bool:
    """One round trip: rows of all tools; whether s3am is within its limits."""
    tools = [tool for tool in TOOLS if tool != "obstore" or find_spec("obstore")]
    runs: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
    with far_server(bench, args, round_trip) as (endpoint, trusted):
        for tool in turns(tools, args.repeat):
            runs[tool].append(once(bench, tool, endpoint, args, trusted))
    best = {tool: {name: min(run[name] for run in found) for name, _ in LIMITS} for tool, found in runs.items()}
    for tool, found in best.items():
        bench.row(
            f"{round_trip} ms", tool, f"{found['wall']:.2f}", f"{found['cpu']:.2f}", f"{found['memory'] / MIB:.0f}"
        )
    if "obstore" not in best:
        return True
    return all(best["s3am"][name] <= limit * best["obstore"][name] for name, limit in LIMITS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chunks", description=__doc__)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--at-a-time", type=int, default=64)
    parser.add_argument("--size", type=parse_size, default=MIB, help="of a chunk (default 1MiB)")
    parser.add_argument("--round-trips", default="0,20,80", help="milliseconds (default 0,20,80)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the best counts (default 3)")
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(asyncio.run(get_all(*args.job, args.chunks, args.at_a_time, args.size))), flush=True)
        os._exit(0)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    bench = Bench(Path(tempfile.mkdtemp(prefix="s3am-chunks-", dir=memory)), args.repeat)
    try:
        print(f"{args.chunks:,} chunks of {format_size(args.size)}, {args.at_a_time} at a time\n")
        bench.row("round trip", "tool", "wall s", "CPU s", "peak MiB")
        bench.row(*["---"] * 5)
        passed = [compare(bench, args, int(trip)) for trip in args.round_trips.split(",")]
    finally:
        bench.close()
        shutil.rmtree(bench.folder, ignore_errors=True)
    print(f"{sum(passed)} of {len(passed)} cases pass")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
