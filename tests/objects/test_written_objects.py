"""What an `ObjectWriter` stores at a server: what was written, and nothing before `close`."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import S3AMError
from s3amfs.objects.writer import ObjectWriter
from s3amfs.transfers.job import stream_job
from s3amfs.transfers.options import UploadOptions
from s3amfs.wire.s3.model import ObjectOptions
from tests.support.clients import PART
from tests.support.faults import Rule, error
from tests.support.files import content
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")


def writer_of(client: S3Client, bucket: str, options: UploadOptions = OPTIONS) -> ObjectWriter:
    return ObjectWriter(stream_job(client, S3Location(bucket, "k"), options))


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def keys(boto: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_objects_v2(Bucket=bucket).get("Contents", ())]


def unfinished(boto: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in boto.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_sizes_around_parts(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, size: int) -> None:
    data, writer = content(size, 1), writer_of(through, bucket)
    for at in range(0, size, 3_000_001):
        assert writer.write(data[at : at + 3_000_001]) == len(data[at : at + 3_000_001])
    assert writer.position == size
    assert keys(boto, bucket) == []
    writer.close()
    assert stored(boto, bucket) == data
    assert proxy.count("UploadPart", status=200) == (-(-size // PART) if size >= PART else 0)
    assert unfinished(boto, bucket) == []


def test_a_stream_is_copied_to_its_end(through: S3Client, boto: Any, bucket: str) -> None:
    data, writer = content(PART + 7, 2), writer_of(through, bucket)
    writer.copy_from(io.BytesIO(data))
    writer.close()
    assert stored(boto, bucket) == data


@pytest.mark.parametrize("keep", [True, False])
def test_an_abort_publishes_nothing(through: S3Client, boto: Any, bucket: str, keep: bool) -> None:
    writer = writer_of(through, bucket)
    writer.write(content(PART + 1, 5))
    writer.abort(keep=keep)
    assert keys(boto, bucket) == []
    assert unfinished(boto, bucket) == (["k"] if keep else [])


def test_an_error_ends_it(hasty: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("UploadPart", error(403, "AccessDenied")))
    writer = writer_of(hasty, bucket)
    with pytest.raises(S3AMError):
        writer.write(content(3 * PART, 6))
        writer.close()
    with pytest.raises(S3AMError):
        writer.write(b"more")
    assert keys(boto, bucket) == []


def test_options_may_change_until_the_server_knows_of_it(through: S3Client, boto: Any, bucket: str) -> None:
    writer = writer_of(through, bucket)
    assert writer.set_options(replace(OPTIONS, object=ObjectOptions(content_type="text/x-new")))
    writer.write(content(PART, 7))
    assert writer.upload_id is not None
    assert not writer.set_options(replace(OPTIONS, object=ObjectOptions(content_type="text/x-late")))
    writer.close()
    assert boto.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x-new"


@pytest.mark.parametrize("size", [3, PART + 3])
def test_what_it_expects_may_change_until_its_close(through: S3Client, boto: Any, bucket: str, size: int) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    options = replace(OPTIONS, unfinished="continue")
    wrong, right = writer_of(through, bucket, options), writer_of(through, bucket, options)
    wrong.write(content(size, 7))
    wrong.set_options(replace(OPTIONS, expected=NOTHING))
    with pytest.raises(S3AMError):
        wrong.close()
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] == 6
    right.write(content(size, 7))
    right.set_options(replace(OPTIONS, expected=through.head(bucket, "k").expected))
    right.close()
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] == size


def test_what_is_there_is_not_sent_again(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    data = content(2 * PART + 9, 8)
    first = writer_of(through, bucket)
    first.write(data)
    first.send_rest()
    assert proxy.wait_for(lambda: proxy.count("UploadPart", status=200) == 3)
    first.abort(keep=True)
    proxy.clear()
    again = writer_of(through, bucket, replace(OPTIONS, unfinished="continue"))
    again.write(data)
    again.close()
    assert stored(boto, bucket) == data
    assert proxy.count("UploadPart") == 0
