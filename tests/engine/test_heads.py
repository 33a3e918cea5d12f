"""HeadObject where it fails without a reason."""

from __future__ import annotations

import pytest

from s3amfs.engine.heads import MOST_LOOKS
from s3amfs.errors import AccessDenied, TransferError
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, refusal, reply, scripted

THERE = reply(content_length="3", etag='"e"')


@pytest.mark.parametrize("status", [400, 403, 405])
@pytest.mark.parametrize(
    "got", [THERE, refusal(416, "InvalidRange"), refusal(403, "InvalidObjectState")], ids=["bytes", "empty", "archived"]
)
def test_a_failure_that_a_get_knows_nothing_of_is_asked_about_once_more(status: int, got: Reply) -> None:
    """As a request that the server found too slow: RequestTimeout is a 400, whose code a HEAD does not have."""
    heads: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return got
        heads.append(asked)
        return THERE if len(heads) == 2 else refusal(status)

    client, _ = scripted(answer)
    assert client.head("b", "k").size == 3
    assert len(heads) == 2


def test_a_head_that_fails_always_is_a_failure_after_a_few() -> None:
    client, engine = scripted(lambda asked: THERE if asked.method == "GET" else refusal(400))
    with pytest.raises(TransferError, match="400"):
        client.head("b", "k")
    assert [asked.method for asked in engine.asked].count("GET") == MOST_LOOKS


def test_the_reason_of_a_get_is_that_of_the_head() -> None:
    client, engine = scripted(lambda asked: refusal(403, "AccessDenied" if asked.method == "GET" else ""))
    with pytest.raises(AccessDenied):
        client.head("b", "k")
    assert [asked.method for asked in engine.asked].count("GET") == 1
