"""Whether several processes move an object when nobody has asked for them, and what forbids it."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3amfs.cli import worker_options
from s3amfs.cli.main import build_parser
from s3amfs.cli.output import Output
from s3amfs.core.lines import LineState
from s3amfs.engine.client import S3Client

GIB = 1024**3
QUIET = Output(json=False, verbose=False, progress=False)


def parsed(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["download", *words, "s3://bucket/k", "f"])


def chosen(args: argparse.Namespace, *, rate: float = 2e9, size: int = 500 * GIB) -> str | None:
    line = SimpleNamespace(state=lambda: LineState(64, rate))
    lines = SimpleNamespace(line=lambda _endpoint, _direction: line)
    client: Any = SimpleNamespace(endpoint=lambda _bucket: "https://s3", engine=SimpleNamespace(lines=lines))
    return worker_options.chosen_workers(args, QUIET, cast(S3Client, client), "bucket", "down", lambda: size)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3amfs.engine.resources.usable_cores", lambda: 8)
    monkeypatch.setattr(worker_options, "find_spec", lambda _name: True)


def test_a_large_object_over_a_fast_line() -> None:
    assert chosen(parsed()) == "local:4"


def test_not_for_a_slow_line_or_a_smaller_object() -> None:
    assert chosen(parsed(), rate=1e8) is None
    assert chosen(parsed(), size=GIB) is None


def test_not_where_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_options, "find_spec", lambda _name: None)
    assert chosen(parsed()) is None


@pytest.mark.parametrize(
    "words",
    ["--processes 1", "--bwlimit 1M", "--sparse", "--trace t", "--download-slots 4", "--sse-key-file k", "--memory 1G"],
)
def test_not_where_an_option_speaks_of_one_process(words: str) -> None:
    assert chosen(parsed(*words.split())) is None


def test_one_process_is_this_one() -> None:
    assert worker_options.workers_of(parsed("--processes", "1"), QUIET) is None
    assert worker_options.workers_of(parsed("--processes", "2"), QUIET) == "local:2"
