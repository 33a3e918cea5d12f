"""Draws transfers, faults and kills from a seed, and counts what went wrong.

    python -m tests.faults.chaos --runs 200 --seed 1

The last line is `chaos: N runs, W wrong, L lost errors, P parts sent twice, R leftovers`; the exit code is 0 only if
all are 0. A failing run prints the seed that replays it: `--runs 1 --seed THAT`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from s3amfs.demo.seaweed import SeaweedServer
from tests.faults.chaos_changing import ChangingRun
from tests.faults.chaos_cluster import ClusterRun
from tests.faults.chaos_mount import MountRun
from tests.faults.chaos_runs import CliRun, FsRun, Run, Tally, World
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer

KINDS: dict[str, type[Run]] = {
    "file": CliRun,
    "http": CliRun,
    "ftp": CliRun,
    "stdin": CliRun,
    "copy": CliRun,
    "download": CliRun,
    "fs put": FsRun,
    "fs get": FsRun,
    "mount": MountRun,
    **dict.fromkeys(
        (f"changing {kind}" for kind in ("file", "http", "ftp", "copy", "download", "fs put")),
        ChangingRun,
    ),
}
CLUSTER: dict[str, type[Run]] = {
    f"{by} {kind}": ClusterRun for by in ("split", "dask") for kind in ("file", "download", "copy")
}
CLUSTER_KINDS = tuple(CLUSTER)
"""Several processes move them (tests.faults.cluster)."""


def chaos(runs: int, seed: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Tally:
    """Plays `runs` runs, the first with `seed` itself, so that one can be replayed alone."""
    return play_all(draw_seeds(runs, seed), kinds)


def draw_seeds(runs: int, seed: int) -> list[int]:
    draw = random.Random(seed)
    return [seed, *(draw.randrange(2**31) for _ in range(runs - 1))][:runs]


def play_all(seeds: list[int], kinds: tuple[str, ...]) -> Tally:
    """One after the other, on the same servers."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="s3am-chaos-") as name:
        folder = Path(name)
        (folder / "served").mkdir()
        with SeaweedServer() as s3, HttpServer() as web, FtpServer(folder / "served") as ftp:
            world = World(folder, s3, web, ftp)
            for seed in seeds:
                tally.add(_play(world, seed, kinds))
    return tally


def _play(world: World, seed: int, kinds: tuple[str, ...]) -> Tally:
    how, tally = random.Random(seed), Tally(runs=1)
    kind = how.choice(kinds)
    run, started = (KINDS | CLUSTER)[kind](world, seed, tally, kind, how), time.monotonic()
    try:
        run.play()
    except Exception:  # noqa: BLE001 - the other runs are played all the same, and this one counts
        tally.wrong.append(f"{traceback.format_exc()}: {run.name}")
    print(f"{time.monotonic() - started:.1f} s, {run.name}", *tally.texts(), sep="\n    ", flush=True)
    return tally


def main(among: tuple[str, ...] = tuple(KINDS)) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--skip", type=int, default=0, help="of those, leave so many out that come first")
    parser.add_argument("--kind", action="append", choices=among, help="only such transfers (a seed then means others)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes, each with its own servers")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    seeds, kinds = draw_seeds(args.runs, args.seed)[args.skip :], tuple(args.kind or among)
    lots = [lot for number in range(args.jobs) if (lot := seeds[number :: args.jobs])]
    tally = Tally()
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(play_all, lots, [kinds] * len(lots)):
            tally.add(part)
    print(*tally.texts(), sep="\n")
    print(tally.line())
    return 1 if tally.count else 0


if __name__ == "__main__":
    sys.exit(main())
