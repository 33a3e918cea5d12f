"""Odd surroundings: closed and full streams, few descriptors, small file limits, no HOME, odd locales and clocks.

The transfer succeeds, or there is one line that says why not; never a traceback, a hang or silence.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.cli import Cli
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
SIZE = 6 * MIB


class Place:
    """A file, a bucket, and `s3am` started with a shell's redirections or limits."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path) -> None:
        self.cli, self.boto, self.bucket = cli, boto, bucket
        self.file, self.out = folder / "f", folder / "out"
        self.url = f"s3://{bucket}/k"
        make_file(self.file, SIZE, 1)

    def run(
        self, *words: object, redirect: str = "", limits: Callable[[], None] | None = None, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *self.cli.command, *map(str, words)]
        env = {n: v for n, v in {**self.cli.environment, **environment}.items() if v is not None}
        done = subprocess.run(
            command, env=env, preexec_fn=limits, capture_output=True, text=True, timeout=100, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def is_stored(self) -> bool:
        return object_digest(self.boto, self.bucket, "k") == digest(self.file)


@pytest.fixture
def place(cli: Cli, boto: Any, bucket: str, tmp_path: Path) -> Place:
    return Place(cli, boto, bucket, tmp_path)


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_and_full_streams_do_no_harm(place: Place, redirect: str) -> None:
    assert place.run("-v", "upload", place.file, place.url, redirect=redirect).returncode == 0
    assert place.is_stored()
    # The exit code is right also where nobody can read why.
    assert place.run("-v", "upload", place.file, place.url, redirect=redirect).returncode == 3


def test_a_closed_standard_input_is_no_empty_object(place: Place) -> None:
    done = place.run("upload", "-", place.url, redirect="<&-")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Bad file descriptor")
    assert place.boto.list_objects_v2(Bucket=place.bucket).get("Contents", []) == []


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_a_result_that_cannot_be_written_is_an_error(place: Place, json: tuple[str, ...]) -> None:
    done = place.run(*json, "upload", place.file, place.url, redirect=">/dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "standard output (No space left on device)" in done.stderr


def descriptors(number: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


@pytest.mark.parametrize("number", [9, 13, 16])
def test_few_descriptors(place: Place, number: int) -> None:
    """Enough of them, or an error; never a wait for a loop that could not begin."""
    patience = ("--retry-budget", "3", "--part-size", "5M")
    done = place.run("upload", *patience, place.file, place.url, limits=descriptors(number))
    assert done.returncode in (0, 1), done.stderr
    if done.returncode == 0:
        assert place.is_stored()
    else:
        assert "error: " in done.stderr
        place.cli.ok("upload", "--force", "--exists", "overwrite", place.file, place.url)
    done = place.run("download", *patience, place.url, place.out, limits=descriptors(number))
    assert done.returncode in (0, 1), done.stderr
    assert place.out.exists() == (done.returncode == 0)
    if done.returncode == 0:
        assert digest(place.out) == digest(place.file)
    else:
        assert "error: " in done.stderr


def test_a_limit_of_file_sizes(place: Place) -> None:
    place.cli.ok("upload", place.file, place.url)
    limit = (4 * MIB, 4 * MIB)
    done = place.run("download", place.url, place.out, limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "File too large" in done.stderr
    assert not place.out.exists()
    place.cli.ok("download", "--download-exists", "resume", place.url, place.out)
    assert digest(place.out) == digest(place.file)


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None, "TZ": "Foo/Bar", "LANG": "C", "LC_ALL": "C"},
        {"HOME": "/proc/nowhere", "TZ": "Asia/Kathmandu", "PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda environment: "-".join(environment),
)
def test_odd_environments(place: Place, environment: dict[str, str | None]) -> None:
    odd = place.file.with_name("fünf ☃")
    os.rename(place.file, odd)
    place.file = odd
    done = place.run("-v", "upload", odd, f"s3://{place.bucket}/ü/", **environment)
    assert done.returncode == 0, done.stderr
    assert place.run("-v", "download", f"s3://{place.bucket}/ü/{odd.name}", place.out, **environment).returncode == 0
    assert digest(place.out) == digest(odd)
    assert place.run("pending", f"s3://{place.bucket}", **environment).returncode == 0


def test_a_bug_is_told_in_one_line(place: Place, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import s3amfs.verbs.pending\n"
        "def broken(*args, **names):\n"
        "    raise ZeroDivisionError('oh')\n"
        "s3amfs.verbs.pending.pending = broken\n"
    )
    path = f"{tmp_path}:{place.cli.environment['PYTHONPATH']}"
    done = place.run("pending", f"s3://{place.bucket}", PYTHONPATH=path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: ZeroDivisionError: oh")
    debugged = place.cli("--debug", "pending", f"s3://{place.bucket}", env={"PYTHONPATH": path})
    assert "Traceback" in debugged.stderr


def test_stopped_and_continued(place: Place, proxy: FaultProxy) -> None:
    """SIGSTOP in the middle (a laptop that sleeps): it goes on where it was."""
    proxy.rules.append(Rule("UploadPart", faults.delay(0.2)))
    command = ("--timeout", "2", "upload", "--part-size", "5M", "--upload-slots", "1", place.file, place.url)
    running = place.cli.start(*command, env={"AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert proxy.wait_for(lambda: proxy.count("UploadPart") >= 1)
    running.send(signal.SIGSTOP)
    proxy.down()  # who sleeps loses connections
    proxy.up()
    running.send(signal.SIGCONT)
    result = running.wait(100)
    assert result.rc == 0, result.stderr
    assert place.is_stored()
    assert proxy.parts_sent_again() == []
