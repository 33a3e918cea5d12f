"""A source that changes is never mixed, a source that can do less is read as it can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, Result, Running
from tests.support.files import content
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer

MIB = 1024 * 1024
PART = 5 * MIB
SIZE = 4 * PART
OLD, NEW = content(SIZE, 1), content(SIZE, 2)
LONG_AGO = 1e9
RATE = 2 * MIB
"""Of each data connection, but for its first two seconds' worth: a part takes two seconds."""


class Job:
    def __init__(self, cli: Cli, boto: Any, bucket: str, web: HttpServer) -> None:
        self.cli, self.boto, self.bucket, self.web = cli, boto, bucket, web

    def upload(self, url: str, *options: str) -> Result:
        return self.cli(
            *("--retry-budget", "3", "upload", "--part-size", "5M", "--download-slots", "1"),
            *(*options, url, f"s3://{self.bucket}/k"),
        )

    def stored(self) -> bytes | None:
        if "Contents" not in self.boto.list_objects_v2(Bucket=self.bucket):
            return None
        return bytes(self.boto.get_object(Bucket=self.bucket, Key="k")["Body"].read())

    def begin(self, url: str, path: str) -> Running:
        """A slow upload of which the third part is on its way."""
        self.web.pages[path].rate = 8 * MIB
        asked = len(self.web.requests)
        running = self.cli.start(
            *("upload", "--part-size", "5M", "--download-slots", "1", url, f"s3://{self.bucket}/k"),
        )
        assert running.wait_until(lambda: len(self.web.requests) >= asked + 4)
        return running

    def half(self, url: str, path: str) -> None:
        """An upload that ends in the middle."""
        running = self.begin(url, path)
        running.kill()
        running.wait()
        self.web.pages[path].rate = None
        assert "Uploads" in self.boto.list_multipart_uploads(Bucket=self.bucket)


@pytest.fixture
def job(cli: Cli, boto: Any, bucket: str) -> Iterator[Job]:
    with HttpServer() as web:
        yield Job(cli, boto, bucket, web)


def test_a_file_without_etag_that_is_replaced_while_it_is_read(job: Job) -> None:
    running = job.begin(job.web.add("/f", OLD, etag="", last_modified=1e9), "/f")
    job.web.pages["/f"].source = NEW
    job.web.pages["/f"].last_modified = 2e9
    assert (running.wait().rc, job.stored()) == (15, None)


@pytest.mark.parametrize("same", [True, False])
def test_without_validators_a_resumed_upload_reads_again_and_sends_what_differs(job: Job, same: bool) -> None:
    url = job.web.add("/f", OLD, etag="", last_modified=-1)
    job.half(url, "/f")
    if not same:
        job.web.pages["/f"].source = NEW
    result = job.upload(url, "--resume")
    assert result.rc == 0, result.stderr
    assert "read again" in result.stderr
    assert job.stored() == (OLD if same else NEW)
    assert ("were there already" in result.stdout + result.stderr) == same


def test_two_queries_are_two_files(job: Job) -> None:
    url = job.web.add("/f", OLD, etag="", last_modified=1e9)
    job.half(url + "?id=1", "/f")
    job.web.pages["/f"].source = NEW
    result = job.upload(url + "?id=2", "--resume")
    assert result.rc == 0, result.stderr
    assert job.stored() == NEW


def test_a_fresh_signature_goes_on_where_the_etag_is_the_same(job: Job) -> None:
    url = job.web.add("/f", OLD, etag='"strong"')
    job.half(url + "?X-Amz-Signature=1", "/f")
    asked = len(job.web.requests)
    result = job.upload(url + "?X-Amz-Signature=2", "--resume")
    assert result.rc == 0, result.stderr
    assert "were there already" in result.stdout + result.stderr
    assert len(job.web.requests) - asked < 1 + SIZE // PART, "nothing is read again"
    assert job.stored() == OLD


@pytest.mark.parametrize("kind", ["text/plain\x01", 'text/plain; name="\u00fcber"', "\u00fc"])
def test_a_content_type_that_s3_would_not_take(job: Job, kind: str) -> None:
    url = job.web.add("/f", OLD, headers={"Content-Type": kind})
    result = job.upload(url)
    assert result.rc == 0, result.stderr
    found = job.boto.head_object(Bucket=job.bucket, Key="k")["ContentType"]
    assert found == "text/plain" if kind.startswith("text") else found.isascii()


@pytest.mark.parametrize("without", [("REST",), ("SIZE",), ("REST", "SIZE"), ("MDTM",)])
def test_ftp_servers_that_lack_a_command(job: Job, tmp_path: Path, without: tuple[str, ...]) -> None:
    (tmp_path / "www").mkdir()
    path = tmp_path / "www" / "f"
    path.write_bytes(OLD)
    os.utime(path, (LONG_AGO, LONG_AGO))
    with FtpServer(tmp_path / "www", without=without) as ftp:
        result = job.upload(ftp.url("/f"))
        assert result.rc == 0, result.stderr
        assert job.stored() == OLD
        # a look before and one after; between them one stream, or a request a part
        assert (ftp.count("RETR") > 3) == (without == ("MDTM",))


def test_an_ftp_file_that_is_replaced_while_it_is_read(job: Job, tmp_path: Path) -> None:
    """Within a second it would have the same time: the first look waits for that, and a second one follows."""
    (tmp_path / "www").mkdir()
    path = tmp_path / "www" / "f"
    path.write_bytes(OLD)
    with FtpServer(tmp_path / "www", rate=RATE) as ftp:
        running = job.cli.start(
            *("upload", "--part-size", "5M", "--download-slots", "1", ftp.url("/f"), f"s3://{job.bucket}/k")
        )
        assert running.wait_until(lambda: ftp.count("RETR") >= 4)
        path.write_bytes(NEW)
        result = running.wait()
    assert (result.rc, job.stored()) == (15, None), result.stderr


def test_an_ftp_file_that_gets_shorter_while_it_is_read(job: Job, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    path = tmp_path / "www" / "f"
    path.write_bytes(OLD)
    os.utime(path, (LONG_AGO, LONG_AGO))
    with FtpServer(tmp_path / "www", rate=RATE) as ftp:
        running = job.cli.start(
            *("upload", "--part-size", "5M", "--download-slots", "1", ftp.url("/f"), f"s3://{job.bucket}/k")
        )
        assert running.wait_until(lambda: ftp.count("RETR") >= 2)
        path.write_bytes(NEW[:MIB])
        result = running.wait()
    assert (result.rc, job.stored()) == (15, None), result.stderr
