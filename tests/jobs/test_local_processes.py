"""Processes for one object, by what is known of its line, this machine and what is installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.core.lines import LineState
from s3amfs.engine.client import S3Client
from s3amfs.jobs import local_processes as module

GIB = 1024**3


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    monkeypatch.setattr(module, "find_spec", lambda _name: True)


def chosen(*, rate: float = 2e9, size: int = 500 * GIB) -> int:
    line = SimpleNamespace(state=lambda: LineState(64, rate))
    lines = SimpleNamespace(line=lambda _endpoint, _direction: line)
    client: Any = SimpleNamespace(endpoint=lambda _bucket: "https://s3", engine=SimpleNamespace(lines=lines))
    return module.local_processes(cast(S3Client, client), "bucket", "down", lambda: size)


def test_a_large_object_over_a_fast_line() -> None:
    assert chosen() == 4


def test_not_for_a_slow_line_or_a_smaller_object() -> None:
    assert (chosen(rate=1e8), chosen(size=GIB)) == (1, 1)


def test_not_where_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert chosen() == 1


def test_the_size_is_asked_for_only_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    client: Any = SimpleNamespace(
        endpoint=lambda _bucket: "https://s3",
        engine=SimpleNamespace(lines=SimpleNamespace(line=lambda *_: SimpleNamespace(state=lambda: None))),
    )
    assert module.local_processes(cast(S3Client, client), "bucket", "up", lambda: pytest.fail("asked")) == 1
