"""A folder of many small files: sync up, a second time with nothing to do, and down, beside other tools.

    python -m benchmarks.folders [--files 20000] [--size 16KiB] [--rounds 1]

A SeaweedFS for each tool; tools that are not here are left out. A line a tool and phase: seconds, CPU seconds, memory
at its highest; the last lines are the wall times as multiples of ours. Exit code 1 if a tool is faster than s3am.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from s3amfs.core.sizes import MIB, parse_size
from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client

from .bench import Bench, Run
from .tools import program

PHASES = ("up", "nothing to do", "down")


def commands(source: str, target: str) -> dict[str, list[list[str]]]:
    """Tool -> the commands of the three phases. source, target: local folders."""
    url = "s3://bench/tree"
    found = {"s3am": [["sync", source, url], ["sync", source, url], ["sync", url, target]]}
    tools = {"s3am": [sys.executable, "-m", "s3amfs.cli.main", "--no-progress"]}
    s5cmd, rclone, aws = program("s5cmd"), program("rclone"), program("aws")
    if s5cmd:
        tools["s5cmd"] = [s5cmd, "--log", "error"]
        up = ["sync", f"{source}/", f"{url}/"]
        found["s5cmd"] = [up, up, ["sync", f"{url}/*", f"{target}/"]]
    if rclone:
        tools["rclone"] = [rclone, "sync", "--s3-no-check-bucket", "--transfers", "32", "--checkers", "32"]
        found["rclone"] = [[source, "n:bench/tree"], [source, "n:bench/tree"], ["n:bench/tree", target]]
    if aws:
        tools["aws"] = [aws, "s3", "sync", "--only-show-errors"]
        found["aws"] = [[source, url], [source, url], [url, target]]
    return {name: [tools[name] + words for words in phases] for name, phases in found.items()}


def make_tree(folder: Path, files: int, size: int) -> None:
    """files of `size` random bytes, 200 a folder."""
    draw = random.Random(1)
    for number in range(files):
        path = folder / f"{number // 200:05d}" / f"{number:08d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.randbytes(size))


def play(bench: Bench, tool: str, files: int, target: Path) -> list[Run]:
    """The three phases of one tool on a server of its own. target: the folder of the last, which stays.

    ext4 passes over inodes that were freed a minute ago one by one: a folder that one tool leaves behind, and that is
    removed, would be paid for by the next. Raises SystemExit if the tool fails.
    """
    took = []
    with SeaweedServer() as s3:
        boto_client(s3.endpoint_url, s3.access_key, s3.secret_key).create_bucket(Bucket="bench")
        environment = {
            **s3.environment(),
            "S3_ENDPOINT_URL": s3.endpoint_url,
            "AWS_ENDPOINT_URL": s3.endpoint_url,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_N_TYPE": "s3",
            "RCLONE_CONFIG_N_PROVIDER": "Other",
            "RCLONE_CONFIG_N_ENV_AUTH": "true",
            "RCLONE_CONFIG_N_ENDPOINT": s3.endpoint_url,
        }
        for command in commands(str(bench.folder / "tree"), str(target))[tool]:
            took.append(bench.once(command, **environment))
            if took[-1].code:
                raise SystemExit(f"{tool}: exit {took[-1].code}: {took[-1].output[-500:]}")
    count = sum(len(names) for _, _, names in os.walk(target))
    if count != files:
        raise SystemExit(f"{tool}: {count} files of {files}")
    shutil.rmtree(bench.folder / ".local", ignore_errors=True)
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=parse_size, default=16 << 10)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    walls: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="s3am-folders-") as name:
        bench = Bench(Path(name), args.rounds)
        make_tree(bench.folder / "tree", args.files, args.size)
        tools = list(commands("", ""))
        for number in range(args.rounds):
            for tool in tools if number % 2 == 0 else tools[::-1]:
                runs = play(bench, tool, args.files, bench.folder / f"down-{number}-{tool}")
                for phase, took in zip(PHASES, runs, strict=True):
                    walls[tool, phase].append(took.wall)
                    memory = took.memory / MIB
                    print(f"{tool}, {phase}: {took.wall:.1f} s, CPU {took.cpu:.1f} s, {memory:.0f} MiB", flush=True)
        bench.close()
    lost = False
    for phase in PHASES:
        ours = statistics.median(walls["s3am", phase])
        others = {tool: statistics.median(walls[tool, phase]) / ours for tool in tools if tool != "s3am"}
        lost |= any(ratio < 1 for ratio in others.values())
        print(f"{phase}: times ours: " + ", ".join(f"{tool} {ratio:.2f}" for tool, ratio in others.items()))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
