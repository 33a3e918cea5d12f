"""Runs of the chaos test whose source changes while it is read: what arrives is old or new, never a mixture.

The source is changed once, right before a request that is drawn: a file is written in place or replaced, what a server
serves is replaced, an object is overwritten. A user answers exits 8 and 15 with `--force`.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from tests.faults.chaos_runs import AGAIN, MIB, PART, CliRun, Tally, World
from tests.support import faults
from tests.support.cli import Result, Running
from tests.support.faults import Recorded, Rule
from tests.support.files import digest, make_file

AGE_SECONDS = 3600.0
"""The source has not been changed for so long: MDTM and Last-Modified have whole seconds."""


class ChangingRun(CliRun):
    """As its kind without the word 'changing'."""

    sizes = (PART - 1, PART + 1, 2 * PART, 13 * MIB, 21 * MIB)
    again_after = (*AGAIN, 8, 15)
    forced_after = (8, 13, 15)

    def __init__(self, world: World, seed: int, tally: Tally, kind: str, how: random.Random) -> None:
        super().__init__(world, seed, tally, kind.removeprefix("changing "), how)
        self.stalls = self.asked = self.kind != "fs put"
        self.before = how.randrange(1, 16)
        self.in_place = how.random() < 0.5
        self.other = self.folder / "other"
        self.other_size = how.choice((self.size, self.size, self.size + 1, self.size // 2))
        make_file(self.other, self.other_size, seed + 1)
        self.new = digest(self.other)
        self.changed = False
        self._late = False
        self._asked = 0

    @property
    def name(self) -> str:
        how = "in place" if self.in_place else "replaced"
        return f"changing {super().name} ({how}, {self.other_size} bytes, before request {self.before})"

    def set_up(self) -> None:
        old = time.time() - AGE_SECONDS
        os.utime(self.file, (old, old))
        super().set_up()
        if self.kind == "fs put":
            self.cli.command = [sys.executable, "-m", "tests.faults.fs_job"]
        self.proxy.rules.append(Rule(self._counts, faults.delay(0.0)))

    def _counts(self, request: Recorded) -> bool:
        self._asked += 1
        if self._asked == self.before:
            self._change()
            self.changed = True
        return False

    def _change(self) -> None:
        if self.kind in ("copy", "download"):
            self.world.boto.upload_file(str(self.other), self.bucket, "source")
        elif self.in_place:
            with open(self.file, "r+b") as file:
                file.write(self.other.read_bytes())
                file.truncate()
        else:
            beside = Path(f"{self.file}.new")
            beside.write_bytes(self.other.read_bytes())
            os.replace(beside, self.file)

    def start(self, resume: str) -> Running:
        self._late = self.changed and self.found_digest() is None
        if self.kind == "fs put":
            return self.cli.start("put", self.file, f"s3am://{self.bucket}/k")
        return super().start(resume)

    def found_digest(self) -> str | None:
        """Of what is under the final name."""
        return super().found()

    def found(self) -> str | None:
        """Both contents count as the one that is wanted."""
        found = self.found_digest()
        return self.content if found == self.new else found

    def _judge_attempt(self, result: Result, attempt: int) -> bool:
        if result.rc == 0 and self._late and self.found_digest() != self.new:
            self.tally.wrong.append(f"the old content, begun after the change, exit 0: {self.name}")
        return super()._judge_attempt(result, attempt)
