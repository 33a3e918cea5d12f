"""`s3am split` from one S3 service to another, each with credentials of its own, and with customer keys from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.cli import Cli
from tests.support.split import content, data, start

__all__ = ["data"]

moto = pytest.importorskip("moto.server")


@pytest.fixture
def elsewhere(data: bytes, cli: Cli) -> Iterator[str]:
    """The address of another service that has the object `s3://theirs/big`; its credentials are in profile `other`."""
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    theirs: Any = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="THEIRS", aws_secret_access_key="hunter2"
    )
    theirs.create_bucket(Bucket="theirs")
    theirs.put_object(Bucket="theirs", Key="big", Body=data, ContentType="text/x", Metadata={"a": "b"})
    folder = cli.home / ".aws"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "credentials").write_text("[other]\naws_access_key_id = THEIRS\naws_secret_access_key = hunter2\n")
    yield address
    server.stop()


def test_from_another_service_by_two(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes, elsewhere: str
) -> None:
    job = tmp_path / "job"
    start(cli, "s3://theirs/big", f"s3://{bucket}/k", job, "--src-endpoint-url", elsewhere, "--src-profile", "other")
    assert "hunter2" not in job.read_text()
    assert "THEIRS" not in job.read_text()
    movers = [cli.start("split", "move", str(job), f"{index}/2") for index in (1, 2)]
    for mover in movers:
        done = mover.wait()
        assert done.rc == 0, done.stderr
    done = cli("split", "finish", str(job))
    assert done.rc == 0, done.stderr
    assert content(boto, bucket, "k") == data
    assert boto.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x"


def test_options_of_this_machine_hold_before_those_of_the_job(
    cli: Cli, bucket: str, tmp_path: Path, elsewhere: str
) -> None:
    job = tmp_path / "job"
    start(cli, "s3://theirs/big", f"s3://{bucket}/k", job, "--src-endpoint-url", elsewhere, "--src-profile", "other")
    done = cli("split", "move", str(job), "1/1", "--src-profile", "none")
    assert done.rc == 2, done.stderr
    assert "none" in done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


def test_a_copy_is_no_transfer_between_services(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes, elsewhere: str
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", f"s3://{bucket}/k", job)
    done = cli("split", "move", str(job), "1/1", "--src-endpoint-url", elsewhere)
    assert done.rc == 2, done.stderr
    assert "leave --src-… out" in done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


def test_customer_keys_come_from_files(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job, "--sse-key-file", str(key))
    assert key.read_bytes().hex() not in job.read_text()
    assert str(key) in job.read_text()
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "finish", str(job)).rc == 0
    sse: dict[str, Any] = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key.read_bytes()}
    assert boto.get_object(Bucket=bucket, Key="k", **sse)["Body"].read() == data
