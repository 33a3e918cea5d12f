"""One test for each script of inputs/: a situation from a public bug report of another tool, and what is right in it.

A script runs in a process of its own (a fork of one that has imported the package), with a folder, a state folder and
an environment of its own. It ends with 0 where the behaviour was right, with 3 and a line `WRONG: why`, or with 77 and
`CANNOT: why` where the machine lacks something. kit.py is what they share.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from s3amfs.demo.seaweed import SeaweedServer
from tests.support import warm

HERE = Path(__file__).parent
CASES = sorted((HERE / "inputs").glob("*.py"))
HEADER = re.compile(r"^# (what|kind|source|marks|limit): *(.*)$", re.M)
SECONDS = 60.0
"""A case that takes longer hangs, unless its header has a limit of its own. Doubled below: machines are busy."""


def header(path: Path) -> dict[str, str]:
    """What the first lines of a case say of it."""
    return dict(HEADER.findall(path.read_text()[:2000]))


@pytest.fixture(scope="session")
def cases_moto() -> Iterator[str]:
    """Keeps what SeaweedFS does not: KMS, archive classes, keys that end in a slash."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Put before `script PATH`: forks a process that has imported what cases do."""
    clean = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    with warm.serving(
        tmp_path_factory.mktemp("warm"), "boto3", "s3fs", "aiobotocore.session", environment=clean
    ) as words:
        yield words


@pytest.fixture
def surroundings(s3: SeaweedServer, cases_moto: str, command: list[str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of one case; afterwards nothing that it has started or mounted is left."""
    for name in ("home", "tmp", "state"):
        (tmp_path / name).mkdir()
    token = secrets.token_hex(8)
    yield {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "S3AM_STATE_DIR": str(tmp_path / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(HERE),
        "CASE_TOKEN": token,
        "CASES_MOTO": cases_moto,
        "CASES_WARM": shlex.join(command),
        "TERM": "dumb",
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    clear_away(token, tmp_path)


def started_by(token: str) -> list[int]:
    """Processes of a case: its token is in their environment."""
    wanted = b"CASE_TOKEN=" + token.encode() + b"\0"
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in Path(f"/proc/{entry}/environ").read_bytes() + b"\0":
                    found.append(int(entry))
    return found


def mounted_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in reversed(points) if point.startswith(f"{folder}/")]


def clear_away(token: str, folder: Path) -> None:
    """Ends the processes, mounts and files that a case has left."""
    deadline = time.monotonic() + 10
    while (left := started_by(token)) or mounted_below(folder):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for point in mounted_below(folder):
            command = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
            subprocess.run([*command, point], capture_output=True, check=False)
        assert time.monotonic() < deadline, f"left: {left}, {mounted_below(folder)}"
    shutil.rmtree(folder / "tmp", ignore_errors=True)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, surroundings: dict[str, str], command: list[str], tmp_path: Path) -> None:
    limit = 2 * float(header(path).get("limit", SECONDS))
    with open(tmp_path / "output", "wb") as output:
        child = subprocess.Popen(
            [*command, "script", str(path)],
            env=surroundings,
            cwd=tmp_path / "tmp",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            pytest.fail(f"nothing after {limit:.0f} s: {header(path)['what']}")
    said = (tmp_path / "output").read_text(errors="replace")
    if status == 77:
        lacks = said.rpartition("CANNOT: ")[2].strip()
        assert "FUSE" not in lacks or os.environ.get("CI") != "true", lacks
        pytest.skip(lacks)
    assert status == 0, f"{header(path)['what']}\n{said[-2000:]}"
