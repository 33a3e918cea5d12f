"""Which parts of a split job were moved, and their CRCs: each process appends to a file of its own beside the job file.

No two processes write to one file, so a network file system without locks will do. A record is one line with a CRC of
its own (core/manifest.py); what is torn or missing costs its part only.
"""

from __future__ import annotations

import contextlib
import glob
import os
import socket

from ..core import manifest as m
from ..core.manifest import PartRecord
from ..core.split_job import SplitJob
from ..engine.file_io import write_all


class Records:
    """Records of what was moved: a file for each process, beside the job file. One thread at a time."""

    def __init__(self, job: SplitJob, path: str) -> None:
        self._job = job
        self._path = os.path.abspath(path)
        self._file: int | None = None

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> dict[int, PartRecord]:
        """The records of all processes that fit the job."""
        found: dict[int, PartRecord] = {}
        for name in self._files():
            with contextlib.suppress(FileNotFoundError), open(name, "rb") as file:
                for record in m.records_of(file.read()):
                    if self._fits(record):
                        found[record.number] = record
        return found

    def add(self, records: list[PartRecord]) -> None:
        """Appends, and syncs."""
        if self._file is None:
            name = f"{self._path}.{socket.gethostname()}-{os.getpid()}.parts"
            self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        write_all(self._file, b"".join(m.encode(record) for record in records))
        os.fsync(self._file)

    def drop(self) -> None:
        for name in self._files():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def _files(self) -> list[str]:
        return sorted(glob.glob(f"{glob.escape(self._path)}.*.parts"))

    def _fits(self, record: PartRecord) -> bool:
        plan = self._job.plan
        return 1 <= record.number <= len(plan) and plan.part(record.number).length == record.length
