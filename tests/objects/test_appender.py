"""What is appended continues the very object it began with, or nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import SourceChanged
from s3amfs.objects.appender import Appender
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import UploadOptions
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, delay, error
from tests.support.files import content
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
OPTIONS = UploadOptions(part_size=PART, exists="overwrite")
LARGE = content(PART * 3 // 2, 5)
MORE = b"more"


def pin(client: S3Client, boto: Any, bucket: str, data: bytes) -> Pinned:
    boto.put_object(Bucket=bucket, Key="k", Body=data, ContentType="text/x-log", Metadata={"mine": "kept"})
    return Pinned(client, S3Location(bucket, "k"), client.head(bucket, "k"))


def stored(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


@pytest.mark.parametrize("base", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_the_object_continues_and_keeps_its_description(through: S3Client, boto: Any, bucket: str, base: bytes) -> None:
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    assert writer.position == len(base)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == base + MORE
    head = boto.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-log", {"mine": "kept"})
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_nothing_appended_is_nothing_stored(through: S3Client, boto: Any, bucket: str, proxy: FaultProxy) -> None:
    writer = Appender(pin(through, boto, bucket, LARGE), OPTIONS)
    writer.copy_base()
    writer.close()
    assert stored(boto, bucket) == LARGE
    assert proxy.count("Complete") == proxy.count("Put") == 0
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_the_commit_is_on_the_condition_that_the_base_is_still_there(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, base: bytes
) -> None:
    pinned = pin(through, boto, bucket, base)
    writer = Appender(pinned, OPTIONS)
    writer.write(MORE)
    writer.close()
    (commit,) = [request for request in proxy.of("Put", "Complete") if request.key == "k" and request.status == 200]
    assert commit.headers["if-match"].strip('"') == pinned.info.etag.strip('"')


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_what_somebody_else_stored_meanwhile_stays(through: S3Client, boto: Any, bucket: str, base: bytes) -> None:
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    writer.write(MORE)
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"
    writer.abort()
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("base", [b"small", LARGE], ids=["small", "large"])
def test_a_look_at_the_base_goes_before_the_commit_where_conditions_are_not_known(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, base: bytes
) -> None:
    """The server refuses conditions; another writer comes between the copy and the commit."""
    proxy.rules.append(Rule(has_condition, error(501, "NotImplemented")))
    writer = Appender(pin(through, boto, bucket, base), OPTIONS)
    writer.copy_base()
    writer.write(MORE)
    boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"


def has_condition(request: Recorded) -> bool:
    return request.kind in ("Put", "Complete") and "if-match" in request.headers


def test_a_server_that_copies_no_parts_gets_the_bytes(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    proxy.rules.append(Rule("CopyPart", error(501, "NotImplemented")))
    writer = Appender(pin(through, boto, bucket, LARGE), OPTIONS)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == LARGE + MORE


def test_a_small_object_that_is_overwritten_after_it_was_read_stays(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    writer = Appender(pin(through, boto, bucket, b"small"), OPTIONS)
    writer.write(MORE)

    def overwrites(request: Recorded) -> bool:
        if request.kind == "Head":
            boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
        return request.kind == "Head"

    proxy.rules.append(Rule(overwrites, delay(0.0), times=1))
    with pytest.raises(SourceChanged):
        writer.close()
    assert stored(boto, bucket) == b"by somebody else"


def test_a_base_is_copied_again_where_parts_are_refused_as_the_upload_was_begun(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy
) -> None:
    """As Garage does it: parts without a checksum are refused where one was declared, and trailers are not answered."""

    def declared(request: Recorded) -> bool:
        return request.kind == "UploadPart" and proxy.count("Create") == 1

    pinned = pin(through, boto, bucket, LARGE)
    proxy.rules.append(Rule(declared, error(400, "InvalidRequest")))
    writer = Appender(pinned, OPTIONS)
    writer.write(MORE)
    writer.close()
    assert stored(boto, bucket) == LARGE + MORE
    assert proxy.count("Create") == 2
    assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")
