"""Pages of a listing, fetched by threads, in order, from servers that differ."""

from __future__ import annotations

import random
import threading
from bisect import bisect_right
from collections.abc import Callable

import pytest

from s3amfs.engine import waiting
from s3amfs.errors import AccessDenied, TransferError
from s3amfs.jobs.pages import Fetch, OnPage, Pages, _packed, _unpacked
from s3amfs.wire.s3 import api as s3api

SIZE = 10
Page = s3api.ListingPage
ETAG = "0123456789abcdef" * 2


class Server:
    """Lists `count` hashed keys by pages of ten. ignores: knows no StartAfter, but tokens."""

    def __init__(self, count: int, *, ignores: bool = False, token: bool = True) -> None:
        draw = random.Random(count)
        self.keys = sorted(f"{draw.getrandbits(64):016x}" for _ in range(count))
        self.ignores, self.token = ignores, token
        self.lock = threading.Lock()
        self.requests = self.most = self.now = 0

    def __call__(self, after: str | None, token: str | None) -> Page:
        with self.lock:
            self.requests += 1
            self.now += 1
            self.most = max(self.most, self.now)
        behind = token if token is not None else "" if self.ignores else after or ""
        at = bisect_right(self.keys, behind)
        keys, more = self.keys[at : at + SIZE], at + SIZE < len(self.keys)
        with self.lock:
            self.now -= 1
        return page_of(keys, keys[-1] if more and self.token else None, more)


def page_of(keys: list[str], token: str | None, more: bool) -> Page:
    objects = (s3api.ListedObject(key, len(key), ETAG, 1.5, "STANDARD") for key in keys)
    return Page(s3api.Columns.of(objects), token, more)


def listed(fetch: Fetch) -> list[str]:
    return [item.key for page in Pages(fetch, fetch(None, None)) for item in page]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 3000])
