"""The memory of all files that are written through one mount: counted, whatever many programs do."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from s3amfs.core.sizes import MIB
from s3amfs.engine import part_buffer
from s3amfs.engine.client import S3Client
from s3amfs.engine.part_buffer import PartBuffer
from s3amfs.mount.context import FILLED_BYTES, SENT_BYTES, Service, writer_memory
from s3amfs.mount.open_file import OpenFile
from s3amfs.mount.options import MountOptions
from s3amfs.mount.reader_pool import Readers
from tests.support.clients import client, state
from tests.support.files import content

__all__ = ["client", "state"]

FILES, SIZE = 60, 4 * MIB


@pytest.fixture
def service(client: S3Client, bucket: str, state: Path, tmp_path: Path) -> Service:
    options = MountOptions(spool_dir=str(tmp_path))
    return Service(client, client, bucket, options, writer_memory(options), Readers(2**20))


@pytest.fixture
def in_memory() -> Callable[[], int]:
    """Bytes of all parts that were made in the test, counted where they are."""
    old = buffers()
    return lambda: sum(len(each._memory) for each in buffers() if not any(each is other for other in old))


@pytest.fixture
def collected() -> Iterator[None]:
    """No garbage is collected in the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def buffers() -> list[PartBuffer]:
    return [each for each in gc.get_objects() if isinstance(each, PartBuffer)]


def open_paths() -> list[str]:
    with os.scandir("/proc/self/fd") as entries:
        return [os.readlink(entry.path) for entry in entries]


@contextmanager
def many_open(service: Service, count: int = FILES) -> Iterator[list[OpenFile]]:
    files = [OpenFile(service, f"k{number}", None, {}) for number in range(count)]
    yield files
    for file in files:
        file.close()


def test_many_files_that_are_filled_at_once_share_a_bound(service: Service, in_memory: Callable[[], int]) -> None:
    """Each takes less than a part, so nothing of them is sent before their close."""
    data = content(SIZE, 1)
    with many_open(service) as files:
        for at in range(0, SIZE, MIB):
            for file in files:
                file.write(data[at : at + MIB], at, 1)
            assert in_memory() <= FILLED_BYTES
        filling = service.memory.filling
        assert filling is not None
        assert filling.used == in_memory() > FILLED_BYTES - MIB, "it is used"
        for file in (files[0], files[FILES // 2], files[-1]):  # in memory, and in files
            assert file.publish()
            assert service.client.get(service.bucket, file.key)[1] == data
    assert (in_memory(), filling.used) == (0, 0)


def test_idle_files_that_have_all_the_memory_hold_up_nobody(service: Service, in_memory: Callable[[], int]) -> None:
    """A program may wait for another file before it writes on to its own: nobody waits for what it holds."""
    idle_bytes, data = FILLED_BYTES // 8, content(20 * MIB, 2)
    with many_open(service, 9) as files:
        *idle, busy = files
        for file in idle:
            file.write(bytes(idle_bytes), 0, 1)
        assert in_memory() == FILLED_BYTES
        for at in range(0, len(data), MIB):
            busy.write(data[at : at + MIB], at, 1)
            assert in_memory() <= FILLED_BYTES + SENT_BYTES
        assert busy.publish()
        assert service.client.get(service.bucket, busy.key)[1] == data


def test_what_finds_no_memory_is_changed_and_cut_like_the_rest(service: Service) -> None:
    with many_open(service, 9) as files:
        *idle, file = files
        for each in idle:
            each.write(bytes(FILLED_BYTES // 8), 0, 1)
        model = bytearray(content(2 * MIB, 3))
        file.write(bytes(model), 0, 1)
        file.write(b"header", 0, 1)
        model[:6] = b"header"
        file.resize(MIB + 5)
        del model[MIB + 5 :]
        file.write(b"more", MIB + 5, 1)
        model += b"more"
        assert b"".join(file.read(0, 2 * MIB)) == model
        assert file.publish()
        assert service.client.get(service.bucket, file.key)[1] == model


def test_its_files_are_in_the_spool_folder(service: Service, tmp_path: Path) -> None:
    with many_open(service, 1) as (file,):
        filling = service.memory.filling
        assert filling is not None and filling.take(FILLED_BYTES)
        file.write(b"x", 0, 1)
        assert [path for path in open_paths() if path.startswith(f"{tmp_path}/")], "the spool itself is in memory"
        filling.give(FILLED_BYTES)


def test_a_file_that_is_stored_gives_its_memory_back_at_once(
    service: Service, in_memory: Callable[[], int], collected: None
) -> None:
    """The transfer that has read its bytes is garbage, which may lie about for long."""
    data, filling = content(SIZE, 4), service.memory.filling
    assert filling is not None
    with many_open(service, 2) as files:
        for file in files:
            file.write(data, 0, 1)
            assert file.publish()
            assert (in_memory(), filling.used) == (0, 0), "sent while it was written"
            file.write(b"header", 0, 1)
            assert file.publish()
            assert (in_memory(), filling.used) == (0, 0), "sent from the spool"


def test_a_file_that_fails_gives_its_memory_back_at_once(
    service: Service, in_memory: Callable[[], int], collected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error refers to all that had part in it, and stays as long as the file is open."""
    filling = service.memory.filling
    assert filling is not None

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with many_open(service, 1) as (file,):
        file.write(bytes(SIZE), 0, 1)
        others = filling.limit - filling.used
        assert filling.take(others)
        with monkeypatch.context() as patch:
            patch.setattr(part_buffer, "write_all_at", fails)
            with pytest.raises(OSError, match="no space"):
                file.write(bytes(MIB), SIZE, 1)
        filling.give(others)
        assert (in_memory(), filling.used) == (0, 0)
