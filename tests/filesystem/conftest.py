"""File systems against the real server."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from s3amfs.demo.seaweed import SeaweedServer

MIB = 1024 * 1024


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
