"""Odd values of every option and argument of every command: one line and an exit code, never a traceback.

In process, for speed. Nothing answers at the endpoint, so a word that passes all checks ends with exit 1 at the latest.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.cli.main import build_parser, main
from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.tls import Certificates

ARGUMENTS = {
    "upload": ["f", "s3://bucket/key"],
    "download": ["s3://bucket/key", "out"],
    "cancel": ["s3://bucket/key"],
    "verify": ["s3://bucket/key"],
    "pending": ["s3://bucket"],
    "generate-sse-key": ["missing/key"],
    "umount": ["missing"],
}
ODD = ["", "-", "--", "x" * 3000, "ü", "-1", "nan", "a\nb", "http://[::1"]


def values_of(command: str) -> list[str]:
    subparsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    actions = subparsers.choices[command]._actions
    return [o for action in actions for o in action.option_strings if o.startswith("--") and action.nargs != 0]


@pytest.mark.parametrize("command", ARGUMENTS)
def test_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "f").write_bytes(b"x")
    arguments = ARGUMENTS[command]
    calls = [[f"{option}={odd}", *arguments] for option in values_of(command) for odd in ODD]
    calls += [[*arguments[:i], odd, *arguments[i + 1 :]] for i in range(len(arguments)) for odd in ODD if odd != "-"]
    for words in calls:
        try:
            code = main([command, "--retry-budget=0", "--timeout=1", *words])
        except SystemExit as ended:
            code = ended.code
        said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
        assert code in range(18), words
        assert code == 0 or (len(said) == 1 and said[0].startswith("error: ")), (words, code, said)


def test_names_that_are_no_unicode(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    """Bytes of a file name that are no UTF-8 reach Python as surrogates, which a strict stdout refuses."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"content")
    name = os.fsdecode(bytes(tmp_path) + b"/\xff")
    done = cli.ok("download", f"s3://{bucket}/k", name)
    assert "7 B" in done.stdout
    assert Path(name).read_bytes() == b"content"
    assert cli("upload", name, f"s3://{bucket}/").rc == 7
    assert cli("verify", "--version-id", "\udcff", f"s3://{bucket}/k").stderr.count("\n") <= 1


def test_a_folder_of_certificates_with_an_umlaut(
    cli: Cli, s3: SeaweedServer, certs: Certificates, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "ü").write_bytes(certs.ca.read_bytes())
    cli.ok("pending", "--endpoint-url", s3.https_url, "--ca-bundle", tmp_path / "ü", f"s3://{bucket}")
