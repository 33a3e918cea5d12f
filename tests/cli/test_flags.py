"""Options that no other test names: what they put on the wire, or what they change for the user."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.support.cli import Cli
from tests.support.faults import Rule, error
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024


@pytest.fixture
def through(proxy: FaultProxy) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": proxy.endpoint_url}


def add_profile(cli: Cli, name: str, access_key: str, secret_key: str) -> None:
    (cli.home / ".aws").mkdir(exist_ok=True)
    with (cli.home / ".aws" / "credentials").open("a") as file:
        file.write(f"[{name}]\naws_access_key_id={access_key}\naws_secret_access_key={secret_key}\n")


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_properties_of_the_object_are_asked_for(
    cli: Cli, bucket: str, tmp_path: Path, proxy: FaultProxy, through: dict[str, str], size: int
) -> None:
    make_file(tmp_path / "f", size, 1)
    proxy.rules.append(Rule(("Put", "Create"), error(403, "AccessDenied"), times=9))
    words = ("--acl", "bucket-owner-full-control", "--storage-class", "STANDARD_IA")
    encryption = ("--sse", "aws:kms", "--sse-kms-key-id", "alias/mine")
    result = cli(
        "upload", "--part-size", "5M", *words, *encryption, tmp_path / "f", f"s3://{bucket}/k", env=through
    )  # fmt: skip
    assert result.rc == 14
    headers = proxy.of("Put", "Create")[0].headers
    assert headers["x-amz-acl"] == "bucket-owner-full-control"
    assert headers["x-amz-storage-class"] == "STANDARD_IA"
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/mine"


def test_if_none_match(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    """Asked at the very end, also of those who would overwrite."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"old")
    make_file(tmp_path / "f", 10, 1)
    words = ("upload", "--exists", "overwrite", "--if-none-match", tmp_path / "f")
    assert cli(*words, f"s3://{bucket}/k").rc == 3
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
    cli.ok(*words, f"s3://{bucket}/new")


def test_bwlimit(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 4 * MIB, 1)
    url = f"s3://{bucket}/k"
    assert cli.ok("upload", "--bwlimit", "2MiB/s", tmp_path / "f", url).wall > 1.2
    assert cli.ok("download", "--bwlimit", "2M", url, tmp_path / "out").wall > 1.2
    assert digest(tmp_path / "out") == digest(tmp_path / "f")


def test_expect_md5(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    url = f"s3://{bucket}/k"
    assert cli("upload", "--expect-md5", "0" * 32, tmp_path / "f", url).rc == 16
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    cli.ok("upload", "--expect-md5", hashlib.md5(b"hello").hexdigest().upper(), tmp_path / "f", url)


def test_who_asks(
    cli: Cli, s3: SeaweedServer, bucket: str, tmp_path: Path, proxy: FaultProxy, through: dict[str, str]
) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    signed = proxy.watch("authorization")
    words = ("upload", tmp_path / "f", f"s3://{bucket}/k")
    assert cli(*words, "--no-sign-request", env=through).rc == 14
    assert set(signed) == {None}
    add_profile(cli, "mine", s3.access_key, s3.secret_key)
    wrong = {**through, "AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert cli(*words, env=wrong).rc == 14
    cli.ok(*words, "--profile", "mine", env=wrong)
    unknown = cli(*words, "--profile", "nobody", env=wrong)
    assert (unknown.rc, unknown.stderr.count("\n")) == (2, 1)


def test_who_asks_the_source(
    cli: Cli, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy
) -> None:
    boto.put_object(Bucket=bucket, Key="k", Body=b"hello")
    add_profile(cli, "theirs", s3.access_key, s3.secret_key)
    signed = proxy.watch("authorization")
    source = ("--src-endpoint-url", proxy.endpoint_url)
    words = ("upload", *source, f"s3://{bucket}/k", f"s3://{bucket}/relayed")
    cli.ok(*words, "--src-profile", "theirs", "--src-region", "eu-west-1")
    assert signed
    assert all(said and "/eu-west-1/s3/" in said for said in signed)
    assert object_digest(boto, bucket, "relayed") == hashlib.sha256(b"hello").hexdigest()
    assert cli(*words, "--exists", "overwrite", "--src-profile", "nobody").rc == 2
    signed.clear()
    assert cli(*words, "--exists", "overwrite", "--src-no-sign-request").rc == 14
    assert set(signed) == {None}


@pytest.mark.parametrize(("words", "shown"), [((), True), (("--no-progress",), False), (("--verbose",), False)])
def test_progress_on_a_terminal(cli: Cli, bucket: str, tmp_path: Path, words: tuple[str, ...], shown: bool) -> None:
    make_file(tmp_path / "f", 6 * MIB, 1)
    ours, theirs = pty.openpty()
    command = [*cli.command, "upload", *words, "--bwlimit", "12M", str(tmp_path / "f"), f"s3://{bucket}/k"]
    environment = {**cli.environment, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        command, env=environment, stderr=theirs, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:  # Linux: the other side has gone
        pass
    os.close(ours)
    assert process.stdout is not None
    assert b"crc64nvme" in process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert (b"MiB" in said and b"part" in said and b"\x1b[" in said) is shown, said


def test_progress_elsewhere_is_asked_for(cli: Cli, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 10, 1)
    assert cli.ok("upload", tmp_path / "f", f"s3://{bucket}/k").stderr == ""
    cli.ok("upload", "--progress", tmp_path / "f", f"s3://{bucket}/k2")


def test_too_little_memory_is_refused(cli: Cli, tmp_path: Path) -> None:
    result = cli("upload", "--memory", "10M", tmp_path / "f", "s3://bucket/k")
    assert result.rc == 2
    assert "too little" in result.stderr


def test_memory(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    make_file(tmp_path / "f", 12 * MIB, 1)
    cli.ok("upload", "--memory", "65M", tmp_path / "f", f"s3://{bucket}/k")
    cli.ok("download", "--memory", "1GiB", f"s3://{bucket}/k", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "f").read_bytes()
