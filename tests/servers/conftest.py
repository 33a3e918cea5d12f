"""A running server of each kind that is here, what `s3am doctor` says of it, and clients of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.findings import Finding
from s3amfs.core.locations import S3Location
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.verbs.doctor import doctor
from tests.servers.program import Server
from tests.servers.servers import IN_CI, SERVERS
from tests.support.clients import Events
from tests.support.proxy import FaultProxy

_numbers = itertools.count(1)


def boto_of(server: Server) -> Any:
    """The independent oracle; it sends no checksums that a server may not know."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def client_of(server: Server, url: str, **choices: Any) -> S3Client:
    keys = {"access_key": server.access_key, "secret_key": server.secret_key, "region": server.region}
    return connect(S3Config(endpoint_url=url, **keys, **choices))


def examined(server: Server, bucket: str, url: str = "") -> dict[str, Finding]:
    """Capability -> what the doctor found; remembered in S3AM_STATE_DIR."""
    client = client_of(server, url or server.endpoint_url)
    return {finding.capability: finding for finding in doctor(S3Location(bucket, "probe"), client)}


@pytest.fixture(scope="session", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server that is here; those of CI have to be, where CI=true and .ci/run could build them."""
    kind = SERVERS[request.param]
    missing = kind.why_not()
    if missing:
        required = os.environ.get("CI") == "true" and "S3AM_WITHOUT_SERVERS" not in os.environ
        assert not (required and kind.name in IN_CI), f"{kind.name}: {missing}"
        pytest.skip(f"{kind.name}: {missing}")
    with kind(tmp_path_factory.mktemp(kind.name) / "server") as running:
        yield running


@pytest.fixture(scope="session")
def has(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Capability -> whether the server was seen to have it."""
    boto = boto_of(server)
    boto.create_bucket(Bucket="examined")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("S3AM_STATE_DIR", str(tmp_path_factory.mktemp("doctor")))
        return {name: found.result == "yes" for name, found in examined(server, "examined").items()}


class Service:
    """A fresh bucket of a server, reached through a recording proxy."""

    def __init__(self, server: Server, proxy: FaultProxy, has: dict[str, bool], folder: Path) -> None:
        self.server, self.proxy, self.has, self.folder = server, proxy, has, folder
        self.boto = boto_of(server)
        self.bucket = f"bucket-{os.getpid()}-{next(_numbers)}"
        self.boto.create_bucket(Bucket=self.bucket)
        self.client = self.connect()
        self.events = Events()

    def connect(self, **choices: Any) -> S3Client:
        """A client that knows nothing yet."""
        return client_of(self.server, self.proxy.endpoint_url, **choices)

    def at(self, key: str) -> S3Location:
        return S3Location(self.bucket, key)

    def put(self, key: str, data: bytes) -> None:
        """By the oracle, with a type and metadata that are to be kept."""
        kept = {"ContentType": "text/x-kept", "Metadata": {"mine": "kept"}}
        self.boto.put_object(Bucket=self.bucket, Key=key, Body=data, **kept)

    def described(self, key: str) -> tuple[str, dict[str, str]]:
        """Type and metadata; gofakes3 begins their names with a capital letter."""
        head = self.boto.head_object(Bucket=self.bucket, Key=key)
        return head["ContentType"], {name.lower(): value for name, value in head["Metadata"].items()}

    def stored(self, key: str) -> bytes:
        return bytes(self.boto.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self) -> list[str]:
        listed = self.boto.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return [entry["Key"] for entry in listed]

    def unfinished(self) -> list[str]:
        if not self.has["list-uploads"]:
            return []
        try:
            listed = self.boto.list_multipart_uploads(Bucket=self.bucket)
        except self.boto.exceptions.NoSuchUpload:  # gofakes3, of a bucket without any
            return []
        return [entry["Key"] for entry in listed.get("Uploads") or ()]


@pytest.fixture
def service(server: Server, has: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    with FaultProxy(server.endpoint_url) as proxy:
        yield Service(server, proxy, has, tmp_path)
