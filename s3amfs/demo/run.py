"""`s3am demo`: the main job, shown with the real command line against a real S3 server on this machine.

It starts the servers, runs `s3am` as child processes, kills one of them half-way, and proves the results with means
that are not its own (a byte-wise comparison of files). Everything lives in one temporary folder and is gone at the
end, also after Ctrl-C and failures. It belongs to the main thread of the process that runs it.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from ..core.define import define
from ..core.sizes import format_size
from ..errors import TransferError, UsageError
from .seaweed import SeaweedServer, find_weed
from .servers import FtpServer, HttpServer

SIZE = 256 * 1024 * 1024
SMALLEST = 64 * 1024 * 1024
"""Fewer parts would all be in flight at once: there would be no half-way."""
SLOW_SECONDS = 6
"""How long the upload that is killed would take: the FTP server is throttled for it."""
FTP_CONNECTIONS = 8
PIECE = 8 * 1024 * 1024
COPIES = 6
"""Times the size that the demonstration needs on disk: source, three objects, a download, and room."""


@define
class Ran:
    """A run of `s3am` that has ended."""

    code: int
    seconds: float
    memory: int
    """Peak resident memory in bytes."""
    output: list[str] = field(default_factory=list)
    errors: str = ""

    def event(self, name: str) -> dict[str, Any]:
        """The last event of this name; {} without one."""
        events = (json.loads(line) for line in self.output if line.startswith("{"))
        return next((event for event in reversed(list(events)) if event["event"] == name), {})


class Demo:
    """One demonstration in `folder`; the servers run already."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.memory = 0
        self._environment = environment

    def s3am(self, *arguments: str, kill_after: float | None = None) -> Ran:
        """Runs `s3am` and says so. kill_after: SIGKILL once this share of the parts is done.

        Raises TransferError unless it ends as it should.
        """
        say(f"  $ s3am {' '.join(arguments)}")
        begun = time.monotonic()
        with open(self.folder / "errors", "w+") as errors:
            command = [sys.executable, "-m", "s3amfs.cli.main", *arguments, "--json", "--no-progress"]
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                text=True,
            )
            try:
                output = _watch(child, kill_after)
            finally:
                code, memory = _reap(child)
            errors.seek(0)
            ran = Ran(code, time.monotonic() - begun, memory, output, errors.read().strip())
        expected = 0 if kill_after is None else -signal.SIGKILL
        if code != expected:
            raise TransferError(f"s3am {arguments[0]} exited {code}, not {expected}: {ran.errors or ran.output[-1:]}")
        self.memory = max(self.memory, memory)
        return ran

    def show_figures(self, ran: Ran, size: int | None = None) -> None:
        """Prints what a transfer of `size` bytes says of itself."""
        result = ran.event("result")
        moved = result["size"] if size is None else size
        rate = f"{format_size(moved)} in {ran.seconds:.1f} s, {format_size(round(moved / ran.seconds))}/s"
        say(f"    {rate}, peak memory {format_size(ran.memory)}, start-up included")
        say(f"    proof: {result['proof']}")


def say(line: str) -> None:
    print(line, flush=True)


def main(size: int | None = None) -> int:
    """Runs the demonstration with `size` bytes of data and returns its exit code.

    Raises Unsupported without the servers (extra `demo`), TransferError when something is not as it should be.
    """
    size = SIZE if size is None else size
    if size < SMALLEST:
        raise UsageError(f"--size must be at least {format_size(SMALLEST)}: less is too soon over to be interrupted")
    find_weed()
    with _temporary_folder(size) as folder:
        (folder / "data").mkdir()
        say(f"s3am demo: {format_size(size)} of random data, all on this machine, below {folder}")
        source = folder / "data" / "big.bin"
        _write_random(source, size)
        begun = time.monotonic()
        with SeaweedServer(parent=folder) as s3, FtpServer(source.parent) as ftp, HttpServer(source.parent) as web:
            say(f"an S3 server (SeaweedFS), an FTP and an HTTP server are up after {time.monotonic() - begun:.1f} s")
            environment = _environment(folder, s3)
            _make_bucket(environment)
            demo = Demo(folder, environment)
            _from_ftp(demo, ftp, size)
            _the_rest(demo, web, source)
        say(f"\nAll as it should be. Peak memory of any s3am: {format_size(demo.memory)}.")
    say("The servers have ended, the files are removed.")
    return 0


