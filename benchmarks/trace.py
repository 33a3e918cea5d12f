"""The cost of `--trace`: wall and CPU seconds of uploads with and without it, in turns.

    python -m benchmarks.trace [--rounds 5] [--size 1GiB] [--objects 2000]

The last lines are the medians and their ratios; the promise is at most 1 % of the time and 2 % of the CPU. The server
costs next to nothing (`null_server.py`): a real one takes both cores, and its share changes from run to run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from s3amfs.core.sizes import parse_size
from tests.support.cli import Cli
from tests.support.files import make_file

from .bench import null_server

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def measure(cli: Cli, words: tuple[object, ...], rounds: int, trace: Path) -> None:
    """Prints the figures of one command. words: without its target."""
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(rounds):
        for traced in (False, True) if number % 2 else (True, False):  # neither is always the first
            extra = ("--trace", trace) if traced else ()
            done = cli("upload", *extra, *words, f"s3://trace/{traced}{number}/x")
            if done.rc:
                raise SystemExit(done.stderr)
            found[traced].append((done.wall, done.cpu))
    for column, name in enumerate(("wall", "CPU")):
        plain, with_trace = (statistics.median(run[column] for run in found[traced]) for traced in (False, True))
        print(f"  {name}: {plain:.2f} s without, {with_trace:.2f} s with, ratio {with_trace / plain:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=parse_size, default=1 << 30)
    parser.add_argument("--objects", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="s3am-trace-") as name:
        folder = Path(name)
        make_file(folder / "big", args.size, 1)
        (folder / "tiny").mkdir()
        for number in range(args.objects):
            (folder / "tiny" / f"f{number}").write_bytes(b"x" * 100)
        with null_server(folder / "big", "AAAAAAAAAAA=") as where:
            cli = Cli(folder / "home", {**KEYS, "AWS_ENDPOINT_URL": f"http://{where}"})
            print("one large object")
            measure(cli, (folder / "big",), args.rounds, folder / "trace")
            print("many tiny objects")
            measure(cli, ("-r", folder / "tiny"), args.rounds, folder / "trace")


if __name__ == "__main__":
    main()
