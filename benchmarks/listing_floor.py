"""The least that a listing in parallel can cost in one Python process: pages fetched by pycurl and parsed, no more.

    python -m benchmarks.listing_floor [--keys 1000000] [--delay 0.05] [--width 32]

The server is that of `benchmarks.listing`. One thread and one multi handle; the keys where each page begins are known
before, nothing is signed, checked, put in order or stored, and each page is dropped once it is parsed. What
`python -m benchmarks.listing --pages` takes longer is the price of doing it for keys that nobody knows.
"""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from urllib.parse import quote

import pycurl

from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api

from .listing import NAME, PAGE, serve


class Fetcher:
    """Fetches page after page of what is left, on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._chunks: list[bytes] = []
        self.handle = pycurl.Curl()
        self.handle.setopt(pycurl.WRITEFUNCTION, self._chunks.append)
        self.handle.setopt(pycurl.NOSIGNAL, 1)
        self.handle.fetcher = self

    def begin(self, number: int) -> None:
        after = quote(NAME.format(prefix="a/", number=number * PAGE - 1)) if number else ""
        self._chunks.clear()
        self.handle.setopt(pycurl.URL, f"{self._url}&start-after={after}")

    def parsed(self) -> int:
        """How many keys the page has that has arrived."""
        page = s3api.parse_listing(Reply(200, {}, b"".join(self._chunks)))
        return len(page.columns.objects())


def fetch_all(url: str, pages: int, width: int) -> int:
    """How many keys all pages have together."""
    multi = pycurl.CurlMulti()
    todo = iter(range(pages))
    fetchers = [Fetcher(url) for _ in range(min(width, pages))]
    keys = active = 0
    for fetcher in fetchers:
        fetcher.begin(next(todo))
        multi.add_handle(fetcher.handle)
        active += 1
    while active:
        multi.perform()
        _, done, failed = multi.info_read()
        assert not failed, failed
        for handle in done:
            multi.remove_handle(handle)
            keys += handle.fetcher.parsed()
            number = next(todo, None)
            if number is None:
                active -= 1
                continue
            handle.fetcher.begin(number)
            multi.add_handle(handle)
        if not done:
            multi.select(1.0)
    return keys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that each page takes longer")
    parser.add_argument("--width", type=int, default=32, help="pages in flight")
    args = parser.parse_args()
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(args.keys, args.delay, there), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/bucket?list-type=2&encoding-type=url&prefix=a%2F"
    begun, cpu = time.monotonic(), time.process_time()
    found = fetch_all(url, -(-args.keys // PAGE), args.width)
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    here.send("end")
    requests, server_cpu = here.recv()
    assert found == args.keys, found
    print(
        f"{args.width} pages in flight: {wall:.1f} s, {found / wall:,.0f} keys/s, {requests:,} requests, "
        f"{cpu / requests * 1000:.1f} ms CPU a page here, {server_cpu / requests * 1000:.1f} ms there"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
