"""Clients straight to the server and through the proxy, and a file of two and a half parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import Event, Warned
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Client, S3Config, connect
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024


class Events(list[Event]):
    """Takes events; `warnings` are their messages."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self if isinstance(event, Warned)]


def client_of(s3: SeaweedServer, endpoint_url: str, **choices: Any) -> S3Client:
    return connect(
        S3Config(
            endpoint_url=endpoint_url,
            access_key=s3.access_key,
            secret_key=s3.secret_key,
            region="us-east-1",
            **choices,
        )
    )


@pytest.fixture
def client(s3: SeaweedServer) -> S3Client:
    """Straight to the server."""
    return client_of(s3, s3.endpoint_url)


@pytest.fixture
def through(s3: SeaweedServer, proxy: FaultProxy) -> S3Client:
    """Through the recording proxy."""
    return client_of(s3, proxy.endpoint_url)


@pytest.fixture
def hasty(s3: SeaweedServer, proxy: FaultProxy) -> S3Client:
    """Through the recording proxy, and gives up at the first failure."""
    return client_of(s3, proxy.endpoint_url, retry_budget=0.0)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two and a half parts of 5 MiB."""
    return make_file(tmp_path / "f", 5 * PART // 2, 1)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the manifests."""
    monkeypatch.setenv("S3AM_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
