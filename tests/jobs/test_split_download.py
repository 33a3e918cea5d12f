"""`s3am split` of downloads: several processes write into one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import Event, Warned
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.parts import Part
from s3amfs.core.split_job import Share, SplitJob
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.client import S3Client
from s3amfs.engine.connect import connect
from s3amfs.engine.journal import Journal
from s3amfs.errors import ChecksumMismatch, TransferError, TransferLocked
from s3amfs.jobs import split_download
from s3amfs.jobs.split import load
from s3amfs.jobs.split_download import RangeMover, finish_download, move_download, start_download
from s3amfs.jobs.split_pace import Pace
from s3amfs.jobs.split_records import Records
from s3amfs.transfers.options import DownloadOptions
from s3amfs.transfers.partial_file import PartialFile
from s3amfs.transfers.proof import BY_VERSION
from tests.support.cli import Cli
from tests.support.dask import config
from tests.support.faults import Rule, flip
from tests.support.proxy import FaultProxy
from tests.support.split import MIB, data, start

__all__ = ["data"]


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
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}


def test_a_finish_that_was_killed_after_the_file_had_its_name(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    target.write_bytes(b"old")
    start(cli, f"s3://{bucket}/from", target, job, "--file-exists", "overwrite")
    assert cli("split", "move", str(job), "1/1").rc == 0
    os.truncate(tmp_path / ".down.partial", len(data))
    (tmp_path / ".down.partial").rename(target)
    done = cli("split", "finish", str(job))
    assert done.rc == 0, done.stderr
    assert target.read_bytes() == data
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}


def test_a_partial_file_that_is_gone_is_no_empty_file(
    cli: Cli, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    target.write_bytes(b"old")
    start(cli, f"s3://{bucket}/from", target, job, "--file-exists", "overwrite")
    assert cli("split", "move", str(job), "1/1").rc == 0
    (tmp_path / ".down.partial").unlink()
    done = cli("split", "finish", str(job))
    assert done.rc == 1, done.stderr
    assert "gone" in done.stderr
    assert target.read_bytes() == b"old"


def test_a_process_that_is_late_fetches_nothing_again_and_leaves_no_records(
    cli: Cli, s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it moves its first batch, others take its share over and the job is finished."""
    boto.put_object(Bucket=bucket, Key="from", Body=data)
    job, target = tmp_path / "job", tmp_path / "down"
    start(cli, f"s3://{bucket}/from", target, job)
    client, options, begun = connect(config(s3)), DownloadOptions(), load(str(job))
    move, fetched = RangeMover.move, []

    def slow(
        self: RangeMover, job: SplitJob, fd: int, parts: list[Part], pace: Pace, records: Records, path: str
    ) -> int:
        monkeypatch.setattr(RangeMover, "move", move)
        move_download(begun, Share(1, 1), client, options, path)
        finish_download(begun, client, options, path)
        fetched.extend(parts)
        return move(self, job, fd, parts, pace, records, path)

    monkeypatch.setattr(RangeMover, "move", slow)
    late = move_download(begun, Share(1, 2), client, options, str(job))
    assert late.parts == len(fetched) == 3
    assert target.read_bytes() == data
    left = {path.name for path in tmp_path.iterdir()} - {"state"}  # what is remembered of lines, perhaps
    assert left == {"big", "down", "home", "job"}


