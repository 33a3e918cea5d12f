"""`FileStream`: written mostly in order, and what comes late or ahead is where it belongs all the same."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.engine.spool import Spool
from s3amfs.objects.streamed_file import FileStream
from s3amfs.objects.writer import ObjectWriter
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import UploadOptions
from tests.support.clients import PART
from tests.support.files import content
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
DATA = content(2 * PART + 100, 1)


@pytest.fixture
def stream(through: S3Client, bucket: str, tmp_path: Path) -> Iterator[FileStream]:
    spool = Spool(str(tmp_path))
    options = UploadOptions(part_size=PART, exists="overwrite")
    writer = ObjectWriter(stream_job(through, S3Location(bucket, "k"), options))
    yield FileStream(writer, spool, keeps=None)
    spool.close()


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_a_header_that_is_written_last(stream: FileStream, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    stream.write(DATA, 0)
    stream.write(b"header", 0)
    stream.write(b"inside", 2 * PART + 50)
    assert stream.read(0, 10) == b"header" + DATA[6:10]
    stream.close()
    expected = b"header" + DATA[6 : 2 * PART + 50] + b"inside" + DATA[2 * PART + 56 :]
    assert stored(boto, bucket) == expected
    assert proxy.count("UploadPart", status=200) == 4, "the first part twice"


def test_what_comes_ahead_of_its_turn_waits_and_what_never_comes_is_zeros(
    stream: FileStream, boto: Any, bucket: str
) -> None:
    stream.write(b"later", 1000)
    stream.write(b"first", 0)
    assert (stream.size, stream.is_broken) == (1005, False)
    stream.write(bytes([1]) * 995, 5)
    stream.write(b"end", 2000)
    stream.close()
    assert stored(boto, bucket) == b"first" + bytes([1]) * 995 + b"later" + bytes(995) + b"end"


def test_cut_and_grown(stream: FileStream, boto: Any, bucket: str) -> None:
    stream.write(DATA, 0)
    assert stream.resize(2 * PART + 10)
    assert stream.resize(2 * PART + 20)
    assert stream.size == 2 * PART + 20
    stream.close()
    assert stored(boto, bucket) == DATA[: 2 * PART + 10] + bytes(10)


def test_what_was_sent_and_not_copied_is_refused_not_lost(stream: FileStream) -> None:
    stream.keeps = 0
    stream.write(DATA, 0)
    assert not stream.is_whole
    with pytest.raises(OSError) as failed:
        stream.write(b"header", 0)
    assert failed.value.errno == errno.EFBIG
    with pytest.raises(OSError) as failed:
        stream.read(0, 10)
    assert failed.value.errno == errno.EBUSY
    assert not stream.resize(PART)
    stream.abort(keep=False)
