"""Chaos of transfers that several processes move: `s3am split`, and the workers of `--dask local:N`.

A kill takes a worker, or all of them with the client; the next attempt goes on with the same command.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.faults.chaos_runs import CliRun, Tally, World, processes_of
from tests.support.cli import Running

WORKERS = 2
ENDS_IN_SECONDS = 20.0
"""Time in which workers notice that their client is dead."""


class ClusterRun(CliRun):
    """kind: 'split file', 'split download', 'split copy', and the same with 'dask'."""

    stalls = False
    """A stalled worker counts as dead, and what it has in hand moves twice."""

    def __init__(self, world: World, seed: int, tally: Tally, kind: str, how: random.Random) -> None:
        self.by, kind = kind.split()
        super().__init__(world, seed, tally, kind, how)
        self.whom = how.choice(("worker", "client"))
        self.job = self.folder / "job"

    @property
    def name(self) -> str:
        return f"{self.by} {super().name} ({self.whom}s are killed; tests.faults.cluster)"

    def start(self, resume: str) -> Running:
        down = self.kind == "download"
        source: Path | str = f"s3://{self.bucket}/source" if down else self.source
        target: Path | str = self.out if down else f"s3://{self.bucket}/k"
        if self.by == "split":
            self.cli.command = [sys.executable, "-m", "tests.faults.split_job"]
            return self.cli.start(source, target, self.job, str(WORKERS))
        again = ("--download-exists", "resume") if down and resume else (resume,) if resume else ()
        verb = "download" if down else "upload"
        options = ("--part-size", "5M", "--dask", f"local:{WORKERS}", *again)
        return self.cli.start("--timeout", "4", verb, *options, source, target)

    def victim(self, running: Running) -> Callable[[], None]:
        def kill() -> None:
            workers = sorted(set(processes_of(self.home)) - {running.pid})
            if self.whom == "client" or not workers:
                running.kill()
            # Processes of a split are independent: where the machine of their client dies, so do they in this test.
            for pid in workers if self.whom == "client" and self.by == "split" else workers[-1:]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

        return kill

    def alive(self) -> list[int]:
        """Workers end when they notice that their client is dead."""
        for pid in processes_of(self.home):
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                select.select([descriptor], [], [], ENDS_IN_SECONDS)
            finally:
                os.close(descriptor)
        return super().alive()

    def finish(self) -> None:
        records = sorted(path.name for path in self.folder.glob("job.*.parts"))
        if records and self.found() == self.content:
            self.tally.leftovers.append(f"{records}: {self.name}")
        self.job.unlink(missing_ok=True)
