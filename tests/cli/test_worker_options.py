"""Whether several processes move an object when nobody has asked for them, and what forbids it."""

from __future__ import annotations

import argparse
from typing import cast

import pytest

from s3amfs.cli import worker_options
from s3amfs.cli.main import build_parser
from s3amfs.cli.output import Output
from s3amfs.engine.client import S3Client

QUIET = Output(json=False, verbose=False, progress=False)


def parsed(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["download", *words, "s3://bucket/k", "f"])


def chosen(args: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, count: int = 4) -> str | None:
    monkeypatch.setattr("s3amfs.jobs.local_processes.local_processes", lambda *_: count)
    return worker_options.chosen_workers(args, QUIET, cast(S3Client, None), "bucket", "down", lambda: 1)


def test_as_many_as_the_object_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(parsed(), monkeypatch) == "local:4"
    assert chosen(parsed(), monkeypatch, 1) is None


@pytest.mark.parametrize(
    "words",
    ["--processes 1", "--bwlimit 1M", "--sparse", "--trace t", "--download-slots 4", "--sse-key-file k", "--memory 1G"],
)
def test_not_where_an_option_speaks_of_one_process(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(parsed(*words.split()), monkeypatch) is None


def test_one_process_is_this_one() -> None:
    assert worker_options.workers_of(parsed("--processes", "1"), QUIET) is None
    assert worker_options.workers_of(parsed("--processes", "2"), QUIET) == "local:2"
