"""`cat_ranges`: many ranges of one or more objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..objects.ranges import read_ranges
from .bridge import run

if TYPE_CHECKING:
    from ..core.locations import S3Location
    from .base import EngineFileSystem

Limit = int | None


def limits(start: Limit, end: Limit, size: int) -> tuple[int, int]:
    """[first, last) in the sense of Python slices."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


async def cat_ranges(fs: EngineFileSystem, paths: list[str], starts: Any, ends: Any, on_error: str) -> list[Any]:
    """Each range in the order asked for; those of one object share connections, requests and its version."""
    starts = starts if isinstance(starts, Iterable) else [starts] * len(paths)
    ends = ends if isinstance(ends, Iterable) else [ends] * len(paths)
    wanted: dict[str, list[tuple[int, Limit, Limit]]] = {}
    for index, (path, start, end) in enumerate(zip(paths, starts, ends, strict=True)):
        wanted.setdefault(path, []).append((index, start, end))
    results: list[Any] = [None] * len(paths)

    async def one(path: str, ranges: list[tuple[int, Limit, Limit]]) -> None:
        try:
            data = await _of_one(fs, path, [(start, end) for _, start, end in ranges])
        except Exception as error:
            if on_error != "return":
                raise
            data = [error] * len(ranges)
        for (index, _, _), piece in zip(ranges, data, strict=True):
            results[index] = piece

    await asyncio.gather(*(one(path, ranges) for path, ranges in wanted.items()))
    return results


async def _of_one(fs: EngineFileSystem, path: str, ranges: list[tuple[Limit, Limit]]) -> list[Any]:
    if len(ranges) == 1:
        return [await fs._cat_file(path, start=ranges[0][0], end=ranges[0][1])]
    await fs.ready_client()
    location = fs.location(path)
    return await run(lambda: _read(fs, location, ranges))


def _read(fs: EngineFileSystem, location: S3Location, ranges: list[tuple[Limit, Limit]]) -> list[bytes]:
    pinned = fs.pinned(location)
    return read_ranges(pinned, [limits(start, end, pinned.info.size) for start, end in ranges])
