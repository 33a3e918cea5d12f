"""`python -m benchmarks.oracle`: the best that any choice of one part size can do on lines that look alike at first.

Parts are cut before the first byte moves; of a new line only the round trip and the object's size are known then. For
all simulated lines with the same round trip (`benchmarks.pacing`) each part size gets the best number of slots from the
first second on, as if somebody had said it, and its time is divided by that of the best part size for that line. The
least of the worst ratios is a bound: no controller that cuts equal parts at first is better on all of these lines.
"""

from __future__ import annotations

import argparse
import sys

from s3amfs.core.sizes import format_size, parse_size

from .pacing import CEILING, MIB, Cell, cells
from .simulated_line import Fixed, simulate

PARTS = (5, 8, 12, 17, 24, 32, 48, 64)
"""MiB."""


def best(cell: Cell, part_size: int) -> float:
    """Seconds with the best of three numbers of slots."""
    needed = cell.line.rate / cell.line.one
    slots = sorted({min(CEILING, max(1, round(needed * times))) for times in (1.1, 2, 4)})
    found = float("inf")
    for number in slots:
        run = simulate(cell.line, cell.size, part_size, Fixed(number), most_seconds=min(found, 1e6) + 0.1)
        found = min(found, run.seconds)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oracle", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=16384 * MIB, help="of the object (default 16GiB)")
    parser.add_argument("--round-trip", type=float, default=20.0, help="milliseconds (default 20)")
    parser.add_argument("--most", type=float, default=60.0, help="seconds of a cell's ideal time (default 60)")
    args = parser.parse_args()
    alike = [
        cell
        for cell in cells(args.most)
        if cell.size == args.size and cell.line.round_trip == args.round_trip / 1000 and not cell.line.slow_minute
    ]
    print("| link | a connection | requests | best s | " + " | ".join(f"{part} MiB" for part in PARTS) + " |")
    print("|---" * (4 + len(PARTS)) + "|")
    worst = [0.0] * len(PARTS)
    for cell in alike:
        times = [best(cell, part * MIB) for part in PARTS]
        ratios = [time / min(times) for time in times]
        worst = [max(pair) for pair in zip(worst, ratios, strict=True)]
        rate, _, cap, requests, *_ = str(cell).split(" | ")
        row = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {rate} | {cap} | {requests} | {min(times):.2f} | {row} |", flush=True)
    print("| worst | | | | " + " | ".join(f"{ratio:.2f}" for ratio in worst) + " |")
    least = min(worst)
    part = PARTS[worst.index(least)]
    alike_text = f"{len(alike)} lines of {args.round_trip:g} ms, {format_size(args.size)}"
    print(f"{alike_text}: no part size is better than {least:.2f} on all of them ({part} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
