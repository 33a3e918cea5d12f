"""Keys as people name them: ten thousand of each kind."""

from __future__ import annotations

import random


def uniform(draw: random.Random) -> list[str]:
    return [f"{draw.getrandbits(128):032x}" for _ in range(10_000)]


def numbered(_draw: random.Random) -> list[str]:
    return [f"p/object-{number:09d}.bin" for number in range(10_000)]


def unpadded(_draw: random.Random) -> list[str]:
    return [f"run-{number}.csv" for number in range(10_000)]


def dated(_draw: random.Random) -> list[str]:
    return [
        f"logs/2026-{d // 28 + 1:02d}-{d % 28 + 1:02d}/h{h:02d}/{n}.gz"
        for d in range(84)
        for h in range(24)
        for n in range(5)
    ]


def clustered(draw: random.Random) -> list[str]:
    return [f"{name}/{int(draw.expovariate(1) * 1e6):09d}" for name in ("a", "b", "m", "zz") for _ in range(2500)]


DISTRIBUTIONS = (uniform, numbered, unpadded, dated, clustered)
