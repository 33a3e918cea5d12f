"""`python -m benchmarks.pacing`: the controller beside the best fixed setting, on simulated lines, cell by cell.

Each line is one cell: the time with what `core/pacing.py` and `core/parts.py` choose, cold (nothing is known) and warm
(what a first run remembers), as a multiple of the time of the best of nine fixed settings (slots x part size). At the
end, the share of the cells within 5 and 10 %, and of the short cold ones (ideal below 10 s) within 5 % and three round
trips. Cells whose ideal takes longer than `--most` seconds are left out: they are more of the same. `--json FILE` keeps
the figures, and six lines over time, for `benchmarks.charts`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s3amfs.core.lines import LineState
from s3amfs.core.pacing import Controller
from s3amfs.core.parts import choose_part_size
from s3amfs.core.sizes import format_size

from .simulated_line import Conditions, Fixed, Run, simulate

MIB = 1024 * 1024
RATES = (10, 100, 1_000, 10_000)
"""Mb/s."""
ROUND_TRIPS = (0.001, 0.02, 0.1, 0.2, 0.3)
CAPS = (float("inf"), 2e6, 10e6, 90e6)
SIZES = (64 * MIB, 512 * MIB, 4096 * MIB, 16384 * MIB)
REQUESTS = (float("inf"), 50.0)
CEILING = 1024
SIX_LINES = (
    (Conditions(12.5e6, 0.02), 512 * MIB),
    (Conditions(125e6, 0.1, 2e6), 4096 * MIB),
    (Conditions(125e6, 0.02, 10e6, slow_minute=True), 16384 * MIB),
    (Conditions(1250e6, 0.02, 10e6), 16384 * MIB),
    (Conditions(1250e6, 0.3, 90e6), 16384 * MIB),
    (Conditions(1250e6, 0.1, 10e6, 50.0), 16384 * MIB),
)


@dataclass(frozen=True)
class Cell:
    line: Conditions
    size: int

    @property
    def ideal(self) -> float:
        """Seconds that no setting can beat."""
        part = choose_part_size(self.size)
        return self.size / min(self.line.rate, self.line.requests * 8 * part) + 2 * self.line.round_trip

    def __str__(self) -> str:
        line = self.line
        cap = "-" if line.per_connection == float("inf") else f"{line.per_connection / 1e6:g} MB/s"
        limit = "-" if line.requests == float("inf") else f"{line.requests:g}/s"
        slow = "slow minute" if line.slow_minute else "-"
        rate, trip = f"{line.rate * 8 / 1e6:g} Mb/s", f"{line.round_trip * 1000:g} ms"
        return f"{rate} | {trip} | {cap} | {limit} | {format_size(self.size)} | {slow}"


def cells(most: float) -> Iterator[Cell]:
    for rate, trip, cap, requests, size, slow in itertools.product(
        RATES, ROUND_TRIPS, CAPS, REQUESTS, SIZES, (False, True)
    ):
        if cap >= rate * 1e6 / 8 and cap != float("inf"):
            continue  # as without a cap
        cell = Cell(Conditions(rate * 1e6 / 8, trip, cap, requests, slow), size)
        if cell.ideal <= most and (not slow or cell.ideal >= 20):
            yield cell


def best_fixed(cell: Cell) -> tuple[Run, int, int]:
    """(run, slots, part size) of the best of nine settings around what the line needs by arithmetic."""
    line = cell.line
    needed = line.rate / line.one
    found = []
    sizes = {choose_part_size(cell.size), 5 * MIB, max(5 * MIB, min(64 * MIB, cell.size // 64))}
    for slots in sorted({min(CEILING, max(1, round(needed * times))) for times in (1.1, 2, 4)}):
        for part_size in sorted(sizes):
            most = min((run.seconds for run, _, _ in found), default=1e9) + 0.1
            found.append((simulate(line, cell.size, part_size, Fixed(slots), most_seconds=most), slots, part_size))
    return min(found, key=lambda item: item[0].seconds)


def adaptive(cell: Cell, known: LineState | None) -> tuple[Run, Controller, int]:
    controller = Controller(CEILING, known=known)
    controller.found_latency(cell.line.latency)
    part_size = choose_part_size(cell.size, line=controller.outlook())
    return simulate(cell.line, cell.size, part_size, controller), controller, part_size


def over_time(line: Conditions, size: int) -> dict[str, object]:
    """A cold transfer as it goes: [second, slots, bytes so far] ten times a second."""
    cell = Cell(line, size)
    run, _, part_size = adaptive(cell, None)
    return {"cell": str(cell), "rate": line.rate, "part_size": part_size, "samples": run.samples}


def shares(name: str, ratios: list[float]) -> None:
    if ratios:
        within = [f"{sum(ratio <= limit for ratio in ratios) / len(ratios):.0%}" for limit in (1.05, 1.1)]
        print(f"{name}: {len(ratios)} cells, within 5 % {within[0]}, 10 % {within[1]}, worst {max(ratios):.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--most", type=float, default=60.0, help="seconds of a cell's ideal time (default 60)")
    parser.add_argument("--every", type=int, default=1, help="only each n-th cell")
    parser.add_argument("--throttled", action="store_true", help="only cells whose server limits requests")
    parser.add_argument("--first", type=int, default=0, help="the first cell")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    print(
        "| link | round trip | a connection | requests | size | | best s | slots x part | cold | warm | 503 | slots |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    cold_all, warm_all, short, begun = [], [], [], time.monotonic()
    found: list[dict[str, object]] = []
    chosen = (cell for cell in cells(args.most) if not args.throttled or cell.line.requests < float("inf"))
    for cell in itertools.islice(chosen, args.first, None, args.every):
        best, slots, part_size = best_fixed(cell)
        cold, controller, _ = adaptive(cell, None)
        warm, last, _ = adaptive(cell, controller.state())
        ratios = cold.seconds / best.seconds, warm.seconds / best.seconds
        if cell.ideal >= 10:
            cold_all.append(ratios[0])
        else:
            short.append(cold.seconds <= 1.05 * best.seconds + 3 * cell.line.round_trip)
        warm_all.append(ratios[1])
        found.append({"cell": str(cell), "best": best.seconds, "cold": cold.seconds, "warm": warm.seconds})
        setting = f"{slots} x {format_size(part_size)}"
        away = f"{100 * warm.late_throttled:.1f} %" if cell.line.requests < float("inf") else "-"
        print(
            f"| {cell} | {best.seconds:.2f} | {setting} | {ratios[0]:.2f} | {ratios[1]:.2f} | {away} | {last.slots} |",
            flush=True,
        )
    shares("cold, from 10 s on", cold_all)
    shares("warm", warm_all)
    if short:
        print(f"cold, below 10 s: {len(short)} cells, within 5 % and three round trips {sum(short) / len(short):.0%}")
    if args.json is not None:
        args.json.write_text(json.dumps({"cells": found, "lines": [over_time(*line) for line in SIX_LINES]}))
    print(f"({time.monotonic() - begun:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
