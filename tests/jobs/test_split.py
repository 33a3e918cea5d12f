"""`s3am split` as plain processes: shares, two finishes, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.split_job import Share
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import connect
from s3amfs.jobs import split
from s3amfs.jobs.split import finish_upload, move_upload, start_upload
from s3amfs.transfers.options import UploadOptions
from s3amfs.wire.s3.api import PartInfo
from tests.support.cli import Cli
from tests.support.dask import config
from tests.support.faults import Rule, error
from tests.support.proxy import FaultProxy
from tests.support.split import MIB, content, data, start

__all__ = ["data"]


def test_two_processes_move_one_object(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "status", str(job)).rc == 1
    movers = [cli.start("split", "move", str(job), f"{index}/2") for index in (1, 2)]
    for mover in movers:
        assert mover.wait().rc == 0
    assert cli("split", "status", str(job)).rc == 0
    with pytest.raises(ClientError, match="NoSuchKey"):
        content(boto, bucket, "k")
    done = cli("split", "finish", str(job), "--json")
    assert done.rc == 0, done.stderr
    assert done.json_lines()[-1]["proof"] == "crc64nvme of the whole object, checked by the server"
    assert content(boto, bucket, "k") == data
    assert cli("split", "finish", str(job)).rc == 0
    assert cli("split", "move", str(job), "1/2").rc == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "home", "job"]


def test_finish_before_all_is_there(cli: Cli, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    done = cli("split", "finish", str(job))
    assert done.rc == 1
    assert "5 of 5 parts are missing" in done.stderr
    assert cli("cancel", f"s3://{bucket}/k").rc == 0


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
        (("move", "big", "1/2"), 2, "not a job file"),
        (("move", "nothing", "1/2"), 17, "does not exist"),
        (("move", "nothing", "3/2"), 2, "not a share"),
        (("status", "nothing"), 17, "does not exist"),
    ],
)
def test_what_is_refused(cli: Cli, tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    (tmp_path / "big").write_bytes(b"x" * 10)
    done = cli("split", *words, cwd=tmp_path)
    assert done.rc == code, done.stderr
    assert says in done.stderr
    assert "hunter2" not in done.stderr


def test_an_empty_object_and_records_of_a_killed_finish(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=b"", ContentType="text/x")
    job = tmp_path / "job"
    start(cli, f"s3://{bucket}/from", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    assert cli("split", "status", str(job)).rc == 0
    done = cli("split", "finish", str(job))
    assert done.rc == 0, done.stderr
    assert boto.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x"
    (tmp_path / "job.host-1.parts").write_bytes(b"left")
    assert cli("split", "finish", str(job)).rc == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "job"]


def test_a_move_after_a_finish_that_was_killed(cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> None:
    job = tmp_path / "job"
    start(cli, tmp_path / "big", f"s3://{bucket}/k", job)
    assert cli("split", "move", str(job), "1/1").rc == 0
    before = job.read_bytes()
    assert cli("split", "finish", str(job)).rc == 0
    job.write_bytes(before)
    done = cli("split", "move", str(job), "1/1")
    assert done.rc == 0, done.stderr
    assert cli("split", "finish", str(job)).rc == 0
    assert content(boto, bucket, "k") == data


@pytest.mark.parametrize("name", ["listed_parts", "SplitEnds"])
def test_of_two_finishes_the_slower_one_finds_the_object_finished(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """name: before its use by the slower one the other finishes: the upload or its parts are gone then."""
    client, path = connect(config(s3)), str(tmp_path / "job")
    options = UploadOptions(part_size=5 * MIB, state_dir=str(tmp_path / "state"))
    job = start_upload(LocalPath(str(tmp_path / "big")), S3Location(bucket, "k"), client, options, path)
    move_upload(job, Share(1, 1), client, UploadOptions(), path)
    usual = getattr(split, name)

    class Slow:
        def __call__(self, *given: Any, **named: Any) -> Any:
            return self._usual(*given, **named)

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self._usual, attribute)

        @property
        def _usual(self) -> Any:
            monkeypatch.setattr(split, name, usual)
            finish_upload(job, client, UploadOptions(), path)
            return usual

    monkeypatch.setattr(split, name, Slow())
    result = finish_upload(job, client, UploadOptions(), path)
    assert (result.size, result.parts) == (len(data), 5)
    assert content(boto, bucket, "k") == data
    assert {found.name for found in tmp_path.iterdir()} - {"state"} == {"big", "job"}


def test_a_listing_that_lags_behind_has_no_part_sent_again(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is listed a look after the server has taken it."""
    client, path = connect(config(s3)), str(tmp_path / "job")
    options = UploadOptions(part_size=5 * MIB, state_dir=str(tmp_path / "state"))
    job = start_upload(LocalPath(str(tmp_path / "big")), S3Location(bucket, "k"), client, options, path)
    usual, seen = split.list_parts, Counter[int]()

    def late(*given: Any, **named: Any) -> list[PartInfo]:
        there = [part for part in usual(*given, **named) if part.size > 1]  # one byte began the upload
        seen.update(part.number for part in there)
        return [part for part in there if seen[part.number] > 1]

    monkeypatch.setattr(split, "list_parts", late)
    assert move_upload(job, Share(1, 1), client, UploadOptions(), path).parts == 5
    finish_upload(job, client, UploadOptions(), path)
    assert content(boto, bucket, "k") == data


@pytest.mark.parametrize("size", [0, 6 * MIB])
def test_a_job_that_others_finish_before_start_has_ended_leaves_no_records(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """They see the job file before `start`, or one whose caller was killed, writes its own records."""
    boto.put_object(Bucket=bucket, Key="from", Body=bytes(size))
    client, path = connect(config(s3)), str(tmp_path / "job")
    options, keep = UploadOptions(part_size=5 * MIB, state_dir=str(tmp_path / "state")), split.keep_records

    def late(*given: Any) -> None:
        monkeypatch.setattr(split, "keep_records", keep)
        job = split.load(path)
        move_upload(job, Share(1, 1), client, UploadOptions(), path)
        finish_upload(job, client, UploadOptions(), path)
        keep(*given)

    monkeypatch.setattr(split, "keep_records", late)
    start_upload(S3Location(bucket, "from"), S3Location(bucket, "k"), client, options, path)
    assert content(boto, bucket, "k") == bytes(size)
    assert {found.name for found in tmp_path.iterdir()} - {"state"} == {"job"}
