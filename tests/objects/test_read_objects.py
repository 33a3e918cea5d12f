"""`ObjectReader` before a server: exact ranges, readers that share a memory, trouble on the way, one version only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import AccessDenied, ChecksumMismatch, SourceChanged, TransferError
from s3amfs.objects.piece_cache import ReadMemory
from s3amfs.objects.pieces import Block
from s3amfs.objects.ranges import Pinned
from s3amfs.objects.reader import ObjectReader
from tests.support.faults import Recorded, Rule, error, flip, reset, stall, truncate
from tests.support.files import content
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 24 * MIB
DATA = content(SIZE, 3)


@pytest.fixture
def pinned(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> Iterator[Pinned]:
    boto.put_object(Bucket=bucket, Key="k", Body=DATA)
    yield pin(through, bucket, "k")
    proxy.rules.clear()


def pin(client: S3Client, bucket: str, key: str) -> Pinned:
    return Pinned(client, S3Location(bucket, key), client.head(bucket, key))


def moved(proxy: FaultProxy) -> int:
    return sum(request.response_length for request in proxy.of("GetRange"))


def is_from(request: Recorded, offset: int) -> bool:
    return request.headers.get("range", "").startswith(f"bytes={offset}-")


def test_random_reads_move_what_they_ask_for(pinned: Pinned, proxy: FaultProxy) -> None:
    reader, draw, asked = ObjectReader(pinned), random.Random(5), 0
    for _ in range(30):
        at, size = draw.randrange(MIB, SIZE), draw.choice((1, 4096, 100_000))
        assert reader.pread(at, size) == DATA[at : at + size]
        asked += len(DATA[at : at + size])
    reader.close()
    assert moved(proxy) == asked


def test_forward_readers_at_once_fetch_everything_once(pinned: Pinned, proxy: FaultProxy) -> None:
    memory = ReadMemory(64 * MIB, keeps=True)
    reader = ObjectReader(pinned, limit=8 * MIB, memory=memory)

    def read(step: int) -> bool:
        return all(reader.pread(at, step) == DATA[at : at + step] for at in range(0, SIZE, step))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, (MIB, 300_000, MIB, 128 * 1024)))
    assert moved(proxy) == SIZE
    reader.close()
    assert memory.held == 0


def test_a_memory_is_never_exceeded_and_what_is_read_goes_first(
    through: S3Client, boto: Any, bucket: str, pinned: Pinned, proxy: FaultProxy
) -> None:
    limit = 10 * MIB
    memory = ReadMemory(limit, keeps=True)
    readers = [ObjectReader(pinned, limit=MIB, memory=memory)]
    for number in range(3):
        boto.put_object(Bucket=bucket, Key=f"k{number}", Body=DATA)
        readers.append(ObjectReader(pin(through, bucket, f"k{number}"), limit=MIB, memory=memory))
    for at in range(0, SIZE, MIB // 2):
        for reader in readers:
            assert reader.pread(at, MIB // 2) == DATA[at : at + MIB // 2]
            assert memory.held <= limit
    assert memory.held > limit // 2
    assert moved(proxy) == len(readers) * SIZE
    before = moved(proxy)
    assert readers[0].pread(SIZE - MIB, MIB) == DATA[-MIB:]
    assert moved(proxy) == before  # the end is still there
    for reader in readers:
        reader.close()
    assert memory.held == 0


def test_trouble_is_tried_again(pinned: Pinned, proxy: FaultProxy) -> None:
    proxy.rules += [
        Rule("GetRange", error(503, "SlowDown"), nth=1),
        Rule("GetRange", reset("response_body", after=1000), nth=3),
        Rule("GetRange", truncate(5000), nth=5),
    ]
    reader = ObjectReader(pinned)
    assert b"".join(reader.pread(at, MIB) for at in range(0, SIZE, MIB)) == DATA
    reader.close()


@pytest.mark.parametrize(("offset", "size"), [(SIZE // 2, MIB), (MIB, SIZE)])
def test_a_replaced_object_is_not_mixed_in(pinned: Pinned, boto: Any, bucket: str, offset: int, size: int) -> None:
    reader = ObjectReader(pinned, limit=MIB)
    assert reader.pread(0, MIB) == DATA[:MIB]
    boto.put_object(Bucket=bucket, Key="k", Body=content(SIZE, 4))
    with pytest.raises(SourceChanged):
        reader.pread(offset, size)
    reader.close()


@pytest.mark.parametrize("size", [10, SIZE])
def test_closing_frees_who_waits(pinned: Pinned, proxy: FaultProxy, size: int) -> None:
    proxy.rules.append(Rule("GetRange", stall("before_response", seconds=60)))
    reader = ObjectReader(pinned)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.pread, 0, size)
        assert proxy.wait_for(lambda: any(request.kind == "GetRange" for request in proxy.requests))
        reader.close()
        with pytest.raises(TransferError):
            waiting.result(timeout=20)


def test_large_reads_use_what_is_there_and_fetch_the_rest_once(pinned: Pinned, proxy: FaultProxy) -> None:
    memory = ReadMemory(64 * MIB, keeps=True)
    reader = ObjectReader(pinned, limit=MIB, memory=memory)
    for at in (MIB + 5, 10 * MIB, 15 * MIB + 1):
        assert reader.pread(at, MIB) == DATA[at : at + MIB]
    assert reader.pread(3, SIZE) == DATA[3:]
    assert reader.pread(3, SIZE) == DATA[3:]
    assert moved(proxy) == 2 * (SIZE - 3) - 3 * MIB
    assert reader.pread(SIZE - 1, SIZE) == DATA[-1:]
    reader.close()
    assert memory.held == 0


def test_a_large_read_hands_on_what_was_read_ahead(pinned: Pinned, proxy: FaultProxy) -> None:
    reader = ObjectReader(pinned)
    assert b"".join(reader.pread(at, 9 * MIB) for at in range(0, SIZE, 9 * MIB)) == DATA
    reader.close()
    assert moved(proxy) == SIZE


def test_the_step_after_a_large_read_is_fetched_to_its_place(pinned: Pinned, proxy: FaultProxy) -> None:
    memory = ReadMemory(64 * MIB)
    reader, step = ObjectReader(pinned, memory=memory), 8 * MIB
    assert reader.pread(0, step) + reader.pread(step, step) == DATA[: 2 * step]
    assert reader.buffers(2 * step, step) == [DATA[2 * step :]], "in one piece, so that joining it is no copy"
    assert (moved(proxy), memory.held) == (SIZE, 0)
    reader.close()


def test_what_was_fetched_for_a_large_step_serves_other_reads_too(pinned: Pinned, proxy: FaultProxy) -> None:
    reader, step = ObjectReader(pinned), 8 * MIB
    reader.pread(0, step)
    reader.pread(step, step)
    for at in (2 * step + 5, 3 * step - 5000, 2 * step):
        assert reader.pread(at, 1000) == DATA[at : at + 1000]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda at: reader.pread(at, MIB) == DATA[at : at + MIB], range(2 * step, SIZE, MIB)))
    assert moved(proxy) == SIZE
    reader.close()


def test_trouble_with_what_is_fetched_for_a_large_step(pinned: Pinned, proxy: FaultProxy) -> None:
    reader, step = ObjectReader(pinned), 8 * MIB
    reader.pread(0, step)
    proxy.rules.append(Rule(lambda request: is_from(request, 2 * step), error(403, "AccessDenied")))
    assert reader.pread(step, step) == DATA[step : 2 * step]
    with pytest.raises(AccessDenied):
        reader.pread(2 * step, step)
    proxy.rules.clear()
    assert reader.pread(2 * step, step) == DATA[2 * step :], "nobody uses what failed again"
    reader.close()


def test_what_failed_while_nobody_waited_is_fetched_again(pinned: Pinned, proxy: FaultProxy) -> None:
    reader, step = ObjectReader(pinned), 8 * MIB
    reader.pread(0, step)
    proxy.rules.append(Rule(lambda request: is_from(request, 2 * step), error(403, "AccessDenied"), nth=1))
    reader.pread(step, step)
    [block] = reader._pieces
    assert isinstance(block, Block)
    with pytest.raises(AccessDenied):
        block._transfer.wait()
    assert reader.pread(2 * step, step) == DATA[2 * step :]
    reader.close()


def test_closing_cuts_what_is_fetched_for_a_large_step(pinned: Pinned, proxy: FaultProxy) -> None:
    memory = ReadMemory(64 * MIB)
    reader, step = ObjectReader(pinned, memory=memory), 8 * MIB
    reader.pread(0, step)
    proxy.rules.append(Rule(lambda request: is_from(request, 2 * step), stall("before_response", seconds=60)))
    reader.pread(step, step)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.pread, 2 * step, step)
        assert proxy.wait_for(lambda: any(is_from(request, 2 * step) for request in proxy.requests))
        reader.close()
        with pytest.raises(TransferError):
            waiting.result(timeout=20)
    assert memory.held == 0


def test_a_large_read_is_proved(pinned: Pinned, proxy: FaultProxy) -> None:
    """Whatever makes up the whole: large reads, small ones, pieces that were read ahead."""
    proxy.rules.append(Rule("GetRange", flip("response", 12345), nth=3))
    reader = ObjectReader(pinned)
    with pytest.raises(ChecksumMismatch):
        for at, size in ((0, 9 * MIB), (9 * MIB, MIB), (10 * MIB, 14 * MIB)):
            reader.pread(at, size)
    with pytest.raises(ChecksumMismatch):
        reader.pread(0, 9 * MIB)
    reader.close()


@pytest.mark.parametrize("trouble", [error(503, "SlowDown"), reset("response_body", after=1000), truncate(5000)])
def test_trouble_in_a_large_read(pinned: Pinned, proxy: FaultProxy, trouble: Any) -> None:
    proxy.rules += [Rule("GetRange", trouble, nth=1), Rule("GetRange", trouble, nth=3)]
    reader = ObjectReader(pinned)
    assert reader.pread(0, SIZE) == DATA
    reader.close()


@pytest.mark.parametrize("ending", ["stopped", "failed", "whole"])
def test_no_view_is_out_once_a_block_has_ended(pinned: Pinned, proxy: FaultProxy, ending: str) -> None:
    """The garbage collector may find the room of a block first; it cannot close it while views of it are out."""
    if ending != "whole":
        proxy.rules.append(
            Rule("GetRange", stall("response_body") if ending == "stopped" else error(403, "AccessDenied"))
        )
    block = Block(pinned, 0, 12 * MIB)
    pieces = [piece for _, piece in block._pieces]
    if ending == "stopped":
        block.stop()
    if ending == "whole":
        block.wait()
    else:
        with pytest.raises((AccessDenied, TransferError)):
            block.wait()
    for view in (*pieces, block._view):
        with pytest.raises(ValueError, match="released"):
            view.tobytes()
    block._room.close()
