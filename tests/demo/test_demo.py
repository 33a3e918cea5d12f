"""`s3am demo` as users run it: it ends well, and leaves nothing behind, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from s3amfs.demo import run
from s3amfs.errors import TransferError, UsageError
from tests.support.cli import Cli
from tests.support.source import tool


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    (tmp_path / "tmp").mkdir()
    return Cli(
        tmp_path / "home",
        {"TMPDIR": str(tmp_path / "tmp"), "AWS_PROFILE": "none-such", "HTTP_PROXY": "x:1"},
        forks=False,
    )


def commands_that_mention(text: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if text in line]


def assert_nothing_is_left(tmp_path: Path) -> None:
    assert list((tmp_path / "tmp").iterdir()) == []
    assert commands_that_mention(str(tmp_path / "tmp")) == []


def test_the_demonstration(cli: Cli, tmp_path: Path) -> None:
    done = cli.ok("demo", "--size", "64MiB")
    parts = re.search(r"killed after (\d+) of (\d+) parts", done.stdout)
    assert parts is not None
    assert 0 < int(parts[1]) < int(parts[2]) == 13
    resumed = re.search(r"(\d+) parts were there, (\d+) were sent", done.stdout)
    assert resumed is not None
    assert int(resumed[1]) >= int(parts[1])
    assert int(resumed[1]) + int(resumed[2]) == 13
    assert "compared byte by byte: equal" in done.stdout
    assert "All as it should be" in done.stdout
    recording = tool("record_demo")
    shown = recording.texts_of(recording.PICTURE.read_text(encoding="utf-8"))
    printed = done.stdout.replace(" --part-size 5MiB", "").splitlines()  # of small sizes only
    without_proofs = [[line for line in lines if "proof: " not in line] for lines in (shown, printed)]
    assert len(set(map(str, map(recording.without_figures, without_proofs)))) == 1, "make recording draws it again"
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demonstration_cleans_up(cli: Cli, tmp_path: Path, number: signal.Signals) -> None:
    running = cli.start("demo", "--size", "64MiB")
    assert running.kill_when(lambda: "$ s3am upload" in running.stdout(), number)
    assert running.wait(60).rc == 130
    assert_nothing_is_left(tmp_path)


def test_a_size_that_is_too_small_to_be_interrupted() -> None:
    with pytest.raises(UsageError, match="64 MiB"):
        run.main(1)


def test_a_command_that_fails_fails_the_demonstration(tmp_path: Path) -> None:
    demo = run.Demo(tmp_path, {**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"})
    with pytest.raises(TransferError, match="exited 5"):
        demo.s3am("upload", "file://elsewhere/file", "s3://bucket/key")
    with pytest.raises(TransferError, match="exited 0, not -9"):
        demo.s3am("pending", "--help", kill_after=0.5)
