"""Helpers of these tests: run exchanges on a Multi of the test's own thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from s3amfs.wire.curl.exchange import Exchange
from s3amfs.wire.curl.multi import Multi
from s3amfs.wire.curl.options import Options
from s3amfs.wire.curl.streams import Chunks, Reader, Sink
from s3amfs.wire.messages import HttpRequest, Reply


def drive(multi: Multi, until: Callable[[], bool], seconds: float = 20.0) -> None:
    """Polls until the condition holds; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "nothing happened in time"
        multi.poll(0.2)


def run(
    multi: Multi,
    request: HttpRequest,
    *,
    reader: Reader | None = None,
    sink: Sink | None = None,
    chunks: Chunks | None = None,
) -> Exchange:
    """Sends one request to its end."""
    done: list[Exchange] = []
    multi.start(Exchange(request, done.append, reader=reader, sink=sink, chunks=chunks))
    drive(multi, lambda: bool(done))
    return done[0]


def fetch(url: str, options: Options = (), headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """One GET with a Multi of its own."""
    multi = Multi()
    try:
        return run(multi, HttpRequest("GET", url, headers, options=options)).reply
    finally:
        multi.close()
