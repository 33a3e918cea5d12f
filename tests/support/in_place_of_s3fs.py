"""A pytest plugin for s3fs's own tests: puts S3AMFileSystem in s3fs's place and writes every outcome down.

S3FS_TEST_CLASS says what is tested: 's3fs', 'default' (our class) or 'forced' (the engine in parts for every size).
It notes the tests in which our class asks which size goes in parts: the others are the same, forced or not.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import pickle
import socket
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
import requests
import s3fs
import s3fs.core
from moto.moto_server import threaded_moto_server
from moto.s3.models import s3_backends

from s3amfs.filesystem import base, system
from tests.support.botocore_data import load_authorities_once, read_data_once

WHICH = os.environ["S3FS_TEST_CLASS"]
ACCOUNT, PARTITION = "123456789012", "aws"
"""Of moto, where a request does not say."""
_outcomes: dict[str, str] = {}
_sized: set[str] = set()
"""Tests in which our class asked from which size on an object goes in parts."""
_running = ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class OneServer(threaded_moto_server.ThreadedMotoServer):  # type: ignore[misc]
    """The tests stop their server and start it again at the same port, which somebody else may have by then."""

    running = False

    def start(self) -> None:
        if not OneServer.running:
            super().start()
            OneServer.running = True

    def stop(self) -> None:
        """Only what it holds goes."""
        requests.post(f"http://127.0.0.1:{os.environ['S3FS_TEST_PORT']}/moto-api/reset", timeout=60)


class Preparing:
    """A client of botocore for the fixture that fills the server before each test with the same three buckets.

    The first time its calls are made, and what moto has then is kept; from then on the same calls are answered by a
    copy of that. A call that differs has all before it made.
    """

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Of the first time."""
    state = b""
    """As bytes: a reset of moto empties every object that lives."""

    def __init__(self, client: Any) -> None:
        self._client, self._seen, self._replays = client, list[tuple[str, dict[str, Any]]](), bool(Preparing.calls)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self._call, name)

    def _call(self, name: str, **words: Any) -> Any:
        self._seen.append((name, words))
        if not self._replays:
            return getattr(self._client, name)(**words)
        if self._seen[-1] == Preparing.calls[len(self._seen) - 1]:
            if len(self._seen) == len(Preparing.calls):
                self._replays = False
                backend = s3_backends[ACCOUNT][PARTITION]
                backend.buckets = pickle.loads(Preparing.state)
                s3_backends.bucket_accounts.update(dict.fromkeys(backend.buckets, (PARTITION, ACCOUNT)))
            return None
        self._replays = False
        return [getattr(self._client, call)(**words) for call, words in self._seen][-1]

    def finish(self) -> None:
        if not Preparing.calls:
            Preparing.calls = tuple(self._seen)
            Preparing.state = pickle.dumps(s3_backends[ACCOUNT][PARTITION].buckets)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    prepares = fixturedef.argname == "s3" and getattr(fixturedef.func, "__module__", "").endswith("test_s3fs")
    if not prepares:
        return (yield)
    scope = fixturedef.func.__globals__
    make = scope["get_boto3_client"]
    made: list[Preparing] = []

    def prepare() -> Preparing:
        made.append(Preparing(_client_of(make)))
        return made[-1]

    scope["get_boto3_client"] = prepare
    try:
        result = yield
        for client in made:
            client.finish()
        return result
    finally:
        scope["get_boto3_client"] = make


@functools.cache
def _client_of(make: Any) -> Any:
    return make()


def _ask_for_size(cls: type) -> None:
    """Notes who asks from which size on objects go in parts; no size is too small where all are to."""

    def read(self: Any) -> int:
        _sized.add(_running)
        return 0 if WHICH == "forced" else int(self.__dict__["threshold"])

    def write(self: Any, value: int) -> None:
        self.__dict__["threshold"] = value

    cls.threshold = property(read, write)  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    os.environ["S3FS_TEST_PORT"] = str(_free_port())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    read_data_once()
    load_authorities_once()
    threaded_moto_server.ThreadedMotoServer = OneServer
    if WHICH == "s3fs":
        return
    _ask_for_size(base.EngineFileSystem)
    s3fs.S3FileSystem = s3fs.core.S3FileSystem = system.S3AMFileSystem
    system.register_s3()
    assert fsspec.get_filesystem_class("s3") is system.S3AMFileSystem


def pytest_runtest_logstart(nodeid: str) -> None:
    global _running
    _running = nodeid


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome == "failed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    with open(os.environ["S3FS_TEST_OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump({"outcomes": _outcomes, "sized": sorted(_sized)}, file)