def _from_ftp(demo: Demo, ftp: FtpServer, size: int) -> None:
    say("\n1. Upload from FTP over a slow line, killed half-way (kill -9)")
    ftp.rate = max(1, size // (SLOW_SECONDS * FTP_CONNECTIONS))
    url, target = f"{ftp.url}/big.bin", "s3://demo/from-ftp.bin"
    small_parts = ("--part-size", "5MiB") if size < 2 * SMALLEST else ()
    killed = demo.s3am("upload", *small_parts, url, target, kill_after=0.5)
    done = sum(json.loads(line)["event"] == "part_finished" for line in killed.output)
    say(f"    killed after {done} of {killed.event('transfer_started')['parts']} parts")
    say("\n2. The same again with --resume, over a fast line: parts that S3 has are not sent again")
    ftp.rate = 0
    ran = demo.s3am("upload", "--resume", url, target)
    result = ran.event("result")
    if result["parts_resumed"] < done or not result["bytes_sent"] < size:
        raise TransferError(
            f"{done} parts were there and only {result['parts_resumed']} were taken up: parts sent twice"
        )
    say(f"    {result['parts_resumed']} parts were there, {result['parts_sent']} were sent")
    demo.show_figures(ran, result["bytes_sent"])


def _the_rest(demo: Demo, web: HttpServer, source: Path) -> None:
    say("\n3. Upload from HTTP: streamed, no copy on disk, no part in memory")
    demo.show_figures(demo.s3am("upload", f"{web.url}/big.bin", "s3://demo/from-http.bin"))
    say("\n4. Copy inside S3: no byte passes through s3am")
    copied = demo.s3am("upload", "s3://demo/from-ftp.bin", "s3://demo/copy.bin")
    demo.show_figures(copied)
    say("\n5. Download")
    target = demo.folder / "downloaded.bin"
    demo.show_figures(demo.s3am("download", "s3://demo/copy.bin", str(target)))
    if not filecmp.cmp(source, target, shallow=False):
        raise TransferError("the downloaded file differs from the source: please report this")
    say("    compared byte by byte: equal to what the FTP server has")
    say("\n6. Verify: is the object what the file is? Asked of S3, nothing is downloaded where it has a checksum")
    verified = demo.s3am("verify", "--against", str(source), "s3://demo/from-http.bin")
    say(f"    equal: {verified.event('equal')['proof']}")
    pending = demo.s3am("pending", "s3://demo")
    if pending.output:
        raise TransferError(f"an unfinished upload was left: {pending.output}")
    say("    and no unfinished upload is left")


@contextlib.contextmanager
def _temporary_folder(size: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="s3am-demo-"))
    try:
        if shutil.disk_usage(folder).free < size * COPIES:
            wanted = format_size(size * COPIES)
            raise TransferError(f"less than {wanted} free in {folder.parent}: set TMPDIR, or give a smaller --size")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_random(path: Path, size: int) -> None:
    with open(path, "wb") as out:
        for at in range(0, size, PIECE):
            out.write(os.urandom(min(PIECE, size - at)))


def _make_bucket(environment: dict[str, str]) -> None:
    # In a child: what this process holds would count as peak memory of the commands that it starts (Linux adds it up
    # over vfork and exec).
    code = "import boto3; boto3.client('s3').create_bucket(Bucket='demo')"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def _environment(folder: Path, s3: SeaweedServer) -> dict[str, str]:
    """The user's environment without what would lead elsewhere: AWS settings, proxies, the state folder."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_") and k.lower() not in proxies}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, **s3.environment(), "S3AM_STATE_DIR": str(folder / "state")}


def _watch(child: subprocess.Popen[str], kill_after: float | None) -> list[str]:
    """Output of the child, to its end; kills it when this share of its parts is done."""
    assert child.stdout is not None
    output: list[str] = []
    parts = done = 0
    for line in child.stdout:
        output.append(line)
        if kill_after is None or not line.startswith("{"):
            continue
        event = json.loads(line)
        parts = event["parts"] or 0 if event["event"] == "transfer_started" else parts
        done += event["event"] == "part_finished"
        if parts and done >= parts * kill_after:
            child.kill()
            kill_after = None
    return output


def _reap(child: subprocess.Popen[str]) -> tuple[int, int]:
    """Exit code (negative: signal) and peak memory; a child that still runs, because we were interrupted, is killed."""
    if child.stdout is not None:
        child.stdout.close()
    if sys.exc_info()[0] is not None:
        child.kill()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * 1024
