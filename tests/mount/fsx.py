"""Random operations on a file of a mount, compared with the same operations on a local file (after fsx).

    python -m tests.mount.fsx MOUNTED_DIRECTORY --operations 5000 --seed 1

Every read is compared at once, and the whole file after every reopening, by content, size and modification.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
MOST = 16 * MIB
"""Bytes of the file: several parts, so that changes of a large object are patches."""
SMALL = 128 * 1024


class Differs(AssertionError):
    """The file of the mount is not what the same operations made of the local one."""


class Exerciser:
    """remount: called now and then while nothing is open; None: never."""

    def __init__(self, file: Path, oracle: Path, seed: int, remount: Callable[[], None] | None = None) -> None:
        self.files = [file, oracle]
        self.how = random.Random(seed)
        self.remount = remount
        self.done = 0
        self.log: list[str] = []
        for path in self.files:
            path.write_bytes(b"")
        self.fds: list[int] = []
        self.reopen()

    def run(self, operations: int) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self.write),
            (30, self.read),
            (6, self.append),
            (6, self.truncate),
            (4, self.mapped_write),
            (6, self.mapped_read),
            (3, self.sync),
            (3, self.reopen),
            (1, self.rewrite),
            (1, self.rename),
            (1, self.again),
        ]
        weights = [weight for weight, _ in actions]
        try:
            while self.done < operations:
                self.done += 1
                self.how.choices([action for _, action in actions], weights)[0]()
            self.close()
        except Differs as error:
            raise Differs(f"{error}; last operations: {self.log[-12:]}") from None

    # -- operations -------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return os.fstat(self.fds[1]).st_size

    def _data(self, size: int) -> bytes:
        return self.how.randbytes(size)

    def _length(self) -> int:
        return self.how.choice((1, 100, 4096, self.how.randrange(1, SMALL), self.how.randrange(1, MIB)))

    def _note(self, *words: object) -> None:
        self.log.append(" ".join(map(str, words)))

    def write(self) -> None:
        offset = self.how.randrange(0, min(self.size + SMALL, MOST))
        data = self._data(min(self._length(), MOST - offset))
        self._note("write", offset, len(data))
        for fd in self.fds:
            view, at = memoryview(data), offset
            while view:
                written = os.pwrite(fd, view, at)
                view, at = view[written:], at + written

    def append(self) -> None:
        data = self._data(min(self._length(), max(0, MOST - self.size)))
        self._note("append", len(data))
        for path in self.files:
            with open(path, "ab") as file:
                file.write(data)

    def truncate(self) -> None:
        size = self.how.choice((0, self.how.randrange(0, self.size + 1), self.how.randrange(0, MOST)))
        self._note("truncate", size)
        for fd in self.fds:
            os.ftruncate(fd, size)

    def read(self) -> None:
        offset, length = self.how.randrange(0, self.size + 10), self._length()
        self._note("read", offset, length)
        ours, theirs = (os.pread(fd, length, offset) for fd in self.fds)
        if ours != theirs:
            raise Differs(f"read of {length} bytes at {offset} differs{_where(ours, theirs)}")

    def mapped_read(self) -> None:
        if not self.size:
            return
        offset = self.how.randrange(0, self.size)
        self._note("mapped read", offset)
        found = []
        for fd in self.fds:
            with mmap.mmap(fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ) as view:
                found.append(view[offset : offset + SMALL])
        if found[0] != found[1]:
            raise Differs(f"mapped read at {offset} differs{_where(*found)}")

    def mapped_write(self) -> None:
        if not self.size:
            return
        offset = self.how.randrange(0, self.size)
        data = self._data(min(self._length(), self.size - offset))
        self._note("mapped write", offset, len(data))
        for fd in self.fds:
            with mmap.mmap(fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as view:
                view[offset : offset + len(data)] = data
                view.flush()

    def sync(self) -> None:
        self._note("fsync")
        for fd in self.fds:
            os.fsync(fd)

    def reopen(self) -> None:
        self._note("reopen")
        self.close()
        self.fds = [os.open(path, os.O_RDWR) for path in self.files]

    def rewrite(self) -> None:
        """A new content, in order, as a copy would write it."""
        self._note("rewrite")
        self.close()
        data = self._data(self.how.choice((0, 10, SMALL, self.how.randrange(0, MOST))))
        for path in self.files:
            path.write_bytes(data)
        self.reopen()

    def rename(self) -> None:
        self._note("rename")
        self.close()
        for path in self.files:
            other = path.with_name(path.name + ".moved")
            path.rename(other)
            other.rename(path)
        self.reopen()

    def again(self) -> None:
        if self.remount is None:
            return
        self._note("remount")
        self.close()
        self.remount()
        self.reopen()

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        ours, theirs = (path.read_bytes() for path in self.files)
        if ours != theirs:
            raise Differs(f"after the close: {len(ours)} bytes, expected {len(theirs)}{_where(ours, theirs)}")


def _where(ours: bytes, theirs: bytes) -> str:
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    return f" (first at byte {place} of {len(ours)} and {len(theirs)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--operations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    oracle = Path(f"/dev/shm/fsx-oracle-{os.getpid()}")
    try:
        Exerciser(args.directory / f"fsx-{args.seed}", oracle, args.seed).run(args.operations)
    finally:
        oracle.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
