"""`python -m benchmarks --size 4GiB`: s3am beside curl and other tools, in one run, against a server that costs little.

Prints a table and then, for each target of the project, what was measured, the limit, and pass or FAIL. The exit code
is 0 only if all passed. `--output FILE` writes it as a page of the manual. Tools that are not installed are named.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from s3amfs.core.sizes import format_size, parse_size
from s3amfs.demo.servers import FtpServer

from .bench import MIB, Bench, Run, make_certificate, make_data, middle, null_server, s3am, turns
from .faults import faults
from .tools import others, trust

PARTS = 10_000
HEAD = ["| case | tool | wall s | CPU s | peak MiB | remark |", "|---|---|---|---|---|---|"]


def transfers(bench: Bench, endpoint: str, source: Path, certificate: str) -> None:
    """The same file up and down: curl, s3am and every other tool."""
    scheme = endpoint.partition(":")[0]
    target = bench.folder / "downloaded"
    for way in ("up", "down"):
        case = f"{'upload' if way == 'up' else 'download'}, {scheme}"
        curl = ["curl", "-sf", "--cacert", certificate]
        curl += ["-T", str(source), "-o", os.devnull, f"{endpoint}/bench/up-curl"] if way == "up" else []
        curl += ["-o", str(target), f"{endpoint}/bench/down"] if way == "down" else []
        ours = (
            ["upload", str(source), "s3://bench/up-s3am"]
            if way == "up"
            else ["download", "s3://bench/down", str(target)]
        )
        path = str(source if way == "up" else target)
        commands = {"curl": (curl, {}), "s3am": (s3am(*ours, "--endpoint-url", endpoint), {})}
        made = ((name, make) for name, make in others().items() if make is not None)
        commands |= {name: make(endpoint, way, path) for name, make in made}
        for name, (_, environment) in commands.items():
            environment.update(trust(certificate, name))
        found = side_by_side(bench, case, commands, target)
        bench.verdict(f"{case}: CPU seconds, times curl's", found["s3am"].cpu / found["curl"].cpu, 1.3)
        rivals = {name: run.wall for name, run in found.items() if name not in ("curl", "s3am") and run.code == 0}
        if rivals:
            best = min(rivals, key=lambda name: rivals[name])
            bench.verdict(f"{case}: wall, times that of the fastest ({best})", found["s3am"].wall / rivals[best], 1.0)
        bench.verdict(f"{case}: peak memory", found["s3am"].memory / MIB, 64, "MiB")


def side_by_side(
    bench: Bench, case: str, commands: dict[str, tuple[list[str], dict[str, str]]], target: Path
) -> dict[str, Run]:
    """Medians by tool; the tools take turns, so that all see the same machine."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for name in turns(commands, bench.repeat):
        argv, environment = commands[name]
        target.unlink(missing_ok=True)
        runs[name].append(bench.once(argv, **environment))
    target.unlink(missing_ok=True)
    found = {name: middle(several) for name, several in runs.items()}
    for name, run in found.items():
        ratio = f"CPU {run.cpu / found['curl'].cpu:.2f} times curl's" if name != "curl" else ""
        bench.measured(case, name, run, ratio)
    if found["s3am"].code:
        raise SystemExit(f"s3am failed: {found['s3am'].output}")
    return found


def memory(bench: Bench, endpoint: str, source: Path) -> None:
    """Peak memory with each kind of source, default parts and large ones."""
    with FtpServer(source.parent) as ftp:
        kinds = {"file": str(source), "HTTP": f"{endpoint}/bench/down", "FTP": f"{ftp.url}/{source.name}"}
        for kind, url in kinds.items():
            for part_size in ("", "256MiB"):
                option = ["--part-size", part_size] if part_size else []
                run = bench.once(s3am("upload", *option, url, "s3://bench/up-m", "--endpoint-url", endpoint))
                case = f"upload from {kind}, parts {part_size or 'as chosen'}"
                bench.measured(case, "s3am", run)
                bench.verdict(f"{case}: exit code", run.code, 0)
                bench.verdict(f"{case}: peak memory", run.memory / MIB, 64, "MiB")


def startup(bench: Bench, endpoint: str) -> None:
    small = bench.folder / "small"
    small.write_bytes(os.urandom(1024))
    commands = {
        "python alone": [sys.executable, "-c", "pass"],
        "s3am --help": s3am("--help"),
        "s3am upload, 1 KiB": s3am("upload", str(small), "s3://bench/up-small", "--endpoint-url", endpoint),
    }
    runs = {name: middle([bench.once(argv) for _ in range(7)]) for name, argv in commands.items()}
    for name, run in runs.items():
        bench.measured(name, "start to end", run)
    bench.verdict("s3am --help", runs["s3am --help"].wall, 0.15, "s")
    bench.verdict("s3am upload of 1 KiB", runs["s3am upload, 1 KiB"].wall, 0.6, "s")


