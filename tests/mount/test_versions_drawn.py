"""Another client stores versions of two files while programs read, append, truncate, rename: none is mixed or lost."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.mount.conftest import Stored
from tests.mount.test_kernel_sizes import KIB, store
from tests.support.mounts import Mount

SEEDS = range(6)
STEPS = 120
MOST_READERS = 5
SIZES = (10, 100, 5000, 200 * KIB - 7, 400 * KIB)
KINDS = ("store", "store", "open", "open", "read", "read", "close", "append", "append", "replace", "stat", "rename")


@dataclass
class Reader:
    fd: int
    version: bytes
    place: int = 0


@dataclass
class Scene:
    """names: what is stored under each. A descriptor of the version that a program here changes sees the change."""

    mount: Mount
    stored: Stored
    draw: random.Random
    names: dict[str, bytes] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    written: bool = False
    """A program here has written: a reader of an older version may be cut off at the size of that."""

    def store(self, name: str) -> None:
        data = self.draw.randbytes(self.draw.choice(SIZES))
        if name not in self.names:
            (self.mount / name).write_bytes(b"")
        store(self.mount, self.stored, name, data)
        self.names[name] = data

    def open(self, name: str) -> None:
        if len(self.readers) < MOST_READERS:
            self.readers.append(Reader(os.open(self.mount / name, os.O_RDONLY), self.names[name]))

    def read(self, _: str) -> None:
        if not self.readers:
            return
        reader = self.draw.choice(self.readers)
        try:
            found = os.read(reader.fd, self.draw.choice((4 * KIB, 64 * KIB, 1024 * KIB)))
        except OSError as error:
            if error.errno != errno.ESTALE:  # it is gone, and was not read before
                raise
            return
        assert found == reader.version[reader.place : reader.place + len(found)]
        assert found or reader.place >= len(reader.version) or self.written
        reader.place += len(found)

    def close(self, _: str = "") -> None:
        if self.readers:
            os.close(self.readers.pop(self.draw.randrange(len(self.readers))).fd)

    def append(self, name: str, flags: int = 0) -> None:
        try:
            fd = os.open(self.mount / name, self.draw.choice((os.O_WRONLY, os.O_RDWR)) | os.O_APPEND | flags)
        except OSError as error:
            if error.errno != errno.ESTALE:  # a reader of an older version came to its end at that moment
                raise
            return
        data = b"" if flags else self.names[name]
        for number in range(self.draw.choice((1, 3))):
            piece = b"%d-%d;" % (len(data), number)
            os.write(fd, piece)
            data += piece
            if self.draw.random() < 0.5:
                os.fsync(fd)
            if self.draw.random() < 0.3:
                self.close()
            if self.draw.random() < 0.3:
                time.sleep(0.15)  # the kernel's attributes are no longer valid
            assert [os.fstat(fd).st_size, os.stat(self.mount / name).st_size] == [len(data)] * 2
        os.close(fd)
        for reader in self.readers:
            if reader.version is self.names[name]:
                reader.version = data
        self.names[name], self.written = data, True
        assert self.stored.get(name) == data

    def replace(self, name: str) -> None:
        self.append(name, os.O_TRUNC)

    def stat(self, name: str) -> None:
        time.sleep(self.draw.choice((0.0, 0.15)))
        os.stat(self.mount / name)

    def rename(self, name: str) -> None:
        other = "b" if name == "a" else "a"
        os.rename(self.mount / name, self.mount / other)
        self.names[other] = self.names.pop(name)
        assert self.stored.get(other) == self.names[other]


@pytest.mark.parametrize("seed", SEEDS)
def test_versions_of_two_files(new_mount: Callable[..., Mount], stored: Stored, seed: int) -> None:
    kept = ("-o", "attr_timeout=60,entry_timeout=60") if seed % 2 else ()
    scene = Scene(new_mount("--metadata-ttl", "0.1", *kept), stored, random.Random(seed))
    try:
        for _ in range(STEPS):
            kind, name = scene.draw.choice(KINDS), scene.draw.choice("ab")
            if kind == "store" or name in scene.names:
                getattr(scene, kind)(name)
    finally:
        while scene.readers:
            scene.close()
