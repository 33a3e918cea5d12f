"""The one commit: who wins against another writer, on servers that obey conditions, refuse them and ignore them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING, this_etag
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ObjectExists, SourceChanged
from s3amfs.transfers.commit import Commit, delete
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.wire.s3 import api as s3api
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Headers, Recorded, Rule
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("state")


def meanwhile(action: Callable[[], object]) -> faults.Fault:
    """Another writer acts once the request has left."""

    def edit(first: str, headers: Headers) -> tuple[str, Headers]:
        action()
        return first, headers

    return faults.Fault("meanwhile", edit_request=edit)


def source(kind: str, tmp_path: Path, boto: Any, bucket: str) -> LocalPath | S3Location:
    """Whose upload ends with a Put, a Complete or a Copy."""
    size = 2 * PART if kind == "Complete" else 1000
    file = make_file(tmp_path / "mine", size, 1)
    if kind != "Copy":
        return LocalPath(str(file))
    boto.upload_file(str(file), bucket, "source")
    return S3Location(bucket, "source")


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
@pytest.mark.parametrize("exists", ["refuse", "skip"])
def test_a_faster_writer_stays(
    kind: str, exists: Any, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    options = UploadOptions(part_size=PART, exists=exists)
    proxy.rules.append(Rule(kind, meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1))
    mine = source(kind, tmp_path, boto, bucket)
    if exists == "skip":
        assert upload(mine, S3Location(bucket, "k"), through, options).skipped
    else:
        with pytest.raises(ObjectExists):
            upload(mine, S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    operation: Any = kind.lower()
    assert through.session.capabilities(bucket).conditions[operation, "nothing"] is True


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
def test_an_object_that_changed_stays(
    kind: str, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    options = UploadOptions(part_size=PART, exists="overwrite", expected=this_etag(etag))
    proxy.rules.append(Rule(kind, meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1))
    with pytest.raises(SourceChanged):
        upload(source(kind, tmp_path, boto, bucket), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
@pytest.mark.parametrize("status", [400, 501])
def test_a_server_that_refuses_the_header_gets_a_second_try(
    kind: str,
    status: int,
    through: S3Client,
    proxy: FaultProxy,
    boto: Any,
    bucket: str,
    tmp_path: Path,
    events: Events,
) -> None:
    def refused(request: Recorded) -> bool:
        return request.kind == kind and "if-none-match" in request.headers

    proxy.rules.append(
        Rule(refused, faults.error(status, "InvalidArgument", extra="<Header>If-None-Match</Header>"), times=9)
    )
    mine = source(kind, tmp_path, boto, bucket)
    upload(mine, S3Location(bucket, "k"), through, UploadOptions(part_size=PART), on_event=events)
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] in (1000, 2 * PART)
    assert len([text for text in events.warnings if "conditional requests" in text]) == 1
    upload(mine, S3Location(bucket, "k2"), through, UploadOptions(part_size=PART), on_event=events)
    assert len([text for text in events.warnings if "conditional requests" in text]) == 1
    assert proxy.count(kind, status=status) == 1


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
def test_a_server_that_ignores_conditions_is_looked_at_right_before(
    kind: str, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    """Somebody stores the object while the parts move: the look finds it, though the server would not."""
    operation: Any = kind.lower()
    through.session.capabilities(bucket).conditions[operation, "etag"] = False
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    options = UploadOptions(part_size=PART, exists="overwrite", expected=this_etag(etag))
    with pytest.raises(SourceChanged):
        upload(source(kind, tmp_path, boto, bucket), S3Location(bucket, "k"), through, options)
    assert proxy.count(kind) == 0
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


def test_a_writer_right_after_is_reported(
    through: S3Client, boto: Any, bucket: str, tmp_path: Path, events: Events
) -> None:
    commit = Commit(through, S3Location(bucket, "k"), NOTHING, "put", lambda text: warned.append(text))
    warned: list[str] = []
    commit.before()
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    commit.after("mine")
    assert len(warned) == 1 and "another writer" in warned[0]
    through.session.capabilities(bucket).conditions["put", "nothing"] = True
    commit.after("mine")
    assert len(warned) == 1


def test_delete_leaves_what_somebody_else_has_stored(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    where, warned = S3Location(bucket, "k"), list[str]()
    proxy.rules.append(
        Rule("Delete", meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1)
    )
    with pytest.raises(SourceChanged):
        delete(through, where, this_etag(etag), warned.append)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    with pytest.raises(SourceChanged):  # seen by the look, too, where the server ignores the condition
        through.session.capabilities(bucket).conditions["delete", "etag"] = False
        delete(through, where, this_etag(etag), warned.append)
    assert len(warned) == 1
    now = boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    delete(through, where, this_etag(now), warned.append)
    delete(through, where, this_etag(now), warned.append)
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []


def test_a_put_whose_answer_is_lost_is_our_own(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    for kind in ("Put", "Complete", "Copy"):
        proxy.rules.append(Rule(kind, faults.lose_answer(), times=1))
        mine = source(kind, tmp_path, boto, bucket)
        upload(mine, S3Location(bucket, kind), through, UploadOptions(part_size=PART))
        assert boto.head_object(Bucket=bucket, Key=kind)["ContentLength"] in (1000, 2 * PART)


def test_what_aws_can_is_known(through: S3Client) -> None:
    from s3amfs.wire.aws.capabilities import known_of

    assert known_of("https://s3.amazonaws.com").conditions["copy", "nothing"] is True
    assert known_of("https://s3.amazonaws.com.evil.example").conditions == {}
    assert known_of("http://127.0.0.1:1234").etag_md5 is None
    assert s3api.ObjectInfo(1, "e", weak_etag=True).expected == replace(this_etag("e"), weak=True)


@pytest.mark.parametrize("size", [1000, 2 * PART], ids=["Put", "Complete"])
def test_a_server_that_compares_the_quotes_of_if_match(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, tmp_path: Path, size: int
) -> None:
    """Ceph's gateway 16: the condition goes without them once it is seen that the object is the one expected."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"base")
    expected = this_etag(through.head(bucket, "k").etag)
    quoted = faults.error(412, "PreconditionFailed")
    proxy.rules.append(Rule(lambda request: request.headers.get("if-match", "").startswith('"'), quoted))
    file = make_file(tmp_path / "mine", size, 1)
    options = UploadOptions(exists="overwrite", expected=expected, part_size=PART)
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == file.read_bytes()
    (done,) = [request for request in proxy.of("Put", "Complete") if request.status == 200]
    assert done.headers["if-match"] == expected.etag
    # The same where it is another object: nobody's work is lost.
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    with pytest.raises(SourceChanged):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
