"""Interrupted, then resumed: from the manifest, from the server alone, or refused; no part is sent twice."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.events import TransferResult
from s3amfs.core.locations import LocalPath, Location, S3Location, Stdin, parse_source
from s3amfs.engine.connect import S3Client
from s3amfs.errors import (
    IncompatiblePartSize,
    PartialDownloadExists,
    SeveralUnfinishedUploads,
    SourceChanged,
    TransferError,
    UnfinishedUploadExists,
)
from s3amfs.transfers.options import DownloadOptions, UploadOptions
from s3amfs.verbs.download import download
from s3amfs.verbs.upload import upload
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

ONE_SLOT = UploadOptions(part_size=PART, upload_slots=1, download_slots=1)
RESUME = replace(ONE_SLOT, unfinished="resume")
pytestmark = pytest.mark.usefixtures("state")


class Job:
    """Uploads and downloads that break at the third part."""

    def __init__(self, hasty: S3Client, client: S3Client, through: S3Client, proxy: FaultProxy, bucket: str) -> None:
        self.hasty, self.client, self.through, self.proxy = hasty, client, through, proxy
        self.target = S3Location(bucket, "k")

    def interrupt(self, source: Location, options: UploadOptions = ONE_SLOT, **more: Any) -> None:
        """Two parts get there, the third does not."""
        rule = Rule(("UploadPart", "CopyPart"), faults.internal_error(), nth=3)
        self.proxy.rules.append(rule)
        with pytest.raises(TransferError):
            upload(source, self.target, self.hasty, options, **more)
        assert rule.fired == 1
        self.proxy.rules.clear()

    def resume(self, source: Location, options: UploadOptions = RESUME, **more: Any) -> TransferResult:
        return upload(source, self.target, self.through, options, **more)

    def interrupt_download(self, out: LocalPath) -> None:
        self.proxy.rules.append(Rule("GetRange", faults.internal_error(), nth=3))
        with pytest.raises(TransferError):
            download(self.target, out, self.hasty, DownloadOptions(part_size=PART, download_slots=1))
        self.proxy.rules.clear()


@pytest.fixture
def job(hasty: S3Client, client: S3Client, through: S3Client, proxy: FaultProxy, bucket: str) -> Job:
    return Job(hasty, client, through, proxy, bucket)


def check(job: Job, boto: Any, file: Path, result: TransferResult) -> None:
    """The object is whole, two parts were there, the third was sent, nothing twice, nothing left."""
    assert object_digest(boto, job.target.bucket, job.target.key) == digest(file)
    assert (result.parts, result.parts_resumed, result.parts_sent) == (3, 2, 1)
    assert job.proxy.parts_sent_again() == []
    assert boto.list_multipart_uploads(Bucket=job.target.bucket).get("Uploads", []) == []


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
@pytest.mark.parametrize("kind", ["file", "http", "stdin"])
def test_upload(job: Job, boto: Any, file: Path, state: Path, kind: str, wiped: bool) -> None:
    with HttpServer() as web:
        url = web.add("/f", file, etag='"one"')
        source = {"file": LocalPath(str(file)), "http": parse_source(url), "stdin": Stdin()}[kind]
        more = {"stdin": io.BytesIO(file.read_bytes())} if kind == "stdin" else {}
        job.interrupt(source, **more)
        if wiped:
            shutil.rmtree(state)
        if kind == "stdin":
            more = {"stdin": io.BytesIO(file.read_bytes())}
        check(job, boto, file, job.resume(source, **more))
    assert list(state.glob("*")) == []


def test_copy(job: Job, boto: Any, file: Path) -> None:
    boto.upload_file(str(file), job.target.bucket, "source")
    source = S3Location(job.target.bucket, "source")
    job.interrupt(source)
    check(job, boto, file, job.resume(source))


def test_without_a_word_it_is_refused(job: Job, file: Path) -> None:
    job.interrupt(LocalPath(str(file)))
    with pytest.raises(UnfinishedUploadExists):
        job.resume(LocalPath(str(file)), ONE_SLOT)


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
def test_a_source_that_changed(job: Job, boto: Any, file: Path, state: Path, wiped: bool) -> None:
    job.interrupt(LocalPath(str(file)))
    make_file(file, 5 * PART // 2, 2)
    if wiped:
        shutil.rmtree(state)
    with pytest.raises(SourceChanged, match="--force"):
        job.resume(LocalPath(str(file)))
    result = job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="restart"))
    assert (result.parts_resumed, result.parts_sent) == (0, 3)
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


def test_an_http_source_that_changed(job: Job, file: Path) -> None:
    with HttpServer() as web:
        url = web.add("/f", file, etag='"one"')
        job.interrupt(parse_source(url))
        web.pages["/f"].etag = '"two"'
        with pytest.raises(SourceChanged):
            job.resume(parse_source(url))


def test_a_program_that_continues_supersedes_what_is_of_another_source(job: Job, boto: Any, file: Path) -> None:
    job.interrupt(LocalPath(str(file)))
    make_file(file, 5 * PART // 2, 2)
    result = job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="continue"))
    assert result.parts_sent == 3
    assert object_digest(boto, job.target.bucket, "k") == digest(file)
    assert boto.list_multipart_uploads(Bucket=job.target.bucket).get("Uploads", []) == []


def test_several(job: Job, boto: Any, file: Path) -> None:
    for _ in range(2):
        boto.create_multipart_upload(Bucket=job.target.bucket, Key="k")
    boto.create_multipart_upload(Bucket=job.target.bucket, Key="k2")
    for options in (ONE_SLOT, RESUME):
        with pytest.raises(SeveralUnfinishedUploads):
            job.resume(LocalPath(str(file)), options)
    job.resume(LocalPath(str(file)), replace(ONE_SLOT, unfinished="restart"))
    left = boto.list_multipart_uploads(Bucket=job.target.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["k2"]


@pytest.mark.parametrize("wiped", [False, True], ids=["manifest", "state wiped"])
def test_another_part_size(job: Job, boto: Any, file: Path, state: Path, wiped: bool) -> None:
    job.interrupt(LocalPath(str(file)))
    if wiped:
        shutil.rmtree(state)
    with pytest.raises(IncompatiblePartSize):
        job.resume(LocalPath(str(file)), replace(RESUME, part_size=2 * PART))
    check(job, boto, file, job.resume(LocalPath(str(file)), replace(RESUME, part_size=None)))


def test_an_upload_of_somebody_else(job: Job, boto: Any, file: Path) -> None:
    """Parts that boto3 has sent are proven by their ETags."""
    begun = boto.create_multipart_upload(Bucket=job.target.bucket, Key="k")
    boto.upload_part(
        Bucket=job.target.bucket, Key="k", UploadId=begun["UploadId"], PartNumber=1, Body=file.read_bytes()[:PART]
    )
    result = job.resume(LocalPath(str(file)))
    assert (result.parts_resumed, result.parts_sent) == (1, 2)
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


def test_an_answer_that_was_lost_is_not_sent_again(job: Job, boto: Any, file: Path) -> None:
    """The server has part 2, nobody was told: its checksum or ETag proves it at the resumption."""
    job.proxy.rules.append(Rule("UploadPart", faults.error(500, "InternalError", deliver=True), nth=2))
    with pytest.raises(TransferError):
        upload(LocalPath(str(file)), job.target, job.hasty, ONE_SLOT)
    job.proxy.rules.clear()
    result = job.resume(LocalPath(str(file)))
    assert (result.parts_resumed, result.parts_sent) == (2, 1)
    assert job.proxy.parts_sent_again(told=False) == []
    assert object_digest(boto, job.target.bucket, "k") == digest(file)


@pytest.mark.parametrize("damaged", [False, True], ids=["as left", "a byte on disk differs"])
def test_download(job: Job, boto: Any, file: Path, tmp_path: Path, damaged: bool) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    assert sorted(path.name for path in tmp_path.glob("*out*")) == [".out.partial", ".out.progress"]
    if damaged:
        with (tmp_path / ".out.partial").open("r+b") as partial:
            partial.seek(PART + 7)
            byte = partial.read(1)[0]
            partial.seek(PART + 7)
            partial.write(bytes([byte ^ 1]))
    with pytest.raises(PartialDownloadExists):
        download(job.target, out, job.client, DownloadOptions())
    result = download(job.target, out, job.client, DownloadOptions(download_exists="resume"))
    assert (result.parts, result.parts_resumed) == (3, 1 if damaged else 2)
    assert digest(out.path) == digest(file)
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out"]


def test_download_of_an_object_that_changed(job: Job, boto: Any, file: Path, tmp_path: Path, events: Events) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    make_file(file, 5 * PART // 2, 2)
    boto.upload_file(str(file), job.target.bucket, "k")
    result = download(job.target, out, job.client, DownloadOptions(download_exists="resume"), on_event=events)
    assert result.parts_resumed == 0
    assert "from scratch" in events.warnings[0]
    assert digest(out.path) == digest(file)


def test_download_with_another_part_size(job: Job, boto: Any, file: Path, tmp_path: Path) -> None:
    boto.upload_file(str(file), job.target.bucket, "k")
    out = LocalPath(str(tmp_path / "out"))
    job.interrupt_download(out)
    with pytest.raises(IncompatiblePartSize):
        download(job.target, out, job.client, DownloadOptions(download_exists="resume", part_size=2 * PART))
    discarded = download(job.target, out, job.client, DownloadOptions(download_exists="discard"))
    assert discarded.parts_resumed == 0
    assert digest(out.path) == digest(file)