@pytest.fixture
def begun(
    s3: SeaweedServer, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> tuple[SplitJob, S3Client, str, Path]:
    """A job for an object of which S3 stores no CRC of the whole, only an ETag; its client, file and target."""
    boto.upload_file(str(tmp_path / "big"), bucket, "from")
    client, job, target = connect(config(s3, proxy.endpoint_url)), str(tmp_path / "job"), tmp_path / "down"
    source, options = S3Location(bucket, "from"), DownloadOptions(part_size=5 * MIB)
    return start_download(source, LocalPath(str(target)), client, options, job), client, job, target


def test_a_range_that_is_damaged_on_the_wire_is_not_published(
    begun: tuple[SplitJob, S3Client, str, Path], proxy: FaultProxy, data: bytes
) -> None:
    job, client, path, target = begun
    proxy.rules.append(Rule("GetRange", flip("response"), nth=2))
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    with pytest.raises(ChecksumMismatch, match="move"):
        finish_download(job, client, DownloadOptions(), path)
    assert not target.exists()
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    assert finish_download(job, client, DownloadOptions(), path).proof == "ETag, recomputed from the MD5 of its parts"
    assert target.read_bytes() == data


def test_ranges_that_come_alike_twice_are_the_object_where_etags_are_no_md5s(
    begun: tuple[SplitJob, S3Client, str, Path], data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, client, path, target = begun
    monkeypatch.setattr("s3amfs.transfers.proof.matching_etag", lambda *_: False)
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    with pytest.raises(ChecksumMismatch):
        finish_download(job, client, DownloadOptions(), path)
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    warnings: list[Event] = []
    assert finish_download(job, client, DownloadOptions(), path, on_event=warnings.append).proof == BY_VERSION
    assert [event.text for event in warnings if isinstance(event, Warned)]
    assert target.read_bytes() == data
    assert not list(target.parent.glob("job.*"))


def test_bytes_of_another_process_behind_a_record_are_found(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes
) -> None:
    """It has begun a range that another one has recorded since, wrote damaged bytes there, and was killed."""
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    client, path, target = connect(config(s3)), str(tmp_path / "job"), tmp_path / "down"
    options = DownloadOptions(part_size=5 * MIB)
    job = start_download(S3Location(bucket, "from"), LocalPath(str(target)), client, options, path)
    with Records(job, path) as killed:
        killed.begin([2])
        move_download(job, Share(1, 1), client, DownloadOptions(), path)
        assert killed.begun_twice() == {2}
    partial = tmp_path / ".down.partial"
    with open(partial, "r+b") as file:
        file.seek(6 * MIB)
        file.write(b"damaged")
    with pytest.raises(ChecksumMismatch):
        finish_download(job, client, DownloadOptions(), path)
    assert not target.exists()
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    finish_download(job, client, DownloadOptions(), path)
    assert target.read_bytes() == data


@pytest.mark.parametrize("before_move", [True, False])
def test_the_partial_file_of_another_job_is_not_published(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, before_move: bool
) -> None:
    """Another job has discarded the partial file of the first one: what the first has recorded is not in it."""
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    client, target = connect(config(s3)), tmp_path / "down"
    source, options = S3Location(bucket, "from"), DownloadOptions(part_size=5 * MIB, download_exists="discard")
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    job = start_download(source, LocalPath(str(target)), client, options, first)
    if before_move:
        start_download(source, LocalPath(str(target)), client, options, second)
        with pytest.raises(TransferError, match="another"):
            move_download(job, Share(1, 1), client, DownloadOptions(), first)
    else:
        move_download(job, Share(1, 1), client, DownloadOptions(), first)
        start_download(source, LocalPath(str(target)), client, options, second)
    with pytest.raises(TransferError):
        finish_download(job, client, DownloadOptions(), first)
    assert not target.exists()
    other = load(second)
    move_download(other, Share(1, 1), client, DownloadOptions(), second)
    finish_download(other, client, DownloadOptions(), second)
    assert target.read_bytes() == data


def test_a_finish_that_was_killed_before_the_file_had_its_name(
    s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    client, path, target = connect(config(s3)), str(tmp_path / "job"), tmp_path / "down"
    options = DownloadOptions(part_size=5 * MIB)
    job = start_download(S3Location(bucket, "from"), LocalPath(str(target)), client, options, path)
    move_download(job, Share(1, 1), client, DownloadOptions(), path)

    def killed(self: PartialFile, *, replace: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(PartialFile, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            finish_download(job, client, DownloadOptions(), path)
    finish_download(job, client, DownloadOptions(), path)
    assert target.read_bytes() == data


@pytest.fixture
def moved(s3: SeaweedServer, boto: Any, bucket: str, tmp_path: Path, data: bytes) -> tuple[SplitJob, S3Client, str]:
    """A job of which all ranges are moved, its client and its file."""
    boto.put_object(Bucket=bucket, Key="from", Body=data, ChecksumAlgorithm="CRC32C")
    client, path, target = connect(config(s3)), str(tmp_path / "job"), str(tmp_path / "down")
    options = DownloadOptions(part_size=5 * MIB)
    job = start_download(S3Location(bucket, "from"), LocalPath(target), client, options, path)
    move_download(job, Share(1, 1), client, DownloadOptions(), path)
    return job, client, path


@pytest.mark.parametrize(
    ("owner", "name"),
    [(PartialFile, "_lock"), (Records, "read"), (split_download, "look_at")],
    ids=["before it locks", "before it reads the records", "before it looks at the object"],
)
def test_of_two_finishes_the_slower_one_finds_the_file_finished(
    moved: tuple[SplitJob, S3Client, str],
    tmp_path: Path,
    data: bytes,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
) -> None:
    job, client, path = moved
    usual = getattr(owner, name)

    def slow(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, usual)
        finish_download(job, client, DownloadOptions(), path)
        return usual(*given, **named)

    monkeypatch.setattr(owner, name, slow)
    result = finish_download(job, client, DownloadOptions(), path)
    assert (result.size, result.proof) == (len(data), "finished before" if name != "_lock" else result.proof)
    assert (tmp_path / "down").read_bytes() == data
    assert {found.name for found in tmp_path.iterdir()} - {"state"} == {"big", "down", "job"}


def test_a_finish_beside_a_transfer_to_the_same_file_leaves_nothing(
    moved: tuple[SplitJob, S3Client, str], tmp_path: Path, data: bytes
) -> None:
    job, client, path = moved
    there = sorted(found.name for found in tmp_path.iterdir())
    other = Journal.open(str(tmp_path / ".down.progress"))
    with pytest.raises(TransferLocked):
        finish_download(job, client, DownloadOptions(), path)
    other.close()
    assert sorted(found.name for found in tmp_path.iterdir()) == there
    finish_download(job, client, DownloadOptions(), path)
    assert (tmp_path / "down").read_bytes() == data
