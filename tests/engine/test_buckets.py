"""Where a bucket is, and which there are."""

from __future__ import annotations

import pytest

from s3amfs.engine.buckets import list_buckets, location_of
from s3amfs.errors import NotFound
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, refusal, reply, scripted


@pytest.mark.parametrize(
    ("answer", "location"),
    [
        (reply(body="<LocationConstraint>eu-west-3</LocationConstraint>"), "eu-west-3"),
        (reply(body="<LocationConstraint/>"), ""),
        (refusal(403, "AccessDenied"), None),
        (refusal(501, "NotImplemented"), None),
    ],
)
def test_the_location_of_a_bucket(answer: Reply, location: str | None) -> None:
    client, engine = scripted(lambda asked: answer)
    assert location_of(client, "b") == location
    assert "location" in engine.asked[0].query


def test_a_bucket_that_is_missing_has_no_location() -> None:
    client, _ = scripted(lambda asked: refusal(404, "NoSuchBucket"))
    with pytest.raises(NotFound, match="s3://b"):
        location_of(client, "b")


def buckets_page(name: str, token: str) -> Reply:
    return reply(
        body=f"<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name></Bucket></Buckets>"
        f"<ContinuationToken>{token}</ContinuationToken></ListAllMyBucketsResult>"
    )


def test_all_pages_of_buckets() -> None:
    def answer(asked: Asked) -> Reply:
        return (
            buckets_page("second", "") if asked.query.get("continuation-token") == "t" else buckets_page("first", "t")
        )

    client, engine = scripted(answer)
    assert list_buckets(client) == ["first", "second"]
    assert len(engine.asked) == 2
