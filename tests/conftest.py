"""Fixtures every test may use; what they give is listed in tests/support/README.md."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.botocore_data import read_data_once
from tests.support.cli import Cli
from tests.support.kernel import require_fuse
from tests.support.order import dealt
from tests.support.proxy import FaultProxy
from tests.support.tls import Certificates

pytest_plugins = ["tests.support.clients"]

hypothesis.settings.register_profile("loaded", hypothesis.settings(), deadline=None)
"""An example may take any time: on a loaded machine any of them takes more than hypothesis' 200 ms now and then."""
hypothesis.settings.load_profile("loaded")
hypothesis.settings.register_profile("unit", max_examples=10, database=None)
"""For `make unit`; `make test` draws as many examples as hypothesis does by itself."""

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Background jobs of a shell ignore SIGINT, and so do their children; those of the tests are to be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    read_data_once()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need an S3 server are no unit tests: `make unit` leaves them out.

    Each process begins with some of the slow ones, so that the last minutes of all are not those of a single one.
    """
    for item in items:
        if {"s3", "lax"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("server")
    slow, quick = [], []
    for item in items:
        (quick if item.get_closest_marker("slow") is None else slow).append(item)
    items[:] = dealt(slow, quick, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("fuse") is not None:
        require_fuse()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """pytest leaves a link for each of its folders, and goes through all that are there for each new one."""
    yield tmp_path
    tmp_path.with_name(tmp_path.name[:-1] + "current").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Certificates:
    """A certificate authority of this run and a server certificate for localhost and 127.0.0.1."""
    shared: Any = pytestconfig.pluginmanager.get_plugin("shared-server")
    if shared is not None:
        return shared.certs  # type: ignore[no-any-return]
    return Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def s3(certs: Certificates, pytestconfig: pytest.Config) -> Iterator[SeaweedServer]:
    """One real S3 server (each pytest-xdist worker has its own; the children of tests/mutants share one)."""
    shared: Any = pytestconfig.pluginmanager.get_plugin("shared-server")
    if shared is not None:
        yield shared.server
        return
    with SeaweedServer(tls=(str(certs.certificate), str(certs.key))) as server:
        yield server


def boto_client(endpoint_url: str, access_key: str, secret_key: str) -> Any:
    """A boto3 client: the independent oracle. Plain requests, no retries hidden from the test."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture(scope="session")
def boto(s3: SeaweedServer) -> Any:
    """boto3 S3 client of the server."""
    return boto_client(s3.endpoint_url, s3.access_key, s3.secret_key)


@pytest.fixture
def new_bucket(s3: SeaweedServer, boto: Any) -> Iterator[Any]:
    """A function that makes a fresh bucket and returns its name; all are removed after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"t{os.getpid()}-{next(_numbers)}"
        boto.create_bucket(Bucket=name)
        made.append(name)
        s3.grow(name)
        return name

    yield make
    for name in made:
        boto.delete_bucket(Bucket=name)  # SeaweedFS removes all that is in it, unfinished uploads and versions too


@pytest.fixture
def bucket(new_bucket: Any) -> str:
    """A fresh bucket, removed after the test."""
    return str(new_bucket())


@pytest.fixture
def cli(s3: SeaweedServer, tmp_path: Path, request: pytest.FixtureRequest) -> Cli:
    """`cli("upload", src, dst)` runs s3am against the server, with a HOME of its own."""
    forks = request.node.get_closest_marker("interpreter") is None
    return Cli(tmp_path / "home", s3.environment(), forks=forks)


@pytest.fixture
def proxy(s3: SeaweedServer) -> Iterator[FaultProxy]:
    """A recording proxy before the server; harmless until it is given rules."""
    with FaultProxy(s3.endpoint_url) as proxy:
        yield proxy
