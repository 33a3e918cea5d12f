"""Ctrl-C in the middle of a transfer that would go on for minutes: the end comes at once, and says how to go on."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.faults import Rule, stall
from tests.support.files import digest, make_file, object_digest
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024
SIZE = 4 * PART
BOUND = 20.0
"""Seconds for a busy machine; the stalls last 55, and are tried again after that. Alone it is a few hundredths."""


class Job:
    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy) -> None:
        self.cli, self.boto, self.bucket, self.proxy = cli, boto, bucket, proxy
        self.file, self.out = make_file(folder / "f", SIZE, 1), folder / "out"
        self.through = {"AWS_ENDPOINT_URL": proxy.endpoint_url}

    def url(self, key: str = "k") -> str:
        return f"s3://{self.bucket}/{key}"

    def interrupt(self, kind: str, where: Any, *words: object, stdin: int | None = None) -> str:
        """Runs `s3am words`, interrupts it once the second request of `kind` stalls; returns its one line."""
        self.proxy.rules.append(Rule(kind, stall(where, seconds=55, after=1000), nth=range(2, 99)))
        running = self.cli.start("--json", *words, env=self.through, stdin=stdin)
        assert self.proxy.wait_for(lambda: len(self.proxy.of(kind)) >= 2)
        if words[0] != "verify":
            assert running.wait_until(lambda: '"part_finished"' in running.stdout())
        begun = time.monotonic()
        running.interrupt()
        result = running.wait()
        seconds = time.monotonic() - begun
        print(f"{words[0]} ended {seconds:.2f} s after the interrupt")
        assert seconds < BOUND
        said = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
        assert (result.rc, len(said)) == (130, 1), result.stderr
        assert said[0].startswith("error: interrupted")
        self.proxy.rules.clear()
        return said[0]


@pytest.fixture
def job(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Job:
    return Job(cli, boto, bucket, tmp_path, proxy)


def resumed(job: Job, *words: object, **more: Any) -> None:
    """Through the same endpoint: a copy goes on from what the manifest says."""
    assert job.cli.ok("--json", *words, env=job.through, **more).json_lines()[-1]["parts_resumed"] >= 1


@pytest.mark.parametrize("where", ["request_body", "before_response"])
def test_upload(job: Job, where: str) -> None:
    words = ("upload", "--part-size", "5M", "--upload-slots", "1")
    assert "--resume" in job.interrupt("UploadPart", where, *words, job.file, job.url())
    resumed(job, *words, "--resume", job.file, job.url())
    assert object_digest(job.boto, job.bucket, "k") == digest(job.file)


def test_copy(job: Job) -> None:
    job.boto.upload_file(str(job.file), job.bucket, "k")
    words = ("upload", "--part-size", "5M", "--upload-slots", "1")
    assert "--resume" in job.interrupt("CopyPart", "before_response", *words, job.url(), job.url("copy"))
    resumed(job, *words, "--resume", job.url(), job.url("copy"))
    assert object_digest(job.boto, job.bucket, "copy") == digest(job.file)


def test_download(job: Job) -> None:
    job.boto.upload_file(str(job.file), job.bucket, "k")
    words = ("download", "--part-size", "5M", "--download-slots", "1")
    assert "--download-exists resume" in job.interrupt("GetRange", "response_body", *words, job.url(), job.out)
    assert not job.out.exists()
    assert {path.name for path in job.out.parent.iterdir()} >= {".out.partial", ".out.progress"}
    resumed(job, *words, "--download-exists", "resume", job.url(), job.out)
    assert digest(job.out) == digest(job.file)


def test_verify(job: Job) -> None:
    job.boto.upload_file(str(job.file), job.bucket, "k")
    job.interrupt("GetRange", "response_body", "verify", job.url())


def test_verify_against_a_url(job: Job) -> None:
    """The wait is for the URL's server."""
    job.boto.put_object(Bucket=job.bucket, Key="k", Body=job.file.read_bytes())
    with HttpServer() as web:
        url = web.add("/f", job.file, ranges=False, rate=1000)
        running = job.cli.start("verify", "--against", url, job.url())
        assert running.wait_until(lambda: any(asked.sent for asked in web.of("/f", "GET")))
        assert_ends(running)


@pytest.mark.parametrize("sent", [False, True], ids=["nothing was written", "parts were sent"])
def test_standard_input(job: Job, sent: bool) -> None:
    """Python waits in a read of a pipe that stays open."""
    reader, writer = os.pipe()
    running = job.cli.start("upload", "--part-size", "5M", "-", job.url(), stdin=reader, env=job.through)
    os.close(reader)
    try:
        if sent:
            feeder = threading.Thread(target=os.write, args=(writer, job.file.read_bytes()[: 2 * PART + 5]))
            feeder.start()
            assert job.proxy.wait_for(lambda: job.proxy.count("UploadPart", status=200) >= 2)
        else:
            assert job.proxy.wait_for(lambda: len(job.proxy.of("Head")) >= 1)
        said = assert_ends(running)
    finally:
        os.close(writer)
    if sent:
        assert "--resume" in said
        with job.file.open("rb") as file:
            resumed(job, "upload", "--part-size", "5M", "--resume", "-", job.url(), stdin=file)
        assert object_digest(job.boto, job.bucket, "k") == digest(job.file)


def test_a_source_that_sends_nothing_more(job: Job) -> None:
    with HttpServer() as web:
        url = web.add("/f", job.file, ranges=False, rate=1000)
        running = job.cli.start("upload", url, job.url())
        assert running.wait_until(lambda: len(web.of("/f", "GET")) >= 2 and web.of("/f", "GET")[1].sent > 0)
        assert "--resume" in assert_ends(running)


def assert_ends(running: Any) -> str:
    begun = time.monotonic()
    running.interrupt()
    result = running.wait()
    print(f"ended {time.monotonic() - begun:.2f} s after the interrupt")
    assert time.monotonic() - begun < BOUND
    said = [line for line in result.stderr.splitlines() if not line.startswith("warning: ")]
    assert (result.rc, len(said)) == (130, 1), result.stderr
    return said[0]
