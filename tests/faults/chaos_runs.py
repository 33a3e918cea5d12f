"""One run of the chaos test: a transfer with its faults and kills, all drawn from one number, and the verdict on it.

Judged after every attempt, not only after the last: what is under the final name is whole or nothing, an error is one
line, `s3am pending` names what is left, and no process of the attempt lives on and no lock is held.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.support import faults
from tests.support.cli import Cli, Result, Running
from tests.support.files import digest, make_file, object_digest
from tests.support.ftpserver import FtpServer
from tests.support.httpserver import HttpServer
from tests.support.proxy import FaultProxy, Recorded

MIB = 1024 * 1024
PART = 5 * MIB
SIZES = (0, 1, 1000, PART - 1, PART, PART + 1, 2 * PART, 13 * MIB, 21 * MIB)
FS_SIZES = tuple(size for size in SIZES if size >= PART)
"""What is smaller goes through s3fs, which is not on trial here."""
DOWNLOADS = ("download", "fs get")
ATTEMPTS = 8
PATIENCE = 240.0
"""Seconds that an attempt may take: longer than any retry budget is."""
AGAIN = (1, 13, 14, 16, -9)
"""Exit codes after which a user tries again: trouble, several uploads, expired tokens, damage on the wire, killed."""
EXISTS = (3, 11)
RARE: tuple[tuple[float, faults.Match, tuple[faults.Fault, ...]], ...] = (
    (0.5, ("Complete", "Copy", "CopyPart"), (faults.ok_with_error(), faults.ok_with_error(deliver=True))),
    (0.3, ("UploadPart", "Put", "GetRange", "Get"), faults.BIT_FLIPS),
    (0.1, "*", (faults.expired_token(), faults.lose_answer())),
    (0.1, "*", (faults.throttle(2 * MIB), faults.delay(1))),
    (0.1, "*", (faults.stall("before_response"), faults.stall("request_body"), faults.stall("response_body"))),
)
"""Beside what is common (faults.COMMON): share of the fault rate, requests, faults."""
SOURCE_FAULTS: tuple[faults.Fault, ...] = (
    faults.refuse(),
    faults.reset("before_response"),
    faults.reset("response_head"),
    faults.reset("response_body"),
    faults.truncate(),
    faults.internal_error(),
    faults.slow_down(retry_after=0.05),
    faults.delay(0.2),
)
"""What an HTTP source does: it says no checksum, so nobody could find a flipped bit."""


KINDS_OF_TROUBLE = ("wrong", "lost_errors", "sent_twice", "leftovers")


@dataclass
class Tally:
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    lost_errors: list[str] = field(default_factory=list)
    sent_twice: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Of all that went wrong."""
        return len(self.texts())

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        for kind in KINDS_OF_TROUBLE:
            getattr(self, kind).extend(getattr(other, kind))

    def texts(self) -> list[str]:
        """What went wrong, each with what replays it."""
        return [f"{kind.replace('_', ' ')}: {text}" for kind in KINDS_OF_TROUBLE for text in getattr(self, kind)]

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
    """One transfer; `kind` and all that follows is drawn from `how`."""

    sizes: tuple[int, ...] = SIZES
    stalls = True
    """Whether its user has --timeout; else a stalled request would take its minute, a Complete ten."""
    asked = True
    """Whether its user is asked (exit 13) about an unfinished upload that may be another program's."""
    again_after: tuple[int, ...] = AGAIN
    forced_after: tuple[int, ...] = (13,)

    def __init__(self, world: World, seed: int, tally: Tally, kind: str, how: random.Random) -> None:
        self.world, self.seed, self.tally, self.kind, self.how = world, seed, tally, kind, how
        self.size = how.choice(self.sizes)
        self.rate = how.choice((0.0, 0.05, 0.1, 0.2))
        self.kills = how.choice((0, 0, 1, 2))
        self.wipes = how.random() < 0.2
        self.folder = world.folder / f"run{seed}"
        self.home, self.temporary = self.folder / "home", self.folder / "tmp"
        self.file = world.folder / "served" / f"f{seed}"
        self.out = self.folder / "out" / "file"
        for folder in (self.out.parent, self.temporary):
            folder.mkdir(parents=True)
        self.bucket = f"chaos-{seed}"
        self.again = False
        """Whether an attempt has gone before."""
        self.recorded = ""
        """What the manifests said after each attempt."""

    @property
    def name(self) -> str:
        return (
            f"{self.kind}, {self.size} bytes, {self.rate:.0%} faults, {self.kills} kills"
            f"{', state wiped' if self.wipes else ''}; --runs 1 --seed {self.seed}"
        )

    def play(self) -> None:
        self.world.boto.create_bucket(Bucket=self.bucket)
        self.world.s3.grow(self.bucket)
        make_file(self.file, self.size, self.seed)
        self.content = digest(self.file)
        with FaultProxy(self.world.s3.endpoint_url, seed=self.seed) as proxy:
            self.proxy = proxy
            self.set_up()
            proxy.fail_rate(self.rate, self.seed)
            rare = RARE if self.stalls else RARE[:-1]
            for number, (share, match, which) in enumerate(rare if self.rate else ()):
                proxy.chaos.append(faults.Chaos(self.rate * share, self.seed + number + 1, match, which))
            try:
                result = self._until_done()
                self.finish()
                self._judge_end(result)
            finally:
                self.tear_down()
        self.world.boto.delete_bucket(Bucket=self.bucket)
        shutil.rmtree(self.folder)
        self.file.unlink()

    # -- what differs from kind to kind -----------------------------------------------------------------------------

    def set_up(self) -> None:
        self.cli = self.new_cli()
        if self.kind in ("copy", *DOWNLOADS):
            self.world.boto.upload_file(str(self.file), self.bucket, "source")

    def finish(self) -> None:
        """After the last attempt."""

    def tear_down(self) -> None:
        """Whatever happened."""

    def start(self, resume: str) -> Running:
        raise NotImplementedError

    def victim(self, running: Running) -> Callable[[], None]:
        """What a kill does."""
        return running.kill

    def allowed(self) -> tuple[str, ...]:
        """Digests beside that of the content that may be under the final name while it is not all there."""
        return ()

    def alive(self) -> list[int]:
        """Processes that are left of an attempt."""
        return processes_of(self.home)

    # -- the attempts -----------------------------------------------------------------------------------------------

    def new_cli(self) -> Cli:
        environment = {"AWS_ENDPOINT_URL": self.proxy.endpoint_url, "TMPDIR": str(self.temporary)}
        return Cli(self.home, {**self.world.s3.environment(), **environment})

    def _until_done(self) -> Result:
        resume = ""
        for attempt in range(ATTEMPTS):
            running = self.start(resume)
            if attempt < self.kills:
                seen, count = len(self.proxy.requests), self.how.randrange(1, 12)
                if running.wait_until(partial(self._has_asked, seen + count)):
                    self.victim(running)()
            try:
                result = running.wait(PATIENCE)
            except TimeoutError as error:
                self.tally.lost_errors.append(f"hangs: {error}: {self.name}")
                raise
            there = self._judge_attempt(result, attempt)
            if result.rc == 0 or (result.rc in EXISTS and there and attempt > 0) or result.rc not in self.again_after:
                return result
            self.again = True
            # Killed between a Create whose answer was lost and the abort of what it left: there are two of them.
            resume = "--force" if result.rc in self.forced_after else "--resume"
            if self.wipes and attempt == 0:
                self.cli.forget_state()
        return result

    def _has_asked(self, count: int) -> bool:
        return len(self.proxy.requests) >= count

    # -- the verdict ------------------------------------------------------------------------------------------------

    def _judge_attempt(self, result: Result, attempt: int) -> bool:
        """Whether the result is there, under its final name; it may only be there whole."""
        found = self.found()
        same, there = found == self.content, found is not None and found not in self.allowed()
        self.recorded += "".join(path.read_text() for path in self.home.rglob("*.manifest"))
        said = f"attempt {attempt + 1}, exit {result.rc}, {self.name}"
        if there and not same:
            self.tally.wrong.append(said)
        if result.rc == 0 and not same and not there:
            self.tally.lost_errors.append(f"nothing there: {said}")
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        if (result.rc not in (0, -9) and len(lines) != 1) or "Traceback" in result.stderr:
            self.tally.lost_errors.append(f"{result.stderr[-500:]!r}: {said}")
        if result.rc not in (0, *self.again_after) and not (result.rc in EXISTS and same and attempt > 0):
            self.tally.wrong.append(f"{result.stderr[-500:]!r}: {said}")
        alive = self.alive()
        if alive:
            self.tally.leftovers.append(f"processes {alive}: {said}")
        held = [path.name for path in self.home.rglob("*.manifest") if is_locked(path)]
        if held:
            self.tally.leftovers.append(f"locks of {held}: {said}")
        if result.rc != 0:
            self._check_pending(said)
        return same or there

    def found(self) -> str | None:
        """Digest of what is under the final name, None: nothing is."""
        if self.kind in DOWNLOADS:
            return digest(self.out) if self.out.exists() else None
        return self.digest_of_object("k")

    def digest_of_object(self, key: str) -> str | None:
        listed = self.world.boto.list_objects_v2(Bucket=self.bucket, Prefix=key).get("Contents", [])
        there = any(entry["Key"] == key for entry in listed)
        return object_digest(self.world.boto, self.bucket, key) if there else None

    def _uploads(self) -> set[str]:
        found = self.world.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return {upload["UploadId"] for upload in found}

    def _check_pending(self, said: str) -> None:
        uploads = self._uploads()
        if not uploads:
            return
        cli = Cli(self.home, self.world.s3.environment())
        named = {line.get("upload_id") for line in cli.ok("--json", "pending", f"s3://{self.bucket}").json_lines()}
        # The server may still be at what a killed program had asked for last, a Complete above all.
        after = self._uploads()
        if not uploads & after <= named <= uploads | after:
            self.tally.leftovers.append(f"pending names {named} of {uploads}, then {after}: {said}")

    def _judge_end(self, result: Result) -> None:
        same = self.found() == self.content
        if not same:
            self.tally.wrong.append(f"not there after all attempts, exit {result.rc}: {self.name}")
            print(result.stderr, file=sys.stderr)
        again = sent_twice(self.proxy)
        if again:
            self.tally.sent_twice.append(f"{again}: {self.name}")
        self._check_pending(f"at the end, {self.name}")
        left = self.left(result)
        if same and any(left.values()):
            self.tally.leftovers.append(f"{ {name: what for name, what in left.items() if what} }: {self.name}")

    def left(self, result: Result) -> dict[str, list[str]]:
        """What is left after the last attempt, which has succeeded."""
        objects = self.world.boto.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {
            # Without its manifest a program that continues by itself cannot know what is its own: `pending` names it.
            "uploads": [] if self.wipes else sorted(self._uploads() - self._nobodys()),
            "objects": [entry["Key"] for entry in objects if entry["Key"] not in ("k", "source")],
            "beside the target": [path.name for path in self.out.parent.iterdir() if path != self.out],
            # A killed run that had published says nothing of it; its manifest goes with the next upload to that key.
            "manifests": [] if result.rc in EXISTS else [path.name for path in self.home.rglob("*.manifest")],
            "temporary": [path.name for path in self.temporary.iterdir()],
            "processes": [str(pid) for pid in processes_of(self.home)],
        }

    def _nobodys(self) -> set[str]:
        """Uploads that a killed program left before it had written down the answer to Create: where no user is asked,
        no later one can know whose they are."""
        if self.asked or not self.kills:
            return set()
        used = {request.upload_id for request in self.proxy.requests if request.kind in ("UploadPart", "Complete")}
        return {upload for upload in self._uploads() - used if upload not in self.recorded}


