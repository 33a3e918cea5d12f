"""`python -m benchmarks.charts FIGURES.json FOLDER`: charts of what `benchmarks.pacing --json FIGURES.json` has found.

`grid.svg`: the time of each cell as a multiple of the best fixed setting's, cold and warm. `lines.svg`: slots and
goodput over time for six lines, and the part size that was chosen. Needs matplotlib (extra `bench`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
MOST_RATIO = 2.0


def grid(figures: dict[str, Any], path: Path) -> None:
    """Every cell: the best setting's time against the multiple of it."""
    plot = _pyplot()
    figure, axes = plot.subplots(figsize=(8, 4), layout="constrained")
    for name, marker in (("cold", "o"), ("warm", "x")):
        shown = [(cell["best"], cell[name] / cell["best"]) for cell in figures["cells"]]
        axes.scatter(*zip(*shown, strict=True), s=14, marker=marker, label=name, alpha=0.7)
    for limit in (1.05, 1.1):
        axes.axhline(limit, color="grey", linewidth=0.6, linestyle="--")
    axes.set(xscale="log", xlabel="best fixed setting, seconds", ylabel="times that", ylim=(0.7, MOST_RATIO))
    axes.set_title(f"{len(figures['cells'])} simulated lines: the controller beside the best of nine settings")
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def lines(figures: dict[str, Any], path: Path) -> None:
    """Six lines over time: slots on the left axis, goodput as a share of the line's rate on the right one."""
    plot = _pyplot()
    figure, places = plot.subplots(3, 2, figsize=(10, 8), layout="constrained")
    for axes, line in zip(places.flat, figures["lines"], strict=True):
        samples = line["samples"]
        seconds = [sample[0] for sample in samples]
        axes.step(seconds, [sample[1] for sample in samples], color="tab:blue", where="post")
        axes.set_ylabel("slots", color="tab:blue")
        axes.set_ylim(bottom=0)
        share = [_rate(samples, index) / line["rate"] for index in range(len(samples))]
        right = axes.twinx()
        right.plot(seconds, share, color="tab:orange", linewidth=0.9)
        right.set_ylim(0, 1.1)
        right.set_ylabel("share of the line", color="tab:orange")
        axes.set_title(f"{line['cell']}\nparts of {line['part_size'] // MIB} MiB", fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def _rate(samples: list[list[float]], index: int) -> float:
    """Bytes per second over the half second before a sample."""
    before = max(0, index - 5)
    elapsed = samples[index][0] - samples[before][0]
    return (samples[index][2] - samples[before][2]) / elapsed if elapsed else 0.0


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "s3amfs"  # the same file from the same figures
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot

    return matplotlib.pyplot


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charts", description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    figures = json.loads(args.figures.read_text())
    args.folder.mkdir(parents=True, exist_ok=True)
    grid(figures, args.folder / "grid.svg")
    lines(figures, args.folder / "lines.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
