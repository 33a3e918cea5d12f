"""Help that teaches, completion that is valid, usage errors of one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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
    command = f"{words[0]} " if words and words[0] in COMMANDS else ""
    assert result.stderr.endswith(f"; see 's3am {command}--help'\n")


def test_options_that_a_step_refuses_are_not_in_its_help(cli: Cli) -> None:
    text = cli.ok("split", "start", "--help").stdout
    assert "--part-size" in text
    assert "--dry-run" not in text
    assert "--resume" not in text


def test_general_options_stand_before_and_after() -> None:
    parser = build_parser()
    for words in (
        ["--region", "x", "pending"],
        ["pending", "--region", "x"],
        ["--region", "y", "pending", "--region", "x"],
    ):
        assert parser.parse_args(words).region == "x"


BASH = """
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_s3am
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=(${1:h} \\$fpath); autoload -U compinit; compinit -u -D; PS1=; LISTMAX=0; print re''ady"
zpty -r shell line '*ready*'
zpty -n -w shell "${(j: :)@[2,-1]}"$'\\t\\t'
zpty -r shell line "*$EXPECTED*"
print -r -- "$line"
"""
SHELLS = [shell for shell in ("bash", "zsh", "fish") if shell == "bash" or shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(cli: Cli, shell: str, tmp_path: Path) -> None:
    """The shells themselves complete: commands, options, the words that an option or a command takes."""
    script = tmp_path / "_s3am"
    script.write_text(cli.ok("completion", shell).stdout)
    subprocess.run([shell, "-n", str(script)], check=True)
    for words, expected in [
        (["s3am", "dow"], ["download"]),
        (["s3am", "download", "--file-e"], ["--file-exists"]),
        (["s3am", "upload", "--exists", "ov"], ["overwrite"]),
        (["s3am", "completion", "fi"], ["fish"]),
    ]:
        if shell == "fish":
            command = ["fish", "-c", f"source {script}; complete -C '{' '.join(words)}'"]
        else:
            command = [shell, *([] if shell == "bash" else ["-f"]), "-c", BASH if shell == "bash" else ZSH, "-"]
            command += [str(script), *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", "EXPECTED": expected[0]}
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
        assert expected[0] in said, (words, said)


def test_manual_page(cli: Cli) -> None:
    text = cli.ok("completion", "man").stdout
    assert text.startswith(".TH S3AM 1")
    assert all(f".SH {command.upper()}" in text for command in COMMANDS)
