"""What a client asks, and what it makes of the answers: heads, listings, deletions, and what a failure teaches."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.client import CountingClient
from s3amfs.errors import AccessDenied, EncryptionKeyError, NotFound, TransferError
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.xml import MalformedXml
from tests.support.scripted import Asked, refusal, reply, scripted

KEY = CustomerKey(b"k" * 32)
THERE = reply(content_length="3", etag='"e"')


def test_a_head() -> None:
    client, engine = scripted(lambda asked: THERE)
    assert client.head("b", "k", version_id="v").size == 3
    (asked,) = engine.asked
    assert (asked.method, asked.path, asked.query) == ("HEAD", "/b/k", {"versionId": "v"})


@pytest.mark.parametrize("status", [400, 403])
def test_the_reason_of_a_head_without_one_comes_by_get(status: int) -> None:
    """A reply to HEAD has no body, and so no code."""
    client, engine = scripted(
        lambda asked: refusal(status) if asked.method == "HEAD" else refusal(400, "InvalidSSECustomerKey")
    )
    with pytest.raises(EncryptionKeyError):
        client.head("b", "k")
    assert [asked.method for asked in engine.asked][-2:] == ["HEAD", "GET"]
    assert engine.asked[-1].headers["range"] == "bytes=0-0"


def test_other_failures_of_a_head_are_reason_enough() -> None:
    client, engine = scripted(lambda asked: refusal(404))
    with pytest.raises(NotFound):
        client.head("b", "k")
    assert len(engine.asked) == 1


def test_a_wrong_key_that_is_answered_as_denied() -> None:
    def answer(asked: Asked) -> Reply:
        with_key = "x-amz-server-side-encryption-customer-key" in asked.headers
        return refusal(403, "AccessDenied") if with_key else refusal(400, "MissingSSECustomerKey")

    client, _ = scripted(answer)
    with pytest.raises(EncryptionKeyError, match="not the one that the object was stored with"):
        client.head("b", "k", customer_key=KEY)


def test_denied_is_denied_where_the_object_needs_no_key() -> None:
    client, engine = scripted(lambda asked: refusal(403, "AccessDenied"))
    with pytest.raises(AccessDenied):
        client.head("b", "k", customer_key=KEY)
    assert len(engine.asked) == 2
    with pytest.raises(AccessDenied):
        client.head("b", "k")
    assert [asked.method for asked in engine.asked] == ["HEAD", "GET", "HEAD"], "without a key nothing more is asked"


def test_what_is_not_there_is_none_but_a_missing_bucket_is_an_error() -> None:
    client, _ = scripted(lambda asked: refusal(404) if asked.path == "/b/k" else reply())
    assert client.find("b", "k") is None
    client, _ = scripted(lambda asked: refusal(404))
    with pytest.raises(NotFound, match="bucket b does not exist"):
        client.find("b", "k")
    client, _ = scripted(lambda asked: THERE)
    found = client.find("b", "k")
    assert found is not None
    assert found.etag == "e"


def test_a_bucket_that_may_not_be_looked_at_may_be_there() -> None:
    client, _ = scripted(lambda asked: refusal(403))
    client.check_bucket("b")
    client, _ = scripted(lambda asked: refusal(500))
    with pytest.raises(TransferError, match="s3://b"):
        client.check_bucket("b")


def test_a_small_object_or_a_range_of_one() -> None:
    client, engine = scripted(lambda asked: reply(206, "cd", content_range="bytes 2-3/10", etag='"e"'))
    info, data = client.get("b", "k", offset=2, length=2, if_match="e")
    assert (info.size, data) == (10, b"cd")
    assert (engine.asked[0].headers["range"], engine.asked[0].headers["if-match"]) == ("bytes=2-3", '"e"')


@pytest.mark.parametrize("knows", [True, False])
def test_a_small_object_is_stored_with_its_checksum_where_the_server_knows_it(knows: bool) -> None:
    client, engine = scripted(lambda asked: reply(etag='"e"'))
    if not knows:
        client.session.capabilities("b").crc64nvme = False
    assert client.put("b", "k", b"data").etag == "e"
    (asked,) = engine.asked
    assert (asked.method, asked.body) == ("PUT", b"data")
    assert ("x-amz-checksum-crc64nvme" in asked.headers) is client.session.capabilities("b").takes_checksums


def page(key: str, token: str | None) -> Reply:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    inner = f"<Contents><Key>{key}</Key><Size>1</Size></Contents>"
    return reply(body=f"<ListBucketResult>{more}{inner}</ListBucketResult>")


def test_pages_are_fetched_as_they_are_asked_for() -> None:
    answers = [page("a", "t"), page("b", None)]
    client, engine = scripted(lambda asked: answers[len(engine.asked) - 1])
    pages = client.list_pages("b", "p", delimiter="/", start_after="p0")
    assert next(pages).objects[0].key == "a"
    assert len(engine.asked) == 1
    assert [found.objects[0].key for found in pages] == ["b"]
    first = engine.asked[0].query
    assert (first["prefix"], first["delimiter"], first["start-after"]) == ("p", "/", "p0")


def test_pages_that_lead_nowhere_end() -> None:
    """A server that takes no notice of tokens, and does not repeat them."""
    page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    client, engine = scripted(lambda asked: reply(body=f"{page}</ListBucketResult>"))
    with pytest.raises(MalformedXml, match="more follows, but not where"):
        list(client.list_pages("b"))
    assert len(engine.asked) == 2


def test_deletions() -> None:
    client, engine = scripted(lambda asked: reply(204))
    client.delete("b", "k", version_id="v")
    assert (engine.asked[0].method, engine.asked[0].query["versionId"]) == ("DELETE", "v")
    failed = "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    client, engine = scripted(lambda asked: reply(body=failed))
    assert [failure.key for failure in client.delete_many("b", ["k", "l"])] == ["k"]
    assert b"<Key>l</Key>" in engine.asked[0].body


def test_etags_without_quotes_are_noticed_once() -> None:
    notices: list[str] = []
    client, _ = scripted(lambda asked: reply(content_length="1", etag="bare"), on_notice=notices.append)
    client.head("b", "k")
    client.head("b", "k")
    assert len(notices) == 1
    assert client.session.capabilities("b").quoted_etags is False


def test_a_redirect_without_a_region_has_it_looked_up() -> None:
    client, engine = scripted(lambda asked: reply(400, x_amz_bucket_region="eu-west-3"))
    client.learn(Failure(Kind.REDIRECT, "elsewhere"), "b")
    assert [asked.method for asked in engine.asked] == ["HEAD"]
    assert client.session.region("b") == "eu-west-3"
    client.learn(Failure(Kind.NETWORK, "cut off"), "b")
    assert len(engine.asked) == 1


def test_a_counting_client_counts_and_passes_on() -> None:
    noted: list[float] = []
    client, _ = scripted(lambda asked: THERE, on_retry=lambda failure, delay: noted.append(delay))
    counting = CountingClient(client)
    assert counting.head("b", "k").size == 3
    assert counting.retries == 0
    assert counting.on_retry is not None
    counting.on_retry(Failure(Kind.SERVER, "busy"), 0.5)
    assert (counting.retries, noted) == (1, [0.5])
    CountingClient(scripted(lambda asked: THERE)[0])._count(Failure(Kind.SERVER, "busy"), 0.5)


def test_lines_are_named_by_service_and_region() -> None:
    client, _ = scripted(lambda asked: THERE)
    assert client.endpoint("b") == "http://s3.test us-east-1"


def test_tags() -> None:
    text = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    client, engine = scripted(lambda asked: reply(body=text))
    assert client.tags("b", "k", version_id="v") == {"a": "1"}
    assert engine.asked[0].query["versionId"] == "v"


def test_an_upload_that_nobody_named() -> None:
    """`attempt` returns what `call` raises."""
    client, _ = scripted(lambda asked: refusal(404, "NoSuchUpload"))
    request = s3api.abort_multipart_upload(s3api.MultipartUpload("b", "k", "id"))
    _, failure = client.attempt(request)
    assert failure is not None
    assert failure.kind is Kind.GONE
    with pytest.raises(TransferError, match="a thing"):
        client.call(request, "a thing")
