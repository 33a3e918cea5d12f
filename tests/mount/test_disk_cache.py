"""`--cache-dir`: what was read once is not fetched again, by other mounts, after a restart and after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3amfs.core.block_cache import BLOCK
from s3amfs.engine.block_store import BlockStore
from s3amfs.errors import ChecksumMismatch
from s3amfs.mount.disk_cache import cut, name_of, read_through
from tests.mount.conftest import Stored
from tests.support.files import content
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


# -- decisions -------------------------------------------------------------------------------------------------------


def pinned(**changes: Any) -> Any:
    info = SimpleNamespace(strong_etag="e", customer_key_md5=None, version_id=None, size=3 * BLOCK + 5)
    given = {"customer_key": None, "uses_tls": True, "crc": None, **changes}
    for name in ("strong_etag", "customer_key_md5"):
        if name in given:
            setattr(info, name, given.pop(name))
    crc = given.pop("crc")
    session = SimpleNamespace(endpoint_id=lambda bucket: "https://s3")
    where = SimpleNamespace(bucket="b", key="k")
    client, proof = SimpleNamespace(session=session), SimpleNamespace(crc_name=crc)
    return SimpleNamespace(info=info, location=where, client=client, proof=proof, **given)


def test_what_may_be_kept() -> None:
    assert name_of(pinned()) is not None
    assert name_of(pinned(uses_tls=False, crc="crc64nvme")) is not None
    assert name_of(pinned(uses_tls=False)) is None
    assert name_of(pinned(strong_etag=None)) is None
    assert name_of(pinned(customer_key=object())) is None
    assert name_of(pinned(customer_key_md5="m")) is None


def test_pieces_are_cut_without_a_copy() -> None:
    assert b"".join(cut([b"abc", b"", b"defg", b"hi"], 2, 8)) == b"cdefgh"
    assert cut([b"abc"], 3, 3) == []
    whole = b"abc"
    assert cut([whole], 0, 3)[0] is whole


class Reader:
    def __init__(self, wrong: bool = False) -> None:
        self.pinned, self.size, self.wrong = pinned(), 3 * BLOCK + 5, wrong
        self.counted: list[tuple[int, int]] = []

    def count_as_read(self, start: int, data: bytes, crc: int) -> None:
        self.counted.append((start, len(data)))
        if self.wrong:
            raise ChecksumMismatch("wrong")


def test_only_what_is_missing_is_fetched(tmp_path: Path) -> None:
    data = content(3 * BLOCK + 5, 1)
    store = BlockStore(str(tmp_path), 64 * MIB, pytest.fail)
    asked: list[tuple[int, int]] = []

    def fetch(offset: int, size: int) -> list[bytes | memoryview]:
        asked.append((offset, size))
        return [data[offset : offset + size]]

    def read(reader: Any, offset: int, size: int) -> bytes:
        return b"".join(read_through(store, reader, offset, size, fetch))

    reader: Any = Reader()
    assert read(reader, BLOCK + 3, 10) == data[BLOCK + 3 : BLOCK + 13]
    assert asked == [(BLOCK, BLOCK)]
    assert read(reader, 7, 10**9) == data[7:]
    assert asked[1:] == [(0, BLOCK), (2 * BLOCK, BLOCK + 5)]
    assert reader.counted == [(BLOCK, BLOCK)]
    assert read(reader, 0, 3 * BLOCK) == data[: 3 * BLOCK]
    assert read(reader, 3 * BLOCK + 5, 10) == b""
    assert asked[3:] == [(3 * BLOCK + 5, 10)]  # beyond the end: nothing of it is kept
    with pytest.raises(ChecksumMismatch):
        read(Reader(wrong=True), 0, 10)
    assert read(Reader(), 0, 10) == data[:10]
    assert asked[-1] == (0, BLOCK)


# -- through the kernel ----------------------------------------------------------------------------------------------


def test_other_mounts_and_the_next_daemon_fetch_nothing(
    new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored, tmp_path: Path
) -> None:
    options = ("--cache-dir", tmp_path / "blocks", "--cache-disk", "64M")
    data = content(9 * MIB + 1234, 7)
    stored.put("k", data)
    first = new_mount(*options, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert (first / "k").read_bytes() == data
    fetched = proxy.count("GetRange")
    second = new_mount(*options, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert (second / "k").read_bytes() == data
    second.kill()
    second.mount()
    assert (second / "k").read_bytes() == data
    assert proxy.count("GetRange") == fetched
    stored.put("k", data[::-1])
    first.remount()
    assert (first / "k").read_bytes() == data[::-1]


def test_a_damaged_block_is_fetched_again(
    new_mount: Callable[..., Mount], proxy: FaultProxy, stored: Stored, tmp_path: Path
) -> None:
    data = content(2 * MIB, 8)
    stored.put("k", data)
    mount = new_mount("--cache-dir", tmp_path / "blocks", env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert (mount / "k").read_bytes() == data
    fetched = proxy.count("GetRange")
    file = next(path for path in (tmp_path / "blocks").rglob("*.0"))
    descriptor = os.open(file, os.O_WRONLY)
    os.pwrite(descriptor, b"damage", 4096 + 5 * BLOCK)
    os.close(descriptor)
    for expected in (1, 1):
        mount.remount()
        assert (mount / "k").read_bytes() == data
        assert proxy.count("GetRange") == fetched + expected
