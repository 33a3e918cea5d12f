"""Draws transfers, faults and kills from a seed, and counts what went wrong.

    python -m tests.faults.chaos --runs 200 --seed 1

The last line is `chaos: N runs, W wrong, L lost errors, P parts sent twice, R leftovers`; the exit code is 0 only if
all are 0. A failing run prints the seed that replays it: `--runs 1 --seed THAT`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client, empty_bucket
from tests.support.cli import Cli, Result
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
SIZES = (0, 1, 1000, PART - 1, PART, PART + 1, 2 * PART, 13 * MIB, 21 * MIB)
KINDS = ("file", "http", "ftp", "stdin", "copy", "download")
ATTEMPTS = 6
RETRIED = (1, 3, 11, 13, -9)
"""Exit codes after which a user would try again: trouble, several uploads, or the killed run had published."""


@dataclass
class Tally:
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    lost_errors: list[str] = field(default_factory=list)
    sent_twice: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        return bool(self.wrong or self.lost_errors or self.sent_twice or self.leftovers)

    def line(self) -> str:
        return (
            f"chaos: {self.runs} runs, {len(self.wrong)} wrong, {len(self.lost_errors)} lost errors, "
            f"{len(self.sent_twice)} parts sent twice, {len(self.leftovers)} leftovers"
        )


class World:
    """The servers that all runs share."""

    def __init__(self, folder: Path, s3: SeaweedServer, web: HttpServer, ftp: FtpServer) -> None:
        self.folder, self.s3, self.web, self.ftp = folder, s3, web, ftp
        self.boto = boto_client(s3.endpoint_url, s3.access_key, s3.secret_key)


class Run:
    """One transfer with its faults and kills, all drawn from one number."""

    def __init__(self, world: World, seed: int, tally: Tally) -> None:
        self.world, self.seed, self.tally = world, seed, tally
        self.how = random.Random(seed)
        self.kind = self.how.choice(KINDS)
        self.size = self.how.choice(SIZES)
        self.rate = self.how.choice((0.0, 0.05, 0.1, 0.2))
        self.kills = self.how.choice((0, 0, 1, 2))
        self.folder = world.folder / f"run{seed}"
        self.folder.mkdir()
        self.file = world.folder / "served" / f"f{seed}"
        self.out = self.folder / "out"
        self.bucket = f"chaos-{seed}"
        self.name = (
            f"{self.kind}, {self.size} bytes, {self.rate:.0%} faults, {self.kills} kills; --runs 1 --seed {seed}"
        )

    def play(self) -> None:
        self.world.boto.create_bucket(Bucket=self.bucket)
        make_file(self.file, self.size, self.seed)
        if self.kind in ("copy", "download"):
            self.world.boto.upload_file(str(self.file), self.bucket, "source")
        with FaultProxy(self.world.s3.endpoint_url, seed=self.seed) as proxy:
            proxy.fail_rate(self.rate, self.seed)
            cli = Cli(self.folder / "home", {**self.world.s3.environment(), "AWS_ENDPOINT_URL": proxy.endpoint_url})
            result = self._until_done(cli, proxy)
            self._judge(result, proxy)
        empty_bucket(self.world.boto, self.bucket)
        shutil.rmtree(self.folder)
        self.file.unlink()

    def _until_done(self, cli: Cli, proxy: FaultProxy) -> Result:
        resume = ""
        for attempt in range(ATTEMPTS):
            running = cli.start(*self._command(resume), stdin=self._stdin())
            if attempt < self.kills:
                seen, count = len(proxy.requests), self.how.randrange(1, 12)
                running.kill_when(lambda seen=seen, count=count: len(proxy.requests) >= seen + count)  # type: ignore[misc]
            result = running.wait()
            if result.rc not in RETRIED or (result.rc in (3, 11) and attempt > 0):
                return result
            # Killed between a Create whose answer was lost and the abort of what it left: there are two of them.
            resume = "--force" if result.rc == 13 else "--resume"
        return result

    def _command(self, resume: str) -> tuple[object, ...]:
        target = f"s3://{self.bucket}/k"
        if self.kind == "download":
            again = ("--download-exists", "resume") if resume else ()
            return ("download", "--part-size", "5M", *again, f"s3://{self.bucket}/source", self.out)
        sources = {
            "file": self.file,
            "http": self.world.web.add(f"/f{self.seed}", self.file) if self.kind == "http" else "",
            "ftp": self.world.ftp.url(f"/{self.file.name}"),
            "stdin": "-",
            "copy": f"s3://{self.bucket}/source",
        }
        again = (resume,) if resume else ()
        return ("upload", "--part-size", "5M", *again, sources[self.kind], target)

    def _stdin(self) -> Any:
        return self.file.read_bytes() if self.kind == "stdin" else None

    def _judge(self, result: Result, proxy: FaultProxy) -> None:
        boto, content = self.world.boto, digest(self.file)
        if self.kind == "download":
            there = self.out.exists()
            same = there and digest(self.out) == content
        else:
            listed = boto.list_objects_v2(Bucket=self.bucket, Prefix="k").get("Contents", [])
            there = bool(listed)
            same = there and object_digest(boto, self.bucket, "k") == content
        if there and not same:
            self.tally.wrong.append(self.name)
        if (result.rc == 0 and not there) or (result.rc != 0 and result.stderr.count("error: ") != 1):
            self.tally.lost_errors.append(self.name)
        if not same:
            self.tally.wrong.append(f"not finished after {ATTEMPTS} attempts (exit {result.rc}): {self.name}")
            print(result.stderr, file=sys.stderr)
        if any(r.kind == "UploadPart" for r in proxy.parts_sent_again()):
            self.tally.sent_twice.append(self.name)
        uploads = boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        partial = [path.name for path in self.folder.glob(".*")]
        manifests = [path.name for path in (self.folder / "home").rglob("*.manifest")]
        if same and (uploads or partial or (manifests and result.rc == 0)):
            self.tally.leftovers.append(f"{len(uploads)} uploads, {partial}, {manifests}: {self.name}")


def chaos(runs: int, seed: int) -> Tally:
    """Plays `runs` runs, the first with `seed` itself, so that one can be replayed alone."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="s3am-chaos-") as name:
        folder = Path(name)
        (folder / "served").mkdir()
        with SeaweedServer() as s3, HttpServer() as web, FtpServer(folder / "served") as ftp:
            world = World(folder, s3, web, ftp)
            draw = random.Random(seed)
            for number in range(runs):
                run = Run(world, seed if number == 0 else draw.randrange(2**31), tally)
                run.play()
                tally.runs += 1
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    tally = chaos(args.runs, args.seed)
    for kind in ("wrong", "lost_errors", "sent_twice", "leftovers"):
        for text in getattr(tally, kind):
            print(f"{kind}: {text}")
    print(tally.line())
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
