"""What the tests of `s3am doctor` share: an examination, and a server that checks no signature."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Config, connect
from s3amfs.verbs.doctor import doctor
from tests.conftest import boto_client


def examine(endpoint: str, bucket: str, key: str, secret: str) -> dict[str, str]:
    """Capability -> 'yes', 'no' or 'unknown'."""
    client = connect(S3Config(endpoint_url=endpoint, access_key=key, secret_key=secret, region="us-east-1"))
    return {found.capability: found.result for found in doctor(S3Location(bucket, "p"), client)}


@pytest.fixture(scope="session")
def lax() -> Iterator[str]:
    """Checks no signature, so that a proxy may take headers away; takes checksums and stores none of them."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def lax_bucket(lax: str, request: pytest.FixtureRequest) -> str:
    name = f"b{abs(hash(request.node.name))}"
    boto_client(lax, "key", "secret").create_bucket(Bucket=name)
    return name
