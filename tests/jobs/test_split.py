"""`s3am split` as plain processes: shares, deaths, changes of the source, and two finishes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.faults import Rule, error
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PARTS = 5


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    content = os.urandom(PARTS * 5 * MIB - 12345)
    (tmp_path / "big").write_bytes(content)
    return content


def start(cli: Cli, source: object, target: object, job: Path, *options: str) -> None:
    done = cli("split", "start", str(source), str(target), "-o", str(job), "--part-size", "5MiB", *options)
    assert done.rc == 0, done.stderr


def content(boto: Any, bucket: str, key: str) -> bytes:
    return bytes(boto.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_two_processes_move_one_object(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "status", str(job)).rc == 1
    movers = [cli.start("split", "move", str(job), f"{index}/2") for index in (1, 2)]
    for mover in movers:
        assert mover.wait().rc == 0
    assert cli("split", "status", str(job)).rc == 0
    assert "NoSuchKey" in cli_error(boto, bucket, "k")
    done = cli("split", "finish", str(job), "--json")
    assert done.rc == 0, done.stderr
    assert done.json_lines()[-1]["proof"] == "crc64nvme of the whole object, checked by the server"
    assert content(boto, bucket, "k") == data
    assert cli("split", "finish", str(job)).rc == 0
    assert cli("split", "move", str(job), "1/2").rc == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "home", "job"]


def cli_error(boto: Any, bucket: str, key: str) -> str:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        boto.get_object(Bucket=bucket, Key=key)
    return str(caught.value)


def test_a_share_is_moved_though_its_owner_was_killed(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/2").rc == 0  # there never was a second one
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "k") == data


def test_finish_before_all_is_there(cli: Cli, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    done = cli("split", "finish", str(job))
    assert done.rc == 1
    assert "4 of 5 parts are missing" in done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


def test_finish_without_the_records(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "job").write_bytes(job.read_bytes())
    assert cli("split", "finish", str(elsewhere / "job")).rc == 0
    assert content(boto, bucket, "k") == data
    again = cli("split", "finish", str(job))  # the other machine does not know that it is finished
    assert again.rc == 0
    assert json.loads(job.read_text())["finished"]


def test_a_source_that_changed(cli: Cli, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    (tmp_path / "big").write_bytes(data[::-1])
    for step in (("move", str(job), "1/1"), ("finish", str(job))):
        done = cli("split", *step)
        assert done.rc == (15 if step[0] == "move" else 1), done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


def test_a_copy(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, Metadata={"a": "b"}, ContentType="text/x")
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", f"s3://{bucket}/to", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "to") == data
    head = boto.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "b"}, "text/x")


def test_a_download_by_two(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    job, target = tmp_path / "job", tmp_path / "down"
    start(cli, f"s3://{bucket}/from", target, job)
    movers = [cli.start("split", "move", str(job), f"{index}/2") for index in (1, 2)]
    for mover in movers:
        assert mover.wait().rc == 0
    assert not target.exists()
    assert cli("split", "status", str(job)).rc == 0
    done = cli("split", "finish", str(job), "--json")
    assert done.rc == 0, done.stderr
    assert "crc32c of the whole object" in done.json_lines()[-1]["proof"]
    assert target.read_bytes() == data
    assert cli("split", "finish", str(job)).rc == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "down", "home", "job"]


def test_ranges_that_are_damaged_on_the_way_are_found(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(11 * MIB)
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", tmp_path / "down", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    (records,) = tmp_path.glob("job.*.parts")
    first, *others = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(first[:-3] + b"}\n" + b"".join(others))  # a torn record: its part is fetched again
    assert cli("split", "status", str(job)).rc == 1
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "finish", str(job)).rc == 0
    assert (tmp_path / "down").read_bytes() == data


def test_a_server_without_trailers(
    proxy: FaultProxy, cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    proxy.rules.append(Rule(lambda request: "x-amz-trailer" in request.headers, error(501, "NotImplemented")))
    job, there = tmp_path / "job", ("--endpoint-url", proxy.endpoint_url)
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job, *there)
    assert cli("split", "move", str(job), "1/1", *there).rc == 0
    assert cli("split", "finish", str(job), *there).rc == 0
    assert content(boto, bucket, "k") == data


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("start", "-", "s3://bucket/k", "-o", "job"), 5, "standard input"),
        (("start", "big", "s3://bucket/k", "-o", "big"), 2, "exists"),
        (("start", "http://user:hunter2@127.0.0.1:1/x", "s3://bucket/k", "-o", "job"), 5, "password"),
        (("start", "big", "s3://bucket/k", "-o", "job", "--sse-key", "k" * 32), 2, "as a file"),
        (("start", "big", "s3://bucket/k", "-o", "job", "--resume"), 2, "move"),
        (("move", "big", "1/2"), 2, "no job file"),
        (("move", "nothing", "1/2"), 17, "does not exist"),
        (("move", "nothing", "3/2"), 2, "no share"),
        (("status", "nothing"), 17, "does not exist"),
    ],
)
def test_what_is_refused(cli: Cli, tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    (tmp_path / "big").write_bytes(b"x" * 10)
    done = cli("split", *words, cwd=tmp_path)
    assert done.rc == code, done.stderr
    assert says in done.stderr
    assert "hunter2" not in done.stderr
