"""Parts of a remote source received here: with retries, all of them or an error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from s3amfs.core.events import Event, PartRetried
from s3amfs.core.failures import Failure
from s3amfs.core.manifest import SourceIdentity
from s3amfs.core.parts import Part, Plan
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.engine.sinks import HashSink
from s3amfs.engine.sources import range_judge
from s3amfs.errors import SourceChanged
from s3amfs.transfers.received import receive, receive_all
from s3amfs.wire.messages import HttpRequest, Reply
from tests.support.httpserver import HttpServer

ETAG = '"e"'
DATA = bytes(range(256)) * 1000


class Source:
    """Ranges of a URL, as a UrlSource gives them."""

    def __init__(self, url: str, etag: str) -> None:
        self.identity = SourceIdentity(url, size=len(DATA), etag=etag)

    def request(self, part: Part) -> HttpRequest:
        return HttpRequest("GET", self.identity.url, (("Range", f"bytes={part.offset}-{part.end - 1}"),))

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self.identity)

    def explain(self, failure: Failure) -> Failure:
        return failure


@pytest.fixture
def client() -> S3Client:
    """Of a service that is never asked."""
    return connect(S3Config(endpoint_url="http://127.0.0.1:9", access_key="a", secret_key="s", region="us-east-1"))


def test_all_of_it_after_failures(client: S3Client) -> None:
    events: list[Event] = []
    with HttpServer() as web:
        source = Source(web.add("/f", DATA, etag=ETAG, fail=[503], cut_after=9000, cuts=1), ETAG)
        received = receive_all(source, len(DATA), client, endpoint=web.base_url, on_event=events.append)
    assert received.reader(Part(1, 0, len(DATA))).read(len(DATA)) == DATA
    assert [type(event) for event in events] == [PartRetried, PartRetried]


def test_another_state_is_an_error(client: S3Client) -> None:
    with HttpServer() as web, pytest.raises(SourceChanged):
        receive_all(Source(web.add("/f", DATA, etag=ETAG), '"before"'), len(DATA), client, endpoint=web.base_url)


def test_parts_one_by_one(client: S3Client) -> None:
    found: dict[int, PartResult] = {}
    with HttpServer() as web:
        source = Source(web.add("/f", DATA, etag=ETAG), ETAG)
        receive(
            source,
            Plan(len(DATA), 100_000),
            lambda part: HashSink(part, source.accept(part), "crc32c"),
            client,
            endpoint=web.base_url,
            on_part=lambda result: found.update({result.number: result}),
        )
    assert {number: result.length for number, result in found.items()} == {1: 100_000, 2: 100_000, 3: 56_000}
    assert found[1].etag == hashlib.md5(DATA[:100_000]).hexdigest()
