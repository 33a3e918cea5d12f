"""Draws changes of one object and a second writer who comes in between, and counts the updates that were lost.

    python -m tests.faults.races --runs 1000 --seed 1

The second writer stores or deletes the object, or cancels the upload, right before a request that was drawn reaches the
server: a look, a part, the commit itself. The last line is `races: N runs, L lost, O odd, W without a warning`; the
exit code is 0 only if these are 0. `--ignoring`: a server that ignores conditions; there nothing but a look protects
what somebody stores, so that what is stored between look and commit does not count, but a missing warning does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from s3amfs import S3AMFileSystem
from s3amfs.core.events import Event, Warned
from s3amfs.core.expected import this_etag
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.errors import NotFound
from s3amfs.objects.appender import Appender
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import UploadOptions
from s3amfs.verbs.cancel import cancel
from s3amfs.verbs.upload import upload
from tests.conftest import boto_client
from tests.support import faults
from tests.support.faults import Recorded
from tests.support.proxy import FaultProxy

PART = 5 * 1024 * 1024
COMMITS = ("Put", "Complete", "Copy", "Delete", "DeleteMany")
MOMENTS = (*COMMITS, "Head", "Create", "UploadPart", "CopyPart", "GetRange", "Get")
OPERATIONS = ("put", "skip", "put large", "replace", "copy", "append", "append large", "mv", "xb")
BASE, MINE, THEIRS, MORE = b"base", b"mine", b"THEIRS", b"more"


@dataclass
class Tally:
    """What went wrong, one line each."""

    runs: int = 0
    lost: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    unprotected: int = 0
    """Updates that were lost because the server ignores conditions: nothing can keep them there."""

    @property
    def count(self) -> int:
        return len(self.lost) + len(self.odd) + len(self.silent)

    def line(self) -> str:
        wrong = f"{len(self.lost)} lost, {len(self.odd)} odd, {len(self.silent)} without a warning"
        more = f"; {self.unprotected} lost between a look and a bare commit" if self.unprotected else ""
        return f"races: {self.runs} runs, {wrong}{more}"


class Arena:
    """One server, a proxy in front of it, and the two writers."""

    def __init__(self, server: SeaweedServer, proxy: FaultProxy, folder: Path, *, ignoring: bool) -> None:
        self.server, self.proxy, self.folder, self.ignoring = server, proxy, folder, ignoring
        self.direct = self._connect(server.endpoint_url)
        self.bucket = "races"
        self.action: Callable[[], None] | None = None
        self.moment = ""
        self.fired = ""
        """The kind of the request before which the second writer came in."""
        self._large = folder / "large"
        self._large.write_bytes(MINE * (PART // 2))
        (folder / "small").write_bytes(MINE)

    def _connect(self, url: str) -> S3Client:
        server = self.server
        return connect(
            S3Config(endpoint_url=url, access_key=server.access_key, secret_key=server.secret_key, region="us-east-1")
        )

    def first_writer(self) -> S3Client:
        """A fresh process; or one that knows that the server ignores conditions, so that it sends none."""
        client = self._connect(self.proxy.endpoint_url)
        if self.ignoring:
            known = client.session.capabilities(self.bucket).conditions
            for operation in ("put", "complete", "copy", "delete"):
                known[operation, "nothing"] = known[operation, "etag"] = False
        return client

    def file(self, *, large: bool) -> LocalPath:
        return LocalPath(str(self.folder / ("large" if large else "small")))

    def interfere(self, request: Recorded) -> bool:
        """Called for each request of the first writer, before the server has it."""
        if self.action is not None and request.kind == self.moment:
            action, self.action, self.fired = self.action, None, request.kind
            action()
        return False

    def content(self, key: str) -> bytes | None:
        try:
            return self.direct.get(self.bucket, key)[1]
        except NotFound:
            return None


class Race:
    """One of them, drawn from `seed`."""

    def __init__(self, arena: Arena, seed: int) -> None:
        how = random.Random(seed)
        self.arena, self.seed, self.key = arena, seed, f"k{seed}"
        self.operation = how.choice(OPERATIONS[:-2] if arena.ignoring else OPERATIONS)
        self.theirs = how.choice(("store", "store", "store", "delete", "cancel", "nothing"))
        self.moment = how.choice(MOMENTS)
        self.warnings: list[str] = []
        self.where = S3Location(arena.bucket, self.key)
        self.had_base = self.operation in ("replace", "append", "append large", "mv") or how.random() < 0.2
        self.base = BASE * (PART // 2) if self.operation == "append large" else BASE

    @property
    def name(self) -> str:
        when = f"{self.moment} ({'it was' if self.arena.fired else 'never'})"
        return f"seed {self.seed}: {self.operation}, they {self.theirs} before {when}"

    def play(self, tally: Tally) -> None:
        arena, client = self.arena, self.arena.first_writer()
        if self.had_base:
            arena.direct.put(arena.bucket, self.key, self.base)
        if self.operation == "copy":
            arena.direct.put(arena.bucket, self.key + "-source", MINE)
        arena.moment, arena.fired = self.moment, ""
        arena.action = self._second if self.theirs != "nothing" else None
        try:
            done = self._first(client)
        except (OSError, ValueError) as error:
            done, why = False, repr(error)
        else:
            why = ""
        arena.action = None
        self._judge(tally, done, why)
        if done and arena.ignoring and not self.warnings and not self.operation.startswith("append"):
            tally.silent.append(self.name)

    # -- the two writers --------------------------------------------------------------------------------------------

    def _second(self) -> None:
        arena = self.arena
        if self.theirs == "store":
            arena.direct.put(arena.bucket, self.key, THEIRS)
        elif self.theirs == "delete":
            arena.direct.delete(arena.bucket, self.key)
        else:
            list(cancel(self.where, arena.direct, state=str(arena.folder / "theirs")))

    def _note(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.warnings.append(event.message)

    def _first(self, client: S3Client) -> bool:
        """Whether it says that its update is there."""
        arena, options = self.arena, UploadOptions(part_size=PART, state_dir=str(self.arena.folder / "state"))
        if self.operation in ("put", "put large", "skip", "replace"):
            large = self.operation == "put large"
            more: dict[str, Any] = {"exists": "skip"} if self.operation == "skip" else {}
            if self.operation == "replace":
                info = arena.direct.head(arena.bucket, self.key)
                more = {"exists": "overwrite", "expected": this_etag(info.etag)}
            return not upload(
                arena.file(large=large), self.where, client, replace(options, **more), on_event=self._note
            ).skipped
        if self.operation == "copy":
            source = S3Location(arena.bucket, self.key + "-source")
            return not upload(source, self.where, client, options, on_event=self._note).skipped
        if self.operation.startswith("append"):
            appender = Appender(Pinned(client, self.where, client.head(arena.bucket, self.key)), options)
            appender.write(MORE)
            appender.close()
            return True
        server = arena.server
        fs = S3AMFileSystem(
            key=server.access_key,
            secret=server.secret_key,
            endpoint_url=arena.proxy.endpoint_url,
            skip_instance_cache=True,
        )
        if self.operation == "mv":
            fs.mv(f"{arena.bucket}/{self.key}", f"{arena.bucket}/{self.key}-new")
        else:
            with fs.open(f"{arena.bucket}/{self.key}", "xb") as file:
                file.write(MINE)
        return True

    # -- the verdict ------------------------------------------------------------------------------------------------

    def _judge(self, tally: Tally, done: bool, why: str) -> None:
        arena = self.arena
        found = arena.content(self.key)
        shown = found if found is None else found[:12]
        said = f"{self.name}; {why or ('done' if done else 'skipped')}; there is {shown!r}"
        if arena.fired and self.theirs == "store":
            if self._theirs_is_there(found):
                return
            if arena.ignoring and arena.fired in COMMITS:
                tally.unprotected += 1
            else:
                tally.lost.append(said)
        elif not arena.fired and (self._mine_is_there(found) is not done or (not done and not self.had_base)):
            tally.odd.append(said)

    def _theirs_is_there(self, found: bytes | None) -> bool:
        moved = self.arena.content(self.key + "-new") if self.operation == "mv" else None
        return THEIRS in (found or b"") or THEIRS in (moved or b"")

    def _mine_is_there(self, found: bytes | None) -> bool:
        if self.operation == "mv":
            return found is None and self.arena.content(self.key + "-new") == self.base
        if self.operation.startswith("append"):
            return found == self.base + MORE
        return found is not None and found.startswith(MINE)


def races(runs: int, seed: int, *, skip: int = 0, ignoring: bool = False) -> Tally:
    """Plays `runs` races, the first with `seed` itself, so that one can be replayed alone.

    skip: races left out first.
    """
    draw = random.Random(seed)
    seeds = [seed, *(draw.randrange(2**31) for _ in range(skip + runs - 1))][skip : skip + runs]
    tally = Tally()
    with (
        tempfile.TemporaryDirectory(prefix="s3am-races-") as name,
        SeaweedServer() as server,
        FaultProxy(server.endpoint_url) as proxy,
    ):
        os.environ["S3AM_STATE_DIR"] = str(Path(name) / "state")
        arena = Arena(server, proxy, Path(name), ignoring=ignoring)
        boto_client(server.endpoint_url, server.access_key, server.secret_key).create_bucket(Bucket=arena.bucket)
        for number in seeds:
            proxy.clear()
            proxy.rules.append(faults.Rule(arena.interfere, faults.delay(0.0)))
            tally.runs += 1
            Race(arena, number).play(tally)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--skip", type=int, default=0, help="races left out first: a long run in slices")
    parser.add_argument("--ignoring", action="store_true", help="the server ignores conditions")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        tally = races(args.runs, args.seed, skip=args.skip, ignoring=args.ignoring)
        print(*tally.lost, *tally.odd, *tally.silent, sep="\n")
        print(tally.line())
        return 1 if tally.count else 0
    return 130


if __name__ == "__main__":
    sys.exit(main())
