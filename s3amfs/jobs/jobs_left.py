"""Unfinished jobs over trees: `pending` lists them and `cancel` forgets them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from ..core.define import define
from ..core.entries import printable
from ..core.job_records import JobHeader
from ..core.locations import S3Location
from ..core.sizes import format_age
from .job_journal import Unfinished, forget_job, unfinished_jobs
from .local_target import LocalTarget

_LOCAL = "file://"
"""Before the path of a local end, in a job's header."""


@define(frozen=True, slots=True)
class JobLeft:
    """One such job."""

    path: str
    verb: str
    source: str
    target: str
    age: float
    """Seconds since it began."""
    position: str
    """Everything up to this key is done."""
    running: bool

    def text(self) -> str:
        state = "running" if self.running else "interrupted; continue with --resume"
        done = f", done up to {printable(self.position)!r}" if self.position else ""
        ends = printable(f"{self.source} to {self.target}")
        return f"job: {self.verb} {ends}  age {format_age(self.age)}{done}  {state}"

    def json(self, event: str = "job") -> dict[str, object]:
        return {
            "event": event,
            "verb": self.verb,
            "source": self.source,
            "target": self.target,
            "age": self.age,
            "position": self.position,
            "running": self.running,
        }


def jobs_left(
    where: S3Location | None, *, older_than: float | None = None, below: bool = True, state: str | None = None
) -> Iterator[JobLeft]:
    """Jobs of which source or target is `where` (None: all); below: or lies below it. older_than: seconds."""
    now = time.time()
    for path, found, running in unfinished_jobs(state):
        header = found if isinstance(found, JobHeader) else found.header
        position = found.position.key if isinstance(found, Unfinished) else ""
        ends = [_without_endpoint(name) for name in (header.source, header.target)]
        age = max(0.0, now - header.started)
        if older_than is not None and age < older_than:
            continue
        if where is None or any(_is_at(end, where, below) for end in ends):
            yield JobLeft(path, header.verb, ends[0], ends[1], age, position, running)


def _without_endpoint(name: str) -> str:
    return name.rpartition(" at ")[0] or name if name.startswith("s3://") else name


def _is_at(end: str, where: S3Location, below: bool) -> bool:
    if below:
        return end.startswith(where.url)
    return end.rstrip("/") == where.url.rstrip("/")


def is_local_target_of_unfinished(folder: str, state: str | None = None) -> bool:
    """Whether a job that is not at its end, or still runs, goes to `folder`. state: the state folder."""
    return any(job.target == _LOCAL + os.path.abspath(folder) for job in jobs_left(None, state=state))


def close_target(target: LocalTarget, state: str | None = None) -> None:
    """Closes a local target at the end of a job; partial files go if no job is left that continues them."""
    target.clean()  # also where this job has written nothing
    target.close(lambda: not is_local_target_of_unfinished(target.root, state))


def forget(job: JobLeft) -> bool:
    """The job is not gone on with any more, and its partial files go; False where it is running."""
    if not forget_job(job.path):
        return False
    folder = job.target.removeprefix(_LOCAL)
    if folder != job.target and os.path.isdir(folder):
        close_target(LocalTarget(folder), os.path.dirname(os.path.dirname(job.path)))
    return True
