"""The readers of a mount share one memory; what was read is there for the next opening of that version."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.mount import reader_pool
from s3amfs.mount.reader_pool import LEAST_READER_BYTES, READER_BYTES, Readers
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import ObjectInfo


def pinned(etag: str, version: str | None = None) -> Pinned:
    client: Any = None
    return Pinned(client, S3Location("b", "k"), ObjectInfo(size=9, etag=etag, version_id=version))


class Reader:
    """Stands in for ObjectReader."""

    def __init__(self, pinned: Pinned, **_: object) -> None:
        self.pinned, self.holds_any, self.wrong = pinned, True, None
        self.ends: list[str] = []

    def rest(self) -> None:
        self.ends.append("rest")

    def close(self) -> None:
        self.ends.append("close")
        self.holds_any = False


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(reader_pool, "ObjectReader", Reader)
    return Readers(64 * 2**20)


def test_the_same_version_has_the_same_reader_again(readers: Any) -> None:
    first = readers.open(pinned("1"))
    other = readers.open(pinned("2"))
    readers.close(first)
    assert readers.open(pinned("1", "v")) is not first
    assert readers.open(pinned("1")) is first
    assert first is not other
    assert first.ends == ["rest"]


def test_two_readers_of_one_version_leave_one(readers: Any) -> None:
    first, second = readers.open(pinned("1")), readers.open(pinned("1"))
    readers.close(first)
    readers.close(second)
    assert first.ends == ["rest", "close"]
    assert readers.open(pinned("1")) is second


def test_one_that_was_found_wrong_is_read_again(readers: Any) -> None:
    reader = readers.open(pinned("1"))
    reader.wrong = Exception()
    readers.close(reader)
    assert reader.ends == ["close"]
    assert readers.open(pinned("1")) is not reader


def test_idle_readers_without_memory_are_dropped(readers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_pool, "MOST_IDLE", 2)
    idle = [readers.open(pinned(str(number))) for number in range(4)]
    for reader in idle[:2]:
        readers.close(reader)
    idle[0].holds_any = False
    readers.close(idle[2])
    assert "close" in idle[0].ends
    readers.close(idle[3])
    assert "close" in idle[1].ends


def test_what_each_may_fetch_ahead_is_a_share_of_the_half(readers: Any) -> None:
    assert readers.share == READER_BYTES
    for number in range(4):
        readers.open(pinned(str(number)))
    assert readers.share == 8 * 2**20
    for number in range(10_000):
        readers.open(pinned(f"more{number}"))
    assert readers.share == LEAST_READER_BYTES
