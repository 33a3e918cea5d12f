"""Draws transfers, faults and kills from a seed, and counts what went wrong.

    python -m tests.faults.chaos --runs 200 --seed 1

The last line is `chaos: N runs, W wrong, L lost errors, P parts sent twice, R leftovers`; the exit code is 0 only if
all are 0. A failing run prints the seed that replays it: `--runs 1 --seed THAT`. Judged after every attempt, not only
after the last: what is under the final name is whole or nothing, an error is one line, `s3am pending` names what is
left, and no process of the attempt lives on.
"""

from __future__ import annotations

import argparse
import os
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
from tests.support import faults
from tests.support.cli import Cli, Result
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
PART = 5 * MIB
SIZES = (0, 1, 1000, PART - 1, PART, PART + 1, 2 * PART, 13 * MIB, 21 * MIB)
FS_SIZES = tuple(size for size in SIZES if size >= PART)
"""What is smaller goes through s3fs, which is not on trial here."""
KINDS = ("file", "http", "ftp", "stdin", "copy", "download", "fs put", "fs get")
DOWNLOADS = ("download", "fs get")
ATTEMPTS = 8
AGAIN = (1, 13, 14, 16, -9)
"""Exit codes after which a user tries again: trouble, several uploads, expired tokens, damage on the wire, killed."""
EXISTS = (3, 11)
RARE: tuple[tuple[float, faults.Match, tuple[faults.Fault, ...]], ...] = (
    (0.5, ("Complete", "Copy", "CopyPart"), (faults.ok_with_error(), faults.ok_with_error(deliver=True))),
    (0.3, ("UploadPart", "Put", "GetRange", "Get"), faults.BIT_FLIPS),
    (0.1, "*", (faults.expired_token(), faults.lose_answer())),
    (0.1, "*", (faults.stall("before_response"), faults.stall("request_body"), faults.stall("response_body"))),
)
"""Beside what is common (faults.COMMON): share of the fault rate, requests, faults."""


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

    def __init__(self, world: World, seed: int, tally: Tally, kinds: tuple[str, ...] = KINDS) -> None:
        self.world, self.seed, self.tally = world, seed, tally
        self.how = random.Random(seed)
        self.kind = self.how.choice(kinds)
        self.is_fs = self.kind.startswith("fs")
        self.size = self.how.choice(FS_SIZES if self.is_fs else SIZES)
        self.rate = self.how.choice((0.0, 0.05, 0.1, 0.2))
        self.kills = self.how.choice((0, 0, 1, 2))
        self.wipes = self.how.random() < 0.2
        self.folder = world.folder / f"run{seed}"
        self.folder.mkdir()
        self.file = world.folder / "served" / f"f{seed}"
        self.out = self.folder / "out" / "file"
        self.out.parent.mkdir()
        self.bucket = f"chaos-{seed}"
        self.name = (
            f"{self.kind}, {self.size} bytes, {self.rate:.0%} faults, {self.kills} kills"
            f"{', state wiped' if self.wipes else ''}; --runs 1 --seed {seed}"
        )

    def play(self) -> None:
        self.world.boto.create_bucket(Bucket=self.bucket)
        make_file(self.file, self.size, self.seed)
        self.content = digest(self.file)
        if self.kind in ("copy", *DOWNLOADS):
            self.world.boto.upload_file(str(self.file), self.bucket, "source")
        with FaultProxy(self.world.s3.endpoint_url, seed=self.seed) as proxy:
            proxy.fail_rate(self.rate, self.seed)
            # An fsspec user has no --timeout: a stalled request takes its minute.
            rare = RARE[:-1] if self.is_fs else RARE
            for number, (share, match, which) in enumerate(rare if self.rate else ()):
                proxy.chaos.append(faults.Chaos(self.rate * share, self.seed + number + 1, match, which))
            self.cli = self._cli(proxy)
            result = self._until_done(proxy)
            self._judge_end(result, proxy)
        empty_bucket(self.world.boto, self.bucket)
        shutil.rmtree(self.folder)
        self.file.unlink()

    def _cli(self, proxy: FaultProxy) -> Cli:
        temporary = self.folder / "tmp"
        temporary.mkdir()
        environment = {"AWS_ENDPOINT_URL": proxy.endpoint_url, "TMPDIR": str(temporary)}
        cli = Cli(self.folder / "home", {**self.world.s3.environment(), **environment})
        if self.is_fs:
            cli.command = [sys.executable, "-m", "tests.faults.fs_job"]
        return cli

    def _until_done(self, proxy: FaultProxy) -> Result:
        resume = ""
        for attempt in range(ATTEMPTS):
            running = self.cli.start(*self._command(resume), stdin=self._stdin())
            if attempt < self.kills:
                seen, count = len(proxy.requests), self.how.randrange(1, 12)
                running.kill_when(lambda seen=seen, count=count: len(proxy.requests) >= seen + count)  # type: ignore[misc]
            result = running.wait()
            there = self._judge_attempt(result, attempt)
            if result.rc == 0 or (result.rc in EXISTS and there and attempt > 0) or result.rc not in AGAIN:
                return result
            # Killed between a Create whose answer was lost and the abort of what it left: there are two of them.
            resume = "--force" if result.rc == 13 else "--resume"
            if self.wipes and attempt == 0:
                self.cli.forget_state()
        return result

    def _command(self, resume: str) -> tuple[object, ...]:
        target, source = f"s3://{self.bucket}/k", f"s3://{self.bucket}/source"
        if self.is_fs:
            put, get = ("put", self.file, f"s3am://{self.bucket}/k"), ("get", f"s3am://{self.bucket}/source", self.out)
            return put if self.kind == "fs put" else get
        if self.kind == "download":
            again = ("--download-exists", "resume") if resume else ()
            return ("--timeout", "4", "download", "--part-size", "5M", *again, source, self.out)
        sources = {
            "file": self.file,
            "http": self.world.web.add(f"/f{self.seed}", self.file) if self.kind == "http" else "",
            "ftp": self.world.ftp.url(f"/{self.file.name}"),
            "stdin": "-",
            "copy": source,
        }
        again = (resume,) if resume else ()
        return ("--timeout", "4", "upload", "--part-size", "5M", *again, sources[self.kind], target)

    def _stdin(self) -> Any:
        return self.file.read_bytes() if self.kind == "stdin" else None

    # -- the verdict ------------------------------------------------------------------------------------------------

    def _judge_attempt(self, result: Result, attempt: int) -> bool:
        """Whether the result is there, under its final name; it may only be there whole."""
        there, same = self._look()
        said = f"attempt {attempt + 1}, exit {result.rc}, {self.name}"
        if there and not same:
            self.tally.wrong.append(said)
        if result.rc == 0 and not there:
            self.tally.lost_errors.append(f"nothing there: {said}")
        if result.rc not in (0, -9) and result.stderr.count("error: ") != 1:
            self.tally.lost_errors.append(f"{result.stderr[-500:]!r}: {said}")
        if result.rc not in (0, *AGAIN) and not (result.rc in EXISTS and same and attempt > 0):
            self.tally.wrong.append(f"{result.stderr[-500:]!r}: {said}")
        alive = self._processes()
        if alive:
            self.tally.leftovers.append(f"processes {alive}: {said}")
        if result.rc != 0:
            self._check_pending(said)
        return there

    def _look(self) -> tuple[bool, bool]:
        if self.kind in DOWNLOADS:
            return self.out.exists(), self.out.exists() and digest(self.out) == self.content
        listed = self.world.boto.list_objects_v2(Bucket=self.bucket, Prefix="k").get("Contents", [])
        return bool(listed), bool(listed) and object_digest(self.world.boto, self.bucket, "k") == self.content

    def _uploads(self) -> set[str]:
        found = self.world.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return {upload["UploadId"] for upload in found}

    def _check_pending(self, said: str) -> None:
        uploads = self._uploads()
        if not uploads:
            return
        cli = Cli(self.folder / "home", self.world.s3.environment())
        named = {line.get("upload_id") for line in cli.ok("--json", "pending", f"s3://{self.bucket}").json_lines()}
        if named != uploads:
            self.tally.leftovers.append(f"pending names {named} of {uploads}: {said}")

    def _processes(self) -> list[int]:
        """Processes that have our HOME."""
        mark, alive = f"HOME={self.folder / 'home'}".encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        alive.append(int(entry.name))
                except OSError:
                    continue  # it has just ended, or is another user's
        return alive

    def _judge_end(self, result: Result, proxy: FaultProxy) -> None:
        _, same = self._look()
        if not same:
            self.tally.wrong.append(f"not there after {ATTEMPTS} attempts, exit {result.rc}: {self.name}")
            print(result.stderr, file=sys.stderr)
        damaged = {(r.upload_id, r.part_number) for r in proxy.of("UploadPart") if r.fault == "flip request"}
        again = [
            f"part {r.part_number} of {r.upload_id}"
            for r in proxy.parts_sent_again()
            # Without a trailer the server takes damaged bytes and tells their MD5: that part has to be sent again.
            if r.kind == "UploadPart" and (r.upload_id, r.part_number) not in damaged
        ]
        if again:
            self.tally.sent_twice.append(f"{again}: {self.name}")
        home = self.folder / "home"
        left = {
            "uploads": sorted(self._uploads()),
            "beside the target": [path.name for path in self.out.parent.iterdir() if path != self.out],
            "manifests": [path.name for path in home.rglob("*.manifest")],
            "temporary": [path.name for path in (self.folder / "tmp").iterdir()],
        }
        # A killed run that had published says nothing of it; its manifest goes with the next upload to that key.
        if result.rc in EXISTS:
            left["manifests"] = []
        if same and any(left.values()):
            self.tally.leftovers.append(f"{ {name: what for name, what in left.items() if what} }: {self.name}")


def chaos(runs: int, seed: int, kinds: tuple[str, ...] = KINDS) -> Tally:
    """Plays `runs` runs, the first with `seed` itself, so that one can be replayed alone."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="s3am-chaos-") as name:
        folder = Path(name)
        (folder / "served").mkdir()
        with SeaweedServer() as s3, HttpServer() as web, FtpServer(folder / "served") as ftp:
            world = World(folder, s3, web, ftp)
            draw = random.Random(seed)
            for number in range(runs):
                run = Run(world, seed if number == 0 else draw.randrange(2**31), tally, kinds)
                run.play()
                tally.runs += 1
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kind", action="append", choices=KINDS, help="only such transfers (a seed then means others)")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    tally = chaos(args.runs, args.seed, tuple(args.kind or KINDS))
    for kind in ("wrong", "lost_errors", "sent_twice", "leftovers"):
        for text in getattr(tally, kind):
            print(f"{kind}: {text}")
    print(tally.line())
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
