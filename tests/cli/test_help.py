"""Help that teaches, completion that is valid, usage errors of one line."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from s3amfs.cli.main import COMMANDS, build_parser
from tests.support.cli import Cli


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples_and_exit_codes(cli: Cli, command: str) -> None:
    text = cli.ok(command, "--help").stdout
    assert f"s3am {command}" in text
    assert "examples:" in text
    assert "exit codes:" in text


@pytest.mark.parametrize(
    "words", [(), ("nonsense",), ("upload",), ("upload", "a", "b", "--nonsense"), ("cancel", "--pre", "x")]
)
def test_usage_errors(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli(*words)
    assert (result.rc, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith("error: ")


def test_general_options_stand_before_and_after() -> None:
    parser = build_parser()
    for words in (
        ["--region", "x", "pending"],
        ["pending", "--region", "x"],
        ["--region", "y", "pending", "--region", "x"],
    ):
        assert parser.parse_args(words).region == "x"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli: Cli, shell: str) -> None:
    text = cli.ok("completion", shell).stdout
    assert "download" in text
    assert "file-exists" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n", "/dev/stdin"], input=text, text=True, check=True)


def test_manual_page(cli: Cli) -> None:
    text = cli.ok("completion", "man").stdout
    assert text.startswith(".TH S3AM 1")
    assert all(f".SH {command.upper()}" in text for command in COMMANDS)