def sent_twice(proxy: FaultProxy) -> list[str]:
    """Parts that the server had, as its client had been told, and that were sent again."""
    # Without a trailer the server takes damaged bytes and tells their MD5: that part has to be sent again.
    damaged = {(r.upload_id, r.part_number) for r in proxy.of("UploadPart") if r.fault == "flip request"}

    def counts(r: Recorded) -> bool:
        return r.kind == "UploadPart" and (r.upload_id, r.part_number) not in damaged

    return [f"part {r.part_number} of {r.upload_id}" for r in proxy.parts_sent_again() if counts(r)]


def processes_of(home: Path) -> list[int]:
    """Processes that have this HOME."""
    mark, alive = f"HOME={home}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    alive.append(int(entry.name))
            except OSError:
                continue  # it has just ended, or is another user's
    return alive


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a manifest."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class CliRun(Run):
    """`s3am upload` from a file, http, ftp or standard input, a copy, `s3am download`."""

    def set_up(self) -> None:
        super().set_up()
        self.source: Any = {
            "file": self.file,
            "ftp": self.world.ftp.url(f"/{self.file.name}"),
            "stdin": "-",
            "copy": f"s3://{self.bucket}/source",
        }.get(self.kind)
        if self.kind == "http":
            self._front = FaultProxy(self.world.web.base_url, seed=self.seed)
            self._front.start()
            self._front.fail_rate(self.rate, self.seed, "*", SOURCE_FAULTS)
            self.world.web.add(f"/f{self.seed}", self.file)
            self.source = f"{self._front.endpoint_url}/f{self.seed}"
        if self.kind == "ftp" and self.rate:
            self.world.ftp.cut_after, self.world.ftp.cuts = self.how.randrange(PART), self.how.randrange(4)

    def tear_down(self) -> None:
        self.world.ftp.cut_after = None
        if self.kind == "http":
            self._front.stop()
            del self.world.web.pages[f"/f{self.seed}"]

    def start(self, resume: str) -> Running:
        general = ("--timeout", "4")
        if self.kind == "download":
            again = ("--download-exists", "resume") if resume else ()
            source = f"s3://{self.bucket}/source"
            return self.cli.start(*general, "download", "--part-size", "5M", *again, source, self.out)
        again = (resume,) if resume else ()
        stdin = self.file.read_bytes() if self.kind == "stdin" else None
        target = f"s3://{self.bucket}/k"
        return self.cli.start(*general, "upload", "--part-size", "5M", *again, self.source, target, stdin=stdin)


class FsRun(Run):
    """`S3AMFileSystem.put_file` and `get_file`, in a process that can be killed."""

    sizes = FS_SIZES
    stalls = asked = False

    def set_up(self) -> None:
        super().set_up()
        self.cli.command = [sys.executable, "-m", "tests.faults.fs_job"]

    def start(self, resume: str) -> Running:
        if self.kind == "fs put":
            return self.cli.start("put", self.file, f"s3am://{self.bucket}/k")
        return self.cli.start("get", f"s3am://{self.bucket}/source", self.out)
