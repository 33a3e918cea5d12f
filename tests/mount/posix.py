"""pjdfstest and fsx, as Rust packages have them, on a mount.

    python -m tests.mount.posix pjdfstest PROGRAM
    python -m tests.mount.posix fsx PROGRAM OPERATIONS SEEDS

What fails of pjdfstest must be in the table of docs/mount.md, with its reason. Root only: many of its tests act as
several users.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_suffix("").with_name("pjdfstest.toml")
RESULT = re.compile(r"^(\S+::\S+) +(ok|FAILED|skipped)$", re.MULTILINE)
ROW = re.compile(r"^\| (`[^|]*::[^|]*`) \| ([^|]+) \|$", re.MULTILINE)
AT_TIMES = "now and then"
"""So begins the reason of tests that may pass, too."""
BUCKET = "posix"


def patterns(manual: str) -> dict[str, bool]:
    """The tests that the table of the manual names, as glob patterns, and whether each always fails."""
    return {
        pattern: not reason.startswith(AT_TIMES)
        for tests, reason in ROW.findall(manual)
        for pattern in re.findall(r"`([^`]+)`", tests)
    }


def judge(printed: str, known: Mapping[str, bool]) -> tuple[dict[str, int], list[str], list[str]]:
    """Returns how many tests had which result, failures that `known` does not cover, and patterns without a failure."""
    results = RESULT.findall(printed)
    count = {kind: sum(result == kind for _, result in results) for kind in ("ok", "FAILED", "skipped")}
    failed = [name for name, result in results if result == "FAILED"]
    unknown = [name for name in failed if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known)]
    idle = [pattern for pattern, always in known.items() if always and not fnmatch.filter(failed, pattern)]
    return count, sorted(unknown), idle


def run(*commands: Sequence[object]) -> tuple[str, bool]:
    """Runs programs in a mount of an empty bucket; returns what they print, and whether all ended with 0."""
    s3am = str(Path(sys.executable).with_name("s3am"))
    with SeaweedServer() as server, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        boto_client(server.endpoint_url, server.access_key, server.secret_key).create_bucket(Bucket=BUCKET)
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": "us-east-1",
            "S3AM_STATE_DIR": f"{folder}/state",
        }
        mounted = Path(folder, "mount")
        mounted.mkdir()
        options = ("--allow-other", "--log-file", f"{folder}/log")
        subprocess.run([s3am, "mount", *options, f"s3://{BUCKET}", mounted], env=environment, check=True)
        try:
            done = [
                subprocess.run([*map(str, each)], cwd=mounted, stdout=subprocess.PIPE, text=True, check=False)
                for each in commands
            ]
            return "".join(each.stdout for each in done), not any(each.returncode for each in done)
        finally:
            subprocess.run([s3am, "umount", mounted], env=environment, check=True)


def pjdfstest(program: str) -> int:
    printed, _ = run([program, "-c", CONFIG, "-p", "."])
    count, unknown, idle = judge(printed, patterns((ROOT / "docs" / "mount.md").read_text()))
    sys.stdout.write(f"{count['ok']} ok, {count['FAILED']} failed, {count['skipped']} skipped\n")
    for name in unknown:
        sys.stdout.write(f"not in the table of docs/mount.md: {name}\n")
    for pattern in idle:
        sys.stdout.write(f"in the table of docs/mount.md, but nothing failed: {pattern}\n")
    if not count["ok"]:
        sys.stdout.write(printed)
    return 1 if unknown or idle or not count["ok"] else 0


def fsx(program: str, operations: str, seeds: str) -> int:
    numbers = range(1, int(seeds) + 1)
    printed, went_well = run(*([program, "-N", operations, "-S", number, f"f{number}"] for number in numbers))
    sys.stdout.write(printed)
    return 0 if went_well else 1


if __name__ == "__main__":
    programs: dict[str, Callable[..., int]] = {"pjdfstest": pjdfstest, "fsx": fsx}
    sys.exit(programs[sys.argv[1]](*sys.argv[2:]))
