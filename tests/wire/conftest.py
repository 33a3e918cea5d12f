"""No AWS configuration of the machine may leak into these tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3amfs.wire.curl.multi import Multi
from tests.support.httpserver import HttpServer
from tests.wire.curl_helpers import RawServer


@pytest.fixture(autouse=True)
def no_aws_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def multi() -> Iterator[Multi]:
    multi = Multi()
    yield multi
    multi.close()


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer() as web:
        yield web


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket, int], None]], RawServer]]:
    servers: list[RawServer] = []

    def make(serve: Callable[[socket.socket, int], None]) -> RawServer:
        servers.append(RawServer(serve))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
