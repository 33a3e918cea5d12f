"""10,000 single bits flipped on the data path, without a network: not one goes unnoticed.

Uploads: the encoded body as it leaves (content, framing and trailer), taken apart as an S3 server does. Downloads: the
bytes as they reach the sink, compared as `download` does. Each flip is one drawn bit, and every bit of the framing.
"""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest

from s3amfs.core.checksums import Crc, combine, encode
from s3amfs.core.parts import Part, Plan
from s3amfs.engine.part_buffer import PartBuffer
from s3amfs.engine.part_problem import PartProblem
from s3amfs.engine.sinks import FileSink
from s3amfs.engine.sources import MemorySource
from s3amfs.engine.upload_body import PartChecks, UploadBody
from s3amfs.wire.messages import Reply
from tests.support.files import content

LENGTH = 4096 + 17
READ = 1000
FLIPS = 2500


def encoded(data: bytes, algorithm: str) -> bytes:
    """What leaves for a part of `data`."""
    source = MemorySource()
    source.put(1, PartBuffer(data))
    part = Part(1, 0, len(data))
    body = UploadBody(source.reader(part), 1, len(data), PartChecks(trailer=algorithm, crc=algorithm))
    pieces = []
    while piece := body.read(READ):
        assert isinstance(piece, bytes)
        pieces.append(piece)
    return b"".join(pieces)


def accepted(raw: bytes, length: int, algorithm: str) -> bytes | None:
    """The content that a server would store; None if it would refuse: AWS, "SigV4 trailing headers"."""
    head, _, rest = raw.partition(b"\r\n")
    try:
        size = int(head, 16)
    except ValueError:
        return None
    data, rest = rest[:size], rest[size:]
    name = f"x-amz-checksum-{algorithm}:".encode()
    if size != length or len(data) != size or not rest.startswith(b"\r\n0\r\n" + name) or rest[-4:] != b"\r\n\r\n":
        return None
    running = Crc(algorithm)
    running.update(data)
    return data if rest[5 + len(name) : -4] == running.base64.encode() else None


def flipped(raw: bytes, bit: int) -> bytes:
    damaged = bytearray(raw)
    damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


@pytest.mark.parametrize("algorithm", ["crc64nvme", "crc32c"])
def test_bits_of_uploads(algorithm: str) -> None:
    data = content(LENGTH, 1)
    raw = encoded(data, algorithm)
    assert accepted(raw, LENGTH, algorithm) == data
    how = random.Random(algorithm)
    framing = [*range(6 * 8), *range((6 + LENGTH) * 8, len(raw) * 8)]
    bits = [*framing, *(how.randrange(len(raw) * 8) for _ in range(FLIPS))]
    # The case of a hexadecimal digit is no damage: what is stored is what was meant.
    assert [bit for bit in bits if accepted(flipped(raw, bit), LENGTH, algorithm) not in (None, data)] == []
    refused = sum(accepted(flipped(raw, bit), LENGTH, algorithm) is None for bit in bits)
    assert refused >= FLIPS


def test_bits_of_uploads_without_trailers() -> None:
    """A server that knows no trailers stores what arrives and tells its MD5."""
    from hashlib import md5

    data = content(LENGTH, 2)
    how = random.Random(2)
    for _ in range(FLIPS):
        source = MemorySource()
        source.put(1, PartBuffer(data))
        body = UploadBody(source.reader(Part(1, 0, LENGTH)), 1, LENGTH, PartChecks(trailer=None, compare_etag=True))
        sent = b"".join(iter(partial(body.read, READ), b""))  # type: ignore[arg-type]
        arrived = flipped(sent, how.randrange(LENGTH * 8))
        with pytest.raises(PartProblem):
            body.finish(Reply(200, headers={"etag": f'"{md5(arrived).hexdigest()}"'}))
        assert body.finish(Reply(200, headers={"etag": f'"{md5(sent).hexdigest()}"'})).length == LENGTH


def test_bits_of_downloads(tmp_path: Path) -> None:
    data, plan = content(3 * LENGTH, 3), Plan(3 * LENGTH, LENGTH)
    whole = Crc("crc64nvme")
    whole.update(data)
    how = random.Random(3)
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)

    def fetch(flip: int | None) -> str:
        """The CRC of three parts of which one bit arrives wrong."""
        found: list[tuple[int, int]] = []
        arriving = data if flip is None else flipped(data, flip)
        for part in plan:
            sink = FileSink(fd, part, lambda reply: None)
            for at in range(part.offset, part.end, READ):
                sink.write(arriving[at : min(at + READ, part.end)])
            result = sink.finish()
            assert result.crc is not None
            found.append((result.crc, result.length))
        return encode("crc64nvme", combine("crc64nvme", found))

    try:
        assert fetch(None) == whole.base64
        assert os.pread(fd, len(data), 0) == data
        assert all(fetch(how.randrange(len(data) * 8)) != whole.base64 for _ in range(FLIPS))
    finally:
        os.close(fd)
