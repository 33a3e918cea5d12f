from __future__ import annotations

from s3amfs.core.price_class import PriceClass
from s3amfs.wire.curl.reached import Reached
from s3amfs.wire.messages import HttpRequest


def test_servers_that_answered() -> None:
    reached = Reached()
    assert not reached
    assert not reached.note(HttpRequest("GET", "http://h:1/a"), answered=False)
    assert reached.note(HttpRequest("GET", "http://h:1/b"), answered=True)
    assert reached.note(HttpRequest("GET", "http://h:1/c"), answered=False)
    assert reached


def test_the_shortest_answer_counts() -> None:
    reached = Reached()
    for latency in (0.0, 0.3, 0.2, 0.5, 0.0):
        reached.note(HttpRequest("GET", "http://h/a"), answered=True, latency=latency)
    assert reached.latency("http://h/other") == 0.2
    assert reached.latency("http://elsewhere/") == 0.0


def test_requests_by_price_class() -> None:
    reached = Reached()
    reached.note(HttpRequest("PUT", "http://h/a", is_s3=True), answered=True)
    reached.note(HttpRequest("GET", "http://h/a"), answered=True)
    assert reached.requests == {PriceClass.WRITE.value: 1, PriceClass.FOREIGN.value: 1}
