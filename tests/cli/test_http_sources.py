"""HTTP servers as they are: redirects, compression, lies about length, no length. The right content, or one line and
nothing under the final name."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, Result
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer

MIB = 1024 * 1024
SIZE = 11 * MIB


class Job:
    def __init__(self, cli: Cli, boto: Any, bucket: str, file: Path, web: HttpServer) -> None:
        self.cli, self.boto, self.bucket, self.file, self.web = cli, boto, bucket, file, web

    def upload(self, url: str, *options: str) -> Result:
        words = ("--retry-budget", "1", "upload", "--part-size", "5M", *options, url, f"s3://{self.bucket}/k")
        return self.cli(*words)

    def arrives(self, url: str) -> Result:
        result = self.upload(url)
        assert result.rc == 0, result.stderr
        assert object_digest(self.boto, self.bucket, "k") == digest(self.file)
        return result

    def fails(self, url: str, code: int = 1) -> str:
        result = self.upload(url)
        said = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
        assert (result.rc, len(said)) == (code, 1), result.stderr
        assert said[0].startswith("error: ")
        assert "Contents" not in self.boto.list_objects_v2(Bucket=self.bucket)
        return said[0]


@pytest.fixture
def job(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> Iterator[Job]:
    with HttpServer() as web:
        yield Job(cli, boto, bucket, make_file(tmp_path / "f", SIZE, 1), web)


@pytest.mark.parametrize("status", [302, 308])
def test_a_redirect_is_followed(job: Job, status: int) -> None:
    job.web.add("/there", job.file)
    job.arrives(job.web.add("/here", b"", redirect="/there", redirect_status=status))
    assert {asked.status for asked in job.web.of("/there")} == {206}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_redirect_takes_the_content_of_another_host_and_shows_it_no_password(job: Job, ranges: bool) -> None:
    with HttpServer(host="localhost") as other:
        there = other.add("/there", job.file, ranges=ranges)
        url = job.web.add("/here", b"", redirect=there, user_password=("user", "pass-word"))
        result = job.arrives(url.replace("http://", "http://user:pass-word@"))
        assert "pass-word" not in result.stdout + result.stderr
        assert other.requests
        assert not [asked for asked in other.requests if "authorization" in asked.headers]


@pytest.mark.parametrize("target", ["/here", "file:///etc/hostname", "http://127.0.0.1:99999/"])
def test_a_redirect_that_leads_nowhere(job: Job, target: str) -> None:
    job.fails(job.web.add("/here", b"", redirect=target))


@pytest.mark.parametrize("switches", [{}, {"ranges": False, "length": False}])
def test_compression_that_nobody_asked_for_is_refused(job: Job, switches: dict[str, Any]) -> None:
    """What arrives is not the file; its ranges are not those of the file."""
    assert "compresses" in job.fails(job.web.add("/page", job.file, gzip=True, **switches))
    assert "identity" in job.web.requests[0].headers["accept-encoding"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    ("path", "coding", "kind"),
    [
        ("/data.tar.gz", "x-gzip", "text/plain"),
        ("/data.bz2", "bzip2", "text/plain"),
        ("/get", "gzip", "application/gzip"),
    ],
)
def test_a_compressed_file_is_taken_as_it_is(job: Job, path: str, coding: str, kind: str, ranges: bool) -> None:
    """Apache says Content-Encoding of the files that are compressed themselves."""
    job.file.write_bytes(gzip.compress(job.file.read_bytes(), 1))
    job.arrives(job.web.add(path, job.file, ranges=ranges, headers={"Content-Encoding": coding, "Content-Type": kind}))


def test_a_server_that_announces_too_much(job: Job) -> None:
    assert "10 bytes missing" in job.fails(job.web.add("/f", job.file, ranges=False, lie_length=SIZE + 10))


@pytest.mark.parametrize("header", ["Content-MD5", "Digest", "x-goog-hash"])
def test_a_server_that_announces_too_little_is_found_out_by_its_digest(job: Job, header: str) -> None:
    """By HTTP the body ends where its length says; only a digest of the whole can tell."""
    md5 = base64.b64encode(hashlib.md5(job.file.read_bytes()).digest()).decode()
    headers = {header: md5 if header == "Content-MD5" else f"md5={md5}"}
    short = job.web.add("/short", job.file, ranges=False, lie_length=SIZE - 10, headers=headers)
    assert "md5" in job.fails(short, 16)
    job.web.pages["/short"].lie_length = None
    result = job.upload(short, "--force")
    assert result.rc == 0, result.stderr
    assert object_digest(job.boto, job.bucket, "k") == digest(job.file)


def test_a_server_that_announces_too_little_is_found_out_by_the_user(job: Job) -> None:
    url = job.web.add("/short", job.file, ranges=False, lie_length=SIZE - 10)
    assert job.upload(url, "--expect-sha256", digest(job.file)).rc == 16
    assert "Contents" not in job.boto.list_objects_v2(Bucket=job.bucket)


@pytest.mark.parametrize(
    "switches",
    [
        {"lie_length": SIZE + 10},
        {"lie_length": SIZE - 10},
        {"length": False},
        {"length": False, "ranges": False},
        {"accept_ranges": False},
        {"whole_for_range": True},
        {"head": False},
        {"cut_after": 3 * MIB, "cuts": 2},
    ],
    ids=str,
)
def test_what_ranges_make_up_for(job: Job, switches: dict[str, Any]) -> None:
    job.arrives(job.web.add("/f", job.file, **switches))


def test_a_stream_that_breaks(job: Job) -> None:
    job.fails(job.web.add("/f", job.file, ranges=False, cut_after=6 * MIB))


def test_a_server_that_sends_other_ranges(job: Job) -> None:
    assert "another byte range" in job.fails(job.web.add("/f", job.file, wrong_range=1))


@pytest.mark.parametrize(("status", "code"), [(401, 14), (403, 14), (404, 17), (410, 17), (500, 1), (429, 1)])
def test_a_server_that_refuses(job: Job, status: int, code: int) -> None:
    job.fails(job.web.add("/f", job.file, fail=[status] * 99), code)


@pytest.mark.parametrize("fail", [[202], [204], [0, 202]], ids=["prepared", "nothing", "challenged later"])
def test_an_answer_that_is_no_file_is_not_stored(job: Job, fail: list[int]) -> None:
    url = job.web.add("/f", b"not the file, a page", ranges=False)
    job.web.pages["/f"].fail = fail
    assert f"the source answers with HTTP {fail[-1]} and not with a file" in job.fails(url)
