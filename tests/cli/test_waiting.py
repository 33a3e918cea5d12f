"""No wait in silence: a dead service, two signals at once, progress without a terminal."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from s3amfs.cli.progress_lines import ProgressLines
from s3amfs.core.events import BytesMoved, PartFinished, PartRetried, TransferStarted
from tests.support.cli import Cli
from tests.support.faults import Rule, internal_error, stall
from tests.support.files import make_file
from tests.support.proxy import FaultProxy


@pytest.fixture
def nobody() -> dict[str, str]:
    """The environment of an endpoint that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}


def test_a_dead_service_is_named_once_and_given_up(cli: Cli, nobody: dict[str, str], tmp_path: Path) -> None:
    file = make_file(tmp_path / "f", 1000, 1)
    result = cli("upload", "--retry-budget", "6", file, "s3://bucket/k", env=nobody)
    said = result.stderr.splitlines()
    assert (result.rc, len(said)) == (1, 2), result.stderr
    assert said[0].startswith("waiting: ") and "127.0.0.1" in said[0]
    assert said[1].startswith("error: ")
    assert 5 < result.wall < 30


def test_a_server_that_always_fails_is_named_once(cli: Cli, bucket: str, proxy: FaultProxy, tmp_path: Path) -> None:
    file = make_file(tmp_path / "f", 1000, 1)
    proxy.rules.append(Rule("Put", internal_error()))
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    result = cli("upload", "--json", "--retry-budget", "7", file, f"s3://{bucket}/k", env=through)
    said = [line for line in result.stderr.splitlines() if line.startswith("waiting: ")]
    assert result.rc == 1 and len(said) == 1 and "500" in said[0], result.stderr
    assert [line["message"] for line in result.json_lines() if line["event"] == "waiting"] == said


def test_nothing_stays_where_no_server_was_reached(cli: Cli, nobody: dict[str, str], tmp_path: Path) -> None:
    file = make_file(tmp_path / "f", 1000, 1)
    running = cli.start("upload", "--verbose", file, "s3://bucket/k", env=nobody)
    assert running.wait_until(lambda: "trying again" in running.stderr())
    running.interrupt()
    result = running.wait()
    assert result.rc == 130
    assert result.stderr.splitlines()[-1] == "error: interrupted: no server was reached, nothing was moved"


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,) * 2, (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM,) * 5])
def test_signals_at_once_are_one(
    cli: Cli, bucket: str, proxy: FaultProxy, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    file = make_file(tmp_path / "f", 12 << 20, 1)
    proxy.rules.append(Rule("UploadPart", stall("request_body", seconds=55, after=1000)))
    through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}
    running = cli.start("upload", "--part-size", "5M", file, f"s3://{bucket}/k", env=through)
    assert proxy.wait_for(lambda: len(proxy.of("UploadPart")) >= 1)
    for number in numbers:
        os.kill(running.pid, number)
    result = running.wait()
    assert (result.rc, len(result.stderr.splitlines())) == (130, 1), result.stderr
    assert "--resume" in result.stderr


def test_progress_without_a_terminal_is_lines_even_while_nothing_moves() -> None:
    said: list[str] = []
    twice = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if len(said) >= 2:
            twice.set()

    started = TransferStarted("upload", "a", "b", 10 << 20, 5 << 20, 2, resumed_parts=1, resumed_bytes=5 << 20)
    progress = ProgressLines(started, say, every=0.02)
    progress.show(BytesMoved(6 << 20, 10 << 20))
    progress.show(PartRetried(2, 1, 0.5, "reset"))
    assert twice.wait(10)
    progress.show(PartFinished(2, 5 << 20, 2))
    progress.show(BytesMoved(10 << 20, 10 << 20))
    assert progress.text().startswith("upload: 10 MiB of 10 MiB, ")
    assert progress.text().endswith("/s, part 2 of 2, 1 retry")
    progress.close()
    assert all(line.startswith("upload: ") for line in said)
