"""Writes a file on a mount, as a process of its own that can be killed: `python mount_job.py WAY SOURCE TARGET`.

What it does may be done again after any failure. Each way says what is there before, and ends in the content of
SOURCE. An error is one line on stderr and exit code 1.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

BLOCK = 1024 * 1024
CHANGES = 3


def old_content(way: str, source: Path, old: Path) -> bool:
    """Makes what `way` finds at its target; whether there is anything."""
    data = bytearray(source.read_bytes())
    if way == "over":
        data = bytearray(b"old" * 1000)
    elif way == "append":
        del data[len(data) // 2 :]
    elif way == "patch":
        for at in changed(len(data)):
            data[at : at + 10] = b"other byte"[: len(data) - at]
    else:
        return False
    old.write_bytes(data)
    return True


def changed(size: int) -> list[int]:
    """Where `patch` changes ten bytes."""
    draw = random.Random(size)
    return [draw.randrange(size) for _ in range(CHANGES)] if size else []


def write(way: str, source: Path, target: Path) -> None:
    data = memoryview(source.read_bytes())
    if way == "rename":
        beside = target.with_name(".k.part")
        _write_all(beside, os.O_TRUNC, data, range(0, len(data), BLOCK))
        os.utime(beside, (1_000_000_000, 1_000_000_000))
        os.chmod(beside, 0o600)
        os.rename(beside, target)
    elif way == "append":
        half = len(data) // 2
        _write_all(target, 0, data, range(half, len(data), BLOCK))
    elif way == "patch":
        _write_all(target, 0, data, changed(len(data)), size=10)
    elif way == "scattered":
        places = list(range(0, len(data), BLOCK))
        random.Random(len(data)).shuffle(places)
        _write_all(target, os.O_TRUNC, data, places, mode=os.O_RDWR)
    else:
        _write_all(target, os.O_TRUNC, data, range(0, len(data), BLOCK))


def _write_all(
    path: Path,
    flags: int,
    data: memoryview,
    places: range | list[int],
    *,
    size: int = BLOCK,
    mode: int = os.O_WRONLY,
) -> None:
    fd = os.open(path, mode | os.O_CREAT | flags, 0o644)
    try:
        for place in places:
            at, end = place, min(place + size, len(data))
            while at < end:
                at += os.pwrite(fd, data[at:end], at)
    finally:
        os.close(fd)


def main() -> int:
    way, source, target = sys.argv[1:]
    try:
        write(way, Path(source), Path(target))
    except OSError as error:
        print("error:", error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
