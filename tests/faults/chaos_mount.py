"""Runs of the chaos test that write through a mount: the writer may be killed, or the daemon."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.chaos_runs import Result, Run, Running, Tally, World, processes_of
from tests.faults.mount_job import old_content
from tests.support.cli import Cli
from tests.support.files import digest
from tests.support.mounts import Mount

WAYS = ("stream", "over", "append", "patch", "scattered", "rename")
MOUNTS = UMOUNTS = 3


class MountRun(Run):
    """A file on a mount, written by a process of its own in one of the WAYS (tests/faults/mount_job.py)."""

    asked = False

    def __init__(self, world: World, seed: int, tally: Tally, kind: str, how: random.Random) -> None:
        super().__init__(world, seed, tally, kind, how)
        self.way = how.choice(WAYS)
        self.kind = f"{kind} {self.way}"
        self.directory = self.folder / "mnt"
        self.told = False
        """Whether a writer has heard of an error: what it wrote is then kept in the spool's folder."""

    def set_up(self) -> None:
        self.cli = self.new_cli()
        self.writer = Cli(self.folder / "writer", {})
        self.writer.command = [sys.executable, str(Path(__file__).with_name("mount_job.py")), self.way]
        self.old = self.folder / "old"
        self._allowed: tuple[str, ...] = ()
        if old_content(self.way, self.file, self.old):
            self.world.boto.upload_file(str(self.old), self.bucket, "k")
            self._allowed = (digest(self.old),)
        self.mount: Mount | None = None

    def tear_down(self) -> None:
        if self.mount is not None:
            self.mount.close()

    def allowed(self) -> tuple[str, ...]:
        return self._allowed

    def alive(self) -> list[int]:
        """The daemon may live."""
        return processes_of(self.writer.home)

    def start(self, resume: str) -> Running:
        if self.mount is None or not self.mount.is_mounted:
            self._mount()
        return self.writer.start(self.file, self.directory / "k")

    def _mount(self) -> None:
        """Through faults, too: mounting may fail with an error, and is tried again."""
        options: tuple[object, ...] = ("--timeout", "4", "--part-size", "5M")
        for attempt in range(MOUNTS):
            try:
                self.mount = Mount(self.cli, f"s3://{self.bucket}", self.directory, *options)
            except AssertionError as error:
                if "error: " not in str(error) or attempt == MOUNTS - 1:
                    raise
            else:
                return

    def victim(self, running: Running) -> Callable[[], None]:
        assert self.mount is not None
        return self.mount.kill if self.how.random() < 0.5 else running.kill

    def _judge_attempt(self, result: Result, attempt: int) -> bool:
        self.told = self.told or result.rc == 1
        there = super()._judge_attempt(result, attempt)
        held = self._held()
        if held:
            self.tally.leftovers.append(f"held by the daemon: {held}; attempt {attempt + 1}, {self.name}")
        return there

    def _held(self) -> list[str]:
        """Spools and manifests that the daemon has open though no file is; it hears of a last close a moment later."""
        assert self.mount is not None
        deadline = time.monotonic() + 10
        while (held := open_below(self.mount.daemon, self.temporary, self.home / ".local")) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.01)
        return held

    def finish(self) -> None:
        assert self.mount is not None
        # The writer may have ended well just before its daemon was killed: then there is nothing to unmount.
        for attempt in range(0 if self.mount.killed else UMOUNTS):
            done = self.mount.umount()
            if done.rc == 0:
                break
            if done.stderr.count("error: ") != 1 or attempt == UMOUNTS - 1:
                self.tally.lost_errors.append(f"umount, exit {done.rc}: {done.stderr[-500:]!r}: {self.name}")
        if any(str(self.directory) in line for line in Path("/proc/mounts").read_text().splitlines()):
            self.tally.leftovers.append(f"still mounted: {self.name}")
        if "Traceback" in self.mount.log.read_text():
            self.tally.lost_errors.append(f"{self.mount.log.read_text()[-2000:]!r}: {self.name}")

    def left(self, result: Result) -> dict[str, list[str]]:
        found: dict[str, Any] = super().left(result)
        if self.told:
            found["temporary"] = [name for name in found["temporary"] if not name.startswith("s3am-unpublished-")]
        return found


def open_below(pid: int, *folders: Path) -> list[str]:
    """What a process has open there."""
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    except OSError:
        return []  # it is gone, or a descriptor is: asked again
    return [link for link in links if any(link.startswith(f"{folder}/") for folder in folders)]
