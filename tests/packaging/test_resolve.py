"""pip finds a current, consistent set of packages without a search, in a venv that already has the newest boto3.

The danger: s3fs needs aiobotocore, which allows a handful of botocore versions, while boto3 asks for its own. Without
bounds pip tried hundreds of pairs for minutes and ended at an s3fs of years ago. S3AMFS_PYTHONS (paths, ':' between)
names more interpreters to prove it with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = [sys.executable, *filter(None, os.environ.get("S3AMFS_PYTHONS", "").split(":"))]
MOST_FILES = 100
"""That pip reads to decide: two of each package are enough, and it may look at another version of some."""


def run(*command: object, timeout: float = 400) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.packaging
@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_installs_beside_the_newest_boto3(python: str, tmp_path: Path) -> None:
    run(python, "-m", "venv", "--without-pip", tmp_path / "venv")
    own = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", own)
    run(*pip, "install", "-q", "--no-compile", "boto3")
    log = run(*pip, "install", "--no-compile", "--progress-bar", "off", "--report", tmp_path / "report", ".")
    report = json.loads((tmp_path / "report").read_text())
    chosen = {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in report["install"]}
    files = re.findall(r"^ *(?:Downloading|Using cached) (\S+)", log, re.M)
    assert 0 < len(files) <= MOST_FILES, files
    assert int(chosen["s3fs"].split(".")[0]) >= 2026, chosen
    assert "No broken requirements" in run(*pip, "check")
    run(own, "-c", "import boto3, s3fs, pycurl, s3amfs; boto3.client('s3', region_name='us-east-1')")
    assert run(own.parent / "s3am", "--help").startswith("usage")
    share = own.parent.parent / "share"
    assert (share / "man/man1/s3am.1").read_text().startswith(".TH S3AM 1")
    for place in (
        "bash-completion/completions/s3am",
        "zsh/site-functions/_s3am",
        "fish/vendor_completions.d/s3am.fish",
    ):
        assert "--download-exists" in (share / place).read_text() or "-l download-exists" in (share / place).read_text()
