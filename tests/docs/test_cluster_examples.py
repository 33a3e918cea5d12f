"""The examples for Slurm, GNU parallel, Kubernetes and Nextflow, run as plain processes with the variables they set."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.split import content, data, start

__all__ = ["data"]

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text()
COMMANDS = {
    "slurm": r"--wrap '(s3am split move [^']*)'",
    "parallel": r"--sshlogin \S+ (s3am split move .*) :::",
    "kubernetes": r'"(s3am split move [^"]*JOB_COMPLETION_INDEX[^"]*)"',
    "nextflow": r'script: "(s3am split move [^"]*)"',
}
"""System -> where the page has its command."""


def task(system: str, share: int, job: str) -> tuple[str, dict[str, str]]:
    """The command as the system hands it to a shell, and the variables that it sets, for one task."""
    found = re.findall(COMMANDS[system], PAGE)
    assert len(found) == 1, (system, found)
    text: str = re.sub(r"(\$\{params\.job\}|(/shared/)?job\.json)", job, found[0])
    text = text.replace("${share}", str(share)).replace("{}", str(share))  # as Nextflow and GNU parallel do
    return text, {"SLURM_ARRAY_TASK_ID": str(share), "JOB_COMPLETION_INDEX": str(share - 1)}


@pytest.mark.parametrize("system", COMMANDS)
def test_each_task_moves_its_share(system: str) -> None:
    text, variables = task(system, 3, "JOB")
    done = subprocess.run(
        ["sh", "-c", f's3am() {{ echo "$@"; }}; {text}'], env=variables, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"split move JOB 3/[48]\n", done.stdout), done.stdout


def test_tasks_of_three_systems_move_one_object(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    s3am = f"s3am() {{ {sys.executable} -c 'from s3amfs.cli.main import script; script()' \"$@\"; }}"
    running = []
    for system, share in (("slurm", 2), ("kubernetes", 3), ("nextflow", 4), ("nextflow", 5)):
        text, variables = task(system, share, str(job))
        cli.command = ["env", *(f"{name}={value}" for name, value in variables.items()), "sh", "-c"]
        running.append(cli.start(f"{s3am}; {text}"))
    for process in running:
        done = process.wait()
        assert done.rc == 0, done.stderr
    cli.command = [sys.executable, "-c", "from s3amfs.cli.main import script; script()"]
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "k") == data
