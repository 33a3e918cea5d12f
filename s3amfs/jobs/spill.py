"""Sorts more records than should be in memory: runs on disk, merged. For listings that come in another order."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeVar

T = TypeVar("T")
RUN_RECORDS = 50_000
"""Records of a tree's entries that take about 20 MB of memory."""
CHUNK = 500
"""Records read from a run at a time."""


def sorted_by(records: Iterable[T], key: Callable[[T], bytes], run_records: int = RUN_RECORDS) -> Iterator[T]:
    """`records` in the order of `key`, stable, with at most about two runs' worth in memory.

    The runs are unlinked temporary files. Raises OSError where there is no room for them.
    """
    files: list[IO[bytes]] = []
    run: list[T] = []
    try:
        for record in records:
            run.append(record)
            if len(run) >= run_records:
                files.append(_write(sorted(run, key=key)))
                run = []
        run.sort(key=key)
        if not files:
            yield from run
            return
        yield from heapq.merge(*(_read(file) for file in files), run, key=key)
    finally:
        for file in files:
            file.close()


def _write(run: list[T]) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="s3am-")  # noqa: SIM115 - closed by its reader
    for at in range(0, len(run), CHUNK):
        pickle.dump(run[at : at + CHUNK], file, protocol=pickle.HIGHEST_PROTOCOL)
    file.flush()
    return file


def _read(file: IO[bytes]) -> Iterator[T]:
    file.seek(0)
    while True:
        try:
            chunk = pickle.load(file)
        except EOFError:
            return
        yield from chunk
