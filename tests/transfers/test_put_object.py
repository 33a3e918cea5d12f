"""Objects in one request: what arrived damaged is replaced, and only that; nobody else's object is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, S3AMError
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from tests.support.faults import Recorded, Rule, flip, lose_answer
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")
KEEP = UploadOptions()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make_file(tmp_path / "small", 100_000, 7)


def without_trailers(client: S3Client, bucket: str) -> S3Client:
    client.session.capabilities(bucket).trailers = False
    return client


def content(boto: Any, bucket: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key="k")["Body"].read())


def test_what_arrived_damaged_is_replaced_on_the_condition_that_it_is_still_there(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", flip("request"), times=1))
    upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert object_digest(boto, bucket, "k") == digest(small)
    first, *_, last = proxy.of("Put")
    assert first.headers["if-none-match"] == "*"
    assert len(last.headers["if-match"].strip('"')) == 32, "the ETag of the damaged object"


def test_an_object_that_somebody_else_stored_after_the_damaged_one_stays(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    def after_the_first(request: Recorded) -> bool:
        if request.kind == "Put" and proxy.count("Put", status=200) == 1:
            boto.put_object(Bucket=bucket, Key="k", Body=b"by somebody else")
        return request.kind == "Put" and proxy.count("Put") == 1

    proxy.rules.append(Rule(after_the_first, flip("request")))
    with pytest.raises(S3AMError):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert content(boto, bucket) == b"by somebody else"


def test_a_wire_that_always_damages_is_an_error_that_deletes_nothing(
    through: S3Client, proxy: FaultProxy, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", flip("request")))
    with pytest.raises(ChecksumMismatch, match="--exists overwrite"):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), without_trailers(through, bucket), KEEP)
    assert proxy.count("Delete") == 0


def test_an_answer_that_was_lost_is_made_up_for_by_a_look(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    proxy.rules.append(Rule("Put", lose_answer(), times=1))
    result = upload(LocalPath(str(small)), S3Location(bucket, "k"), through, KEEP)
    assert result.size == 100_000
    assert object_digest(boto, bucket, "k") == digest(small)


def test_another_object_is_not_taken_for_ours(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, small: Path
) -> None:
    """The first Put never arrived; when it is tried again, another writer of the same size has been faster."""
    others = bytes(100_000)

    def loses(request: Recorded) -> bool:
        if request.kind == "Put":
            boto.put_object(Bucket=bucket, Key="k", Body=others)
        return request.kind == "Put"

    proxy.rules.append(Rule(loses, lose_answer(), times=1))
    with pytest.raises(S3AMError):
        upload(LocalPath(str(small)), S3Location(bucket, "k"), through, KEEP)
    assert content(boto, bucket) == others
