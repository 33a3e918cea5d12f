"""What every benchmark uses: data, servers, measured commands, and a list of verdicts. Main thread only."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    code: int
    wall: float
    cpu: float
    memory: int
    output: str = ""


def middle(runs: list[Run]) -> Run:
    """The medians of several runs; the code is the worst."""
    return Run(
        max(abs(run.code) for run in runs),
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.memory for run in runs),
        runs[-1].output,
    )


@dataclass
class Bench:
    """folder: where data lies, in memory if possible. repeat: runs of each command, whose medians count."""

    folder: Path
    repeat: int
    rows: list[str] = field(default_factory=list)
    verdicts: list[tuple[str, float, float, str]] = field(default_factory=list)
    """(what, measured, limit, unit); measured must not be above the limit."""
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._launcher.stdin is not None
        self._launcher.stdin.close()
        self._launcher.wait()

    def once(self, argv: list[str], **environment: str) -> Run:
        """Runs a command to its end and measures it, start-up included."""
        assert self._launcher.stdin is not None
        assert self._launcher.stdout is not None
        log = self.folder / "log"
        job = {"argv": argv, "env": {**self.environment, **environment}, "log": str(log)}
        print(json.dumps(job), file=self._launcher.stdin, flush=True)
        answer = json.loads(self._launcher.stdout.readline())
        return Run(**answer, output=log.read_text(errors="replace"))

    def row(self, *cells: object) -> None:
        """One line of the table; '' cells begin a section."""
        line = "| " + " | ".join(map(str, cells)) + " |"
        self.rows.append(line)
        print(line, flush=True)

    def measured(self, case: str, tool: str, run: Run, note: str = "") -> None:
        if run.code:
            words = run.output.strip().splitlines()
            self.row(case, tool, "failed", "", "", (words[-1] if words else f"exit {run.code}")[:100].replace("|", "/"))
        else:
            self.row(case, tool, f"{run.wall:.2f}", f"{run.cpu:.2f}", f"{run.memory / MIB:.0f}", note)

    def verdict(self, what: str, value: float, limit: float, unit: str = "") -> None:
        self.verdicts.append((what, value, limit, unit))


def s3am(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "s3amfs.cli.main", *arguments]


@contextlib.contextmanager
def null_server(file: Path, checksum: str, *certificate: str, fail: float = 0.0, seed: int = 0) -> Iterator[str]:
    """host:port of a null server in a process of its own; `fail`: share of the requests that fail."""
    faults = ["--fail", str(fail), "--seed", str(seed)]
    command = [sys.executable, "-m", "benchmarks.null_server", str(file), checksum, *certificate, *faults]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    try:
        yield f"127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()


def make_certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=benchmark"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def turns(tools: Iterable[str], repeat: int) -> Iterator[str]:
    """Each tool `repeat` times; the order shifts from turn to turn, so that none always runs after the same other."""
    waiting = deque(tools)
    for _ in range(repeat):
        yield from list(waiting)
        waiting.rotate(-1)


def make_data(path: Path, size: int) -> str:
    """`size` bytes that do not compress; returns their CRC64NVME in base64."""
    from s3amfs.core.checksums import Crc

    crc, block = Crc("crc64nvme"), os.urandom(8 * MIB)
    with open(path, "wb") as out:
        for at in range(0, size, len(block)):
            piece = block[: size - at]
            crc.update(piece)
            out.write(piece)
    return crc.base64
