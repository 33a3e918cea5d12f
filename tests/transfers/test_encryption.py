"""An object that was to be encrypted is, or the transfer fails: servers exist that drop the headers and answer 200."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.retry import RetryPolicy
from s3amfs.core.ssec import CustomerKey
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.errors import InTheClear, Unsupported
from s3amfs.transfers.encryption import (
    EncryptionWatch,
    is_settled,
    kind_of,
    refuse_if_always_failed,
    refuse_in_the_clear,
    require_encrypted,
)
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from tests.conftest import boto_client
from tests.support.clients import PART
from tests.support.examined import lax, lax_bucket
from tests.support.faults import Headers, Rule, edit_request, error
from tests.support.files import make_file
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

__all__ = ["lax", "lax_bucket"]
pytestmark = pytest.mark.usefixtures("state")
KEY = ObjectOptions(customer_key=CustomerKey(b"k" * 32))
KEY_HEADER = "x-amz-server-side-encryption-customer-key"


def client_at(url: str) -> S3Client:
    return connect(S3Config(endpoint_url=url, access_key="key", secret_key="secret", region="us-east-1"))


@pytest.mark.parametrize("size", [1000, 2 * PART])
def test_a_key_that_the_server_drops(lax: str, lax_bucket: str, tmp_path: Path, size: int) -> None:
    """The second upload is refused before a byte of it is sent."""
    source, options = LocalPath(str(make_file(tmp_path / "f", size, 1))), UploadOptions(part_size=PART, object=KEY)
    with FaultProxy(lax) as proxy:
        client = client_at(proxy.endpoint_url)
        with pytest.raises(Unsupported, match="stored, but not encrypted"):
            upload(source, S3Location(lax_bucket, "a"), client, options)
        proxy.clear()
        with pytest.raises(Unsupported, match="nothing was sent"):
            upload(source, S3Location(lax_bucket, "b"), client, options)
        assert proxy.count("Put", "Create", "UploadPart") == 0


def without_encryption(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() != "x-amz-server-side-encryption"]


@pytest.mark.parametrize("sse", ["AES256", "aws:kms"])
def test_encryption_by_the_server_is_looked_at(lax: str, lax_bucket: str, tmp_path: Path, sse: str) -> None:
    source = LocalPath(str(make_file(tmp_path / "f", 1000, 1)))
    options = UploadOptions(object=ObjectOptions(sse=sse), exists="overwrite")
    with FaultProxy(lax) as proxy:
        upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)
        proxy.rules.append(Rule("Put", edit_request(without_encryption)))
        with pytest.raises(Unsupported, match=f"the request for {sse}"):
            upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)


def test_trouble_that_ends_is_no_missing_feature(lax: str, lax_bucket: str, tmp_path: Path) -> None:
    source = LocalPath(str(make_file(tmp_path / "f", 1000, 1)))
    options = UploadOptions(object=ObjectOptions(sse="AES256"))
    with FaultProxy(lax) as proxy:
        proxy.rules.append(Rule("Put", error(500, "InternalError"), times=4))
        upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)
    assert boto_client(lax, "key", "secret").head_object(Bucket=lax_bucket, Key="k")["ServerSideEncryption"] == "AES256"


def test_a_server_that_encrypts_is_asked_once(
    through: S3Client, proxy: FaultProxy, bucket: str, tmp_path: Path, s3: SeaweedServer, boto: Any
) -> None:
    source, options = LocalPath(str(make_file(tmp_path / "f", 1000, 1))), UploadOptions(object=KEY, exists="overwrite")
    upload(source, S3Location(bucket, "k"), through, options)
    once = proxy.count("Head")
    upload(source, S3Location(bucket, "k"), through, options)
    assert proxy.count("Head") == once == 1
    with pytest.raises(Exception, match="400"):
        boto.head_object(Bucket=bucket, Key="k")


def test_an_upload_that_was_under_way_when_it_was_found_out_fails_too() -> None:
    client, engine = scripted(lambda asked: stored())
    client.session.capabilities("b").encrypts["AES256"] = False
    with pytest.raises(InTheClear, match="is stored, but no encryption is named"):
        require_encrypted(client, TARGET, ObjectOptions(sse="AES256"), "e")
    assert engine.asked == []


# -- answers that leave it open, by a script -------------------------------------------------------------------------

TARGET = S3Location("b", "k")


def look(options: ObjectOptions, answer: Callable[[Asked], Reply]) -> tuple[bool | None, ScriptedEngine]:
    """What is known after a look at an object that is stored with the ETag e."""
    client, engine = scripted(answer)
    require_encrypted(client, TARGET, options, "e")
    return client.session.capabilities("b").encrypts.get(kind_of(options) or ""), engine


def stored(size: int = 5, **more: str) -> Reply:
    return reply(etag='"e"', content_length=str(size), **more)


def test_a_head_that_needs_no_key_is_no_proof() -> None:
    def answer(asked: Asked) -> Reply:
        return stored() if asked.method == "HEAD" else refusal(400, "InvalidRequest")

    known, engine = look(KEY, answer)
    assert known is True
    assert [asked.method for asked in engine.asked] == ["HEAD", "GET"]
    assert look(KEY, lambda asked: stored() if asked.method == "HEAD" else refusal(403, "AccessDenied"))[0] is None
    with pytest.raises(Unsupported, match="stored, but not encrypted"):
        look(KEY, lambda asked: stored())


@pytest.mark.parametrize("answer", [refusal(403, "AccessDenied"), refusal(500), refusal(404), refusal(405)])
def test_who_may_not_look_is_not_refused(answer: Reply) -> None:
    assert look(KEY, lambda asked: answer)[0] is None
    assert look(ObjectOptions(sse="AES256"), lambda asked: answer)[0] is None


def test_other_encryption_than_asked_for() -> None:
    by_kms = stored(x_amz_server_side_encryption="aws:kms")
    assert look(ObjectOptions(sse="AES256"), lambda asked: by_kms)[0] is True
    with pytest.raises(Unsupported, match="but encrypted by AES256"):
        look(ObjectOptions(sse="aws:kms"), lambda asked: stored(x_amz_server_side_encryption="AES256"))


def test_a_look_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.transfers.encryption.LOOK_SECONDS", 0.0)
    client, engine = scripted(lambda asked: refusal(500))
    client.policy = RetryPolicy()
    require_encrypted(client, TARGET, KEY, "e")
    assert (len(engine.asked), client.policy.budget) == (1, 300.0)


FAILED = Failure(Kind.SERVER, "500 InternalError", status=500)
AES, KMS = ObjectOptions(sse="AES256"), ObjectOptions(sse="aws:kms", sse_kms_key_id="key", bucket_key=True)
CREATED = "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>"


def begins(asked: Asked, with_encryption: Reply | None, without: Reply | None = None) -> Reply:
    """Answers to a Create (None: it begins one, `plain` or `secret`), and to what aborts and lists."""
    if asked.method == "DELETE":
        return reply(204)
    if asked.method == "GET":
        return reply(body="<ListMultipartUploadsResult/>")
    is_secret = any(name.startswith("x-amz-server-side-encryption") for name in asked.headers)
    answer = with_encryption if is_secret else without
    return answer if answer is not None else reply(body=CREATED.format("secret" if is_secret else "plain"))


def aborted(engine: ScriptedEngine) -> list[str]:
    return [asked.query["uploadId"] for asked in engine.asked if asked.method == "DELETE"]


@pytest.mark.parametrize("options", [AES, KMS], ids=["AES256", "a KMS"])
def test_a_server_that_fails_for_the_encryption_alone_has_none(options: ObjectOptions) -> None:
    client, engine = scripted(lambda asked: begins(asked, refusal(500, "InternalError")))
    with pytest.raises(InTheClear, match="takes the same one without"):
        refuse_if_always_failed(client, TARGET, options, FAILED, 0.0)
    assert client.session.capabilities("b").encrypts == {options.sse: False}
    assert aborted(engine) == ["plain"]


@pytest.mark.parametrize(
    ("with_encryption", "without", "creates", "left"),
    [
        (None, None, 1, ["secret"]),
        (refusal(403, "AccessDenied"), None, 1, []),
        (refusal(400, "InvalidArgument"), None, 1, []),
        (refusal(500), refusal(500), 2, []),
        (refusal(500), refusal(403), 2, []),
        (reply(body="nonsense"), None, 1, []),
    ],
    ids=["it works now", "no right to", "refused by name", "all fails", "no right without", "an odd answer"],
)
def test_trouble_of_another_kind_says_nothing_of_encryption(
    with_encryption: Reply | None, without: Reply | None, creates: int, left: list[str]
) -> None:
    client, engine = scripted(lambda asked: begins(asked, with_encryption, without))
    refuse_if_always_failed(client, TARGET, AES, FAILED, 0.0)
    assert [asked.method for asked in engine.asked].count("POST") == creates
    assert (aborted(engine), client.session.capabilities("b").encrypts) == (left, {})


def test_nothing_is_asked_where_the_failure_or_the_options_settle_it() -> None:
    client, engine = scripted(lambda asked: begins(asked, refusal(500)))
    refuse_if_always_failed(client, TARGET, ObjectOptions(), FAILED, 0.0)
    refuse_if_always_failed(client, TARGET, KEY, FAILED, 0.0)
    refuse_if_always_failed(client, TARGET, AES, Failure(Kind.NETWORK, "reset"), 0.0)
    client.session.capabilities("b").encrypts["AES256"] = True
    refuse_if_always_failed(client, TARGET, AES, FAILED, 0.0)
    assert engine.asked == []


def test_three_failures_in_a_row_are_looked_into_once() -> None:
    client, engine = scripted(lambda asked: begins(asked, None))
    watch = EncryptionWatch(client, TARGET, AES)
    assert watch.on_retry is not None
    asked = []
    for _ in range(5):
        watch.on_retry(FAILED, 0.0)
        asked.append(len(engine.asked))
    assert asked == [0, 0, 2, 2, 2], "one upload is begun and aborted"
    assert watch.retries == 5


def test_which_encryption_is_asked_for() -> None:
    client, _ = scripted(lambda asked: stored())
    encrypts = client.session.capabilities("b").encrypts
    assert [kind_of(options) for options in (ObjectOptions(), KEY, AES)] == [None, "sse-c", "AES256"]
    assert is_settled(client, TARGET, ObjectOptions())
    assert not is_settled(client, TARGET, AES)
    refuse_in_the_clear(client, TARGET, AES)
    encrypts["AES256"] = True
    assert is_settled(client, TARGET, AES)
    assert not is_settled(client, TARGET, KEY)
    refuse_in_the_clear(client, TARGET, AES)
    encrypts["AES256"] = False
    assert not is_settled(client, TARGET, AES)
    with pytest.raises(InTheClear, match="nothing was sent"):
        refuse_in_the_clear(client, TARGET, AES)
    refuse_in_the_clear(client, TARGET, KEY)


def test_an_object_of_another_writer_says_nothing() -> None:
    def others(asked: Asked) -> Reply:
        return reply(etag='"theirs"', content_length="5")

    known, engine = look(AES, others)
    assert (known, len(engine.asked)) == (None, 1)

    def theirs_with_our_key(asked: Asked) -> Reply:
        return refusal(400) if KEY_HEADER in asked.headers else others(asked)

    assert look(KEY, theirs_with_our_key)[0] is None, "S3 takes no key for an object that has none"
    with pytest.raises(InTheClear, match="not encrypted"):
        look(KEY, others)


def test_one_byte_shows_whether_a_key_is_needed_and_an_empty_object_shows_nothing() -> None:
    def answer(asked: Asked) -> Reply:
        return stored() if asked.method == "HEAD" else refusal(403, "InvalidRequest")

    _, engine = look(KEY, answer)
    assert engine.asked[1].headers["range"] == "bytes=0-0"
    known, engine = look(KEY, lambda asked: stored(size=0))
    assert (known, len(engine.asked)) == (None, 1)


def test_what_is_known_to_be_encrypted_is_not_looked_at() -> None:
    client, engine = scripted(lambda asked: stored())
    client.session.capabilities("b").encrypts.update({"AES256": True, "sse-c": True})
    for options in (ObjectOptions(), AES, KEY):
        require_encrypted(client, TARGET, options, "e")
    assert engine.asked == []


def test_a_look_that_needs_the_key_is_proof() -> None:
    known, engine = look(KEY, lambda asked: refusal(400))
    assert (known, len(engine.asked)) == (True, 1)
    known, engine = look(AES, lambda asked: refusal(400))
    assert (known, len(engine.asked)) == (None, 1)


def test_trouble_with_the_upload_that_is_begun_to_look_fails_nothing() -> None:
    """No right to abort, or an answer that is none: the upload goes on as if nobody had looked."""
    options, failure = ObjectOptions(sse="AES256"), Failure(Kind.SERVER, "500", status=500)
    created = reply(body="<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    for answer in (created, reply(body="nonsense")):
        client, engine = scripted(lambda asked, answer=answer: answer if asked.method == "POST" else refusal(403))
        refuse_if_always_failed(client, TARGET, options, failure, 0.0)
        assert engine.asked[0].method == "POST"
        assert "AES256" not in client.session.capabilities("b").encrypts


@pytest.mark.parametrize(
    ("head", "named", "encrypts"),
    [
        ({}, "AES256", True),
        ({}, "aws:kms", True),
        ({}, None, False),
        ({"x_amz_server_side_encryption": "AES256"}, None, True),
    ],
    ids=["named when it was stored", "by a KMS", "nowhere", "by HeadObject"],
)
def test_where_the_encryption_is_named(head: dict[str, str], named: str | None, encrypts: bool) -> None:
    client, _ = scripted(lambda asked: stored(**head))
    options = ObjectOptions(sse="AES256")
    if encrypts:
        require_encrypted(client, TARGET, options, "e", named)
    else:
        with pytest.raises(InTheClear, match="no encryption is named"):
            require_encrypted(client, TARGET, options, "e", named)
    assert client.session.capabilities("b").encrypts["AES256"] is encrypts


def test_another_encryption_than_was_named_is_none() -> None:
    client, _ = scripted(lambda asked: stored(x_amz_server_side_encryption="AES256"))
    with pytest.raises(InTheClear, match="encrypted by AES256"):
        require_encrypted(client, TARGET, ObjectOptions(sse="aws:kms"), "e", "aws:kms")