def bookkeeping(bench: Bench, endpoint: str, size: int) -> None:
    """The same bytes in 10,000 parts and in a few large ones: the difference is what a part costs."""
    part = -(-max(size, PARTS * 5 * MIB) // PARTS)
    size = part * PARTS
    sparse = bench.folder / "sparse"
    with open(sparse, "wb") as out:
        out.truncate(size)
    large = min(5 * 1024 * MIB, size // 10)
    runs = []
    for length in (part, large):
        argv = s3am(
            "upload", "--part-size", str(length), str(sparse), "s3://bench/up-sparse", "--endpoint-url", endpoint
        )
        runs.append(bench.once(argv))
        bench.measured(f"sparse {format_size(size)}, {-(-size // length)} parts", "s3am", runs[-1])
    sparse.unlink()
    many, few = runs
    bench.verdict("10,000 parts: exit code", max(many.code, few.code), 0)
    bench.verdict("10,000 parts: CPU of a part's bookkeeping", (many.cpu - few.cpu) / PARTS * 1000, 1.0, "ms")
    bench.verdict("10,000 parts: peak memory", many.memory / MIB, 64 + PARTS * 2 / 1024, "MiB")


def machine() -> str:
    with open("/proc/meminfo") as info:
        total = int(info.readline().split()[1]) * 1024
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {format_size(total)} memory, {platform.system()}, {python}"


def report(bench: Bench, size: int) -> str:
    head = [
        "# Benchmarks",
        "",
        f"`python -m benchmarks --size {format_size(size).replace(' ', '')} --repeat {bench.repeat}`, "
        f"{datetime.date.today().isoformat()}; {machine()}.",
        "All tools ran in the same run, taking turns, over loopback, files in memory, against a server that forgets",
        "what it gets (`benchmarks/null_server.py`); medians of the runs, the largest peak memory. The server needs",
        "CPU too, so wall times on few cores are as much the server's as the tools'; ratios are what counts.",
        "Start-up is included everywhere.",
        "s3am checks every byte (CRC64NVME); plain curl checks none.",
        "",
    ]
    lines = [*head, *HEAD, *bench.rows, "", "## Targets", "", "| target | measured | limit | |", "|---|---|---|---|"]
    for what, value, limit, unit in bench.verdicts:
        lines.append(f"| {what} | {value:.2f} {unit} | {limit:g} {unit} | {'pass' if value <= limit else '**FAIL**'} |")
    if bench.missing:
        lines += ["", f"Not installed, so not compared: {', '.join(bench.missing)}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=1024 * MIB, help="of the file that is moved (default 1GiB)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command (default 3)")
    parser.add_argument("--sparse", type=parse_size, default=50 * 1024 * MIB, help="of the sparse file (default 50GiB)")
    parser.add_argument("--folder", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None, help="for the data")
    parser.add_argument("--output", help="write the report to this file")
    args = parser.parse_args()
    for needed in ("curl", "openssl"):
        if shutil.which(needed) is None:
            raise SystemExit(f"benchmarks need {needed}: install it")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers and data go away then too
    folder = Path(tempfile.mkdtemp(prefix="s3am-bench-", dir=args.folder))
    bench = Bench(folder, args.repeat, missing=[name for name, make in others().items() if make is None])
    try:
        source = folder / "data" / "source"
        source.parent.mkdir()
        checksum = make_data(source, args.size)
        certificate = make_certificate(folder)
        print("\n".join(HEAD))
        with null_server(source, checksum) as plain, null_server(source, checksum, *certificate) as secure:
            startup(bench, f"http://{plain}")
            transfers(bench, f"http://{plain}", source, certificate[0])
            transfers(bench, f"https://{secure}", source, certificate[0])
            memory(bench, f"http://{plain}", source)
            bookkeeping(bench, f"http://{plain}", args.sparse)
        source.unlink()
        faults(bench)
    finally:
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    text = report(bench, args.size)
    print("\n" + text[text.index("## Targets") :])
    if args.output:
        Path(args.output).write_text(text)
    return 0 if all(value <= limit for _, value, limit, _ in bench.verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} failed: {error.stderr}")