def test_all_keys_come_in_order(count: int) -> None:
    server = Server(count)
    assert listed(server) == server.keys
    assert server.requests <= 1.2 * max(1, -(-count // SIZE))


def test_objects_that_waited_are_whole() -> None:
    server = Server(3000)
    pages = Pages(server, server(None, None))
    found = [item for page in pages for item in page]
    assert found[-1] == s3api.ListedObject(server.keys[-1], 16, ETAG, 1.5, "STANDARD")


def test_a_server_without_start_after_is_listed_by_its_tokens() -> None:
    server = Server(500, ignores=True)
    assert listed(server) == server.keys
    assert server.requests == 50 + 2


def test_a_server_with_neither_is_refused() -> None:
    with pytest.raises(TransferError, match="starts over"):
        listed(Server(500, ignores=True, token=False))


def test_a_token_that_is_missing_half_way_ends_a_listing_by_tokens() -> None:
    """Without it only StartAfter were left, of which such a server takes no notice: the listing would never end."""
    server = Server(100, ignores=True)

    def fetch(after: str | None, token: str | None) -> Page:
        page = server(after, token)
        return page._replace(token=page.token if server.requests < 3 else None)

    found: list[str] = []
    with pytest.raises(TransferError, match="not where"):
        for page in Pages(fetch, fetch(None, None), by_token=True):
            found += [item.key for item in page]
    assert found == server.keys[: len(found)]


def test_what_lies_before_an_error_is_listed() -> None:
    server = Server(3000)
    limit = server.keys[2000]

    def fetch(after: str | None, token: str | None) -> Page:
        if after is not None and after >= limit:
            raise AccessDenied("no more")
        return server(after, token)

    found: list[str] = []
    with pytest.raises(AccessDenied):
        for page in Pages(fetch, fetch(None, None)):
            found += [item.key for item in page]
    assert found == server.keys[: len(found)]
    assert len(found) > 1900


def test_a_key_that_has_no_place_in_any_order_is_an_error() -> None:
    """A lone surrogate cannot be UTF-8: the reader gets an error, and does not wait."""
    server = Server(3000)

    def fetch(after: str | None, token: str | None) -> Page:
        page = server(after, token)
        if server.requests > 60 and page.columns.keys:
            page.columns.keys[-1] = "\ud800"
        return page

    with pytest.raises(UnicodeEncodeError):
        listed(fetch)


def test_a_reader_that_stops_ends_the_requests() -> None:
    server = Server(3000)
    pages = Pages(server, server(None, None))
    next(iter(pages))
    pages.close()
    ended = server.requests
    assert list(pages) == []
    assert server.requests <= ended + 2


def test_nothing_is_asked_for_far_ahead_of_a_reader_that_waits() -> None:
    server = Server(3000)
    pages = Pages(server, server(None, None))
    iterator = iter(pages)
    next(iterator)
    next(iterator)
    assert server.requests <= 5
    pages.close()


class Asynchronous:
    """Asks `server` in a thread of its own for each page. fails: which requests come to nothing."""

    def __init__(self, server: Server, fails: Callable[[int], bool] = lambda number: False) -> None:
        self.server, self.fails = server, fails
        self.begun = 0

    def __call__(self, after: str | None, token: str | None, on_page: OnPage) -> None:
        self.begun += 1
        page = None if self.fails(self.begun) else self.server(after, token)
        threading.Thread(target=on_page, args=(page,)).start()


@pytest.mark.parametrize("count", [0, 11, 1500])
def test_pages_that_nobody_waits_for_come_in_order(count: int) -> None:
    server = Server(count)
    begin = Asynchronous(server)
    pages = Pages(never, server(None, None), begin=begin)
    assert [item.key for page in pages for item in page] == server.keys
    assert server.requests <= 1.2 * max(1, -(-count // SIZE))


def test_what_did_not_come_is_fetched_with_all_retries() -> None:
    server = Server(1500)
    fetched: list[str | None] = []

    def fetch(after: str | None, token: str | None) -> Page:
        fetched.append(after)
        return server(after, token)

    begin = Asynchronous(server, fails=lambda number: number % 3 == 0)
    pages = Pages(fetch, server(None, None), begin=begin)
    assert [item.key for page in pages for item in page] == server.keys
    assert len(fetched) == begin.begun // 3


def test_where_nothing_can_be_begun_all_is_fetched() -> None:
    server = Server(500)

    def begin(after: str | None, token: str | None, on_page: OnPage) -> None:
        raise TransferError("the engine's thread is no more")

    pages = Pages(server, server(None, None), begin=begin)
    assert [item.key for page in pages for item in page] == server.keys


def test_a_page_that_takes_long_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(100)
    lines: list[str] = []
    late: list[OnPage] = []

    def listener(line: str) -> None:
        lines.append(line)
        late.pop()(server(server.keys[SIZE - 1], None))

    monkeypatch.setattr(waiting, "_listener", listener)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.001)
    first = server(None, None)

    def begin(after: str | None, token: str | None, on_page: OnPage) -> None:
        if after == server.keys[SIZE - 1]:
            late.append(on_page)
        else:
            Asynchronous(server)(after, token, on_page)

    pages = Pages(never, first, width=1, begin=begin, waits_for=lambda: "an answer of http://host")
    assert [item.key for page in pages for item in page] == server.keys
    assert lines == ["waiting: an answer of http://host"]


def never(after: str | None, token: str | None) -> Page:
    raise AssertionError("not to be fetched")


@pytest.mark.parametrize("etag", [ETAG, ETAG + "-2", ETAG.upper(), " " * 32, "e", ""])
@pytest.mark.parametrize("stored", [0, 10, 100_000])
def test_pages_that_wait_are_what_they_were(etag: str, stored: int) -> None:
    columns = s3api.Columns.of(
        s3api.ListedObject(f"k\n{n}", 1 << 60, etag, n / 7 or None, "GLACIER" if n > 3 else None) for n in range(6)
    )
    packed = _packed(columns, stored)
    assert (_unpacked(packed) if isinstance(packed, bytes) else packed) == columns
    empty = s3api.Columns.of(())
    packed = _packed(empty, stored)
    assert (_unpacked(packed) if isinstance(packed, bytes) else packed) == empty
