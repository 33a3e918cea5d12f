"""A pytest plugin for s3fs's own tests: puts S3AMFileSystem in s3fs's place and writes every outcome down.

S3FS_TEST_CLASS says what is tested: 's3fs', 'default' (our class) or 'forced' (the engine in parts for every size).
"""

from __future__ import annotations

import json
import os
import socket

import fsspec
import pytest
import requests
import s3fs
import s3fs.core
from moto.moto_server import threaded_moto_server

from s3amfs.filesystem import base, system
from tests.support.botocore_data import read_data_once

WHICH = os.environ["S3FS_TEST_CLASS"]
_outcomes: dict[str, str] = {}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class OneServer(threaded_moto_server.ThreadedMotoServer):  # type: ignore[misc]
    """The tests stop their server and start it again at the same port, which somebody else may have by then."""

    running = False

    def start(self) -> None:
        if not OneServer.running:
            super().start()
            OneServer.running = True

    def stop(self) -> None:
        """Only what it holds goes."""
        requests.post(f"http://127.0.0.1:{os.environ['S3FS_TEST_PORT']}/moto-api/reset", timeout=60)


def pytest_configure(config: pytest.Config) -> None:
    os.environ["S3FS_TEST_PORT"] = str(_free_port())
    read_data_once()
    threaded_moto_server.ThreadedMotoServer = OneServer
    if WHICH == "s3fs":
        return
    if WHICH == "forced":
        base.THRESHOLD = 0
    s3fs.S3FileSystem = s3fs.core.S3FileSystem = system.S3AMFileSystem
    system.register_s3()
    assert fsspec.get_filesystem_class("s3") is system.S3AMFileSystem


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome == "failed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    with open(os.environ["S3FS_TEST_OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(_outcomes, file)
