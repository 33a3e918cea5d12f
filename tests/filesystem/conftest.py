"""File systems against the real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.support.botocore_data import load_authorities_once
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


def pytest_configure() -> None:
    load_authorities_once()


@pytest.fixture
def arguments(s3: SeaweedServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Constructor arguments; the engine from 1 MiB on, parts of 5 MiB."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    return {
        "key": s3.access_key,
        "secret": s3.secret_key,
        "endpoint_url": s3.endpoint_url,
        "multipart_threshold": MIB,
        "part_size": "5MiB",
    }


@pytest.fixture
def fs(arguments: dict[str, Any]) -> S3AMFileSystem:
    return S3AMFileSystem(**arguments, skip_instance_cache=True)


@pytest.fixture
def watched_arguments(arguments: dict[str, Any], proxy: FaultProxy) -> dict[str, Any]:
    return {**arguments, "endpoint_url": proxy.endpoint_url}


@pytest.fixture
def watched(watched_arguments: dict[str, Any]) -> S3AMFileSystem:
    """Through the proxy."""
    return S3AMFileSystem(**watched_arguments, skip_instance_cache=True)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Takes what SeaweedFS does not: keys with '..', KMS keys, unsigned writes."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def boto_of_moto(moto: str) -> Any:
    return boto_client(moto, "key", "secret")


@pytest.fixture
def moto_proxy(moto: str) -> Iterator[FaultProxy]:
    with FaultProxy(moto) as proxy:
        yield proxy
