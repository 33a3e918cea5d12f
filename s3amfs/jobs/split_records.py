"""Which parts of a split job were moved, and their CRCs: each process appends to a file of its own beside the job file.

No two processes write to one file, so a network file system without locks will do. A record is one line with a CRC of
its own (core/manifest.py); what is torn or missing costs its part only.
"""

from __future__ import annotations

import contextlib
import glob
import os
import socket
import uuid
from collections import Counter

from ..core import manifest as m
from ..core.manifest import PartRecord
from ..core.split_job import SplitJob
from ..engine.file_io import write_all

_BEGUN = 0
"""Length in the record of a range that is begun; one of no bytes is never moved."""
_WHOLE = 0
"""Number in the record of the whole; parts begin with 1."""


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
        return {record.number: record for record in self._all() if self._fits(record)}

    def begin(self, numbers: list[int]) -> None:
        """Notes that this process is about to write these ranges."""
        self.add([PartRecord(number, _BEGUN, "", None, "") for number in numbers])

    def begun_twice(self) -> set[int]:
        """Returns the numbers of the ranges that more than one process may have written, or one more than once: the
        bytes on disk are those of the last write, whatever the records say."""
        count = Counter(record.number for record in self._all() if record.length == _BEGUN)
        return {number for number, times in count.items() if times > 1 and 1 <= number <= len(self._job.plan)}

    def drop_but(self, whole: int) -> None:
        """Drops all records, since the ranges do not prove to be the object's. whole: their CRC, for `whole_before`."""
        self.drop()
        self.__exit__()
        self.add([PartRecord(_WHOLE, _BEGUN, "", whole, "")])

    def whole_before(self) -> int | None:
        """Returns the CRC of ranges that an earlier `finish` has dropped; None: there was none."""
        return next((record.crc for record in self._all() if record.number == _WHOLE), None)

    def add(self, records: list[PartRecord]) -> None:
        """Appends, and syncs. None: there will be no file."""
        if not records:
            return
        if self._file is None:
            process = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"  # containers may share the rest
            name = f"{self._path}.{process}.parts"
            self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        write_all(self._file, b"".join(m.encode(record) for record in records))
        os.fsync(self._file)

    def drop(self) -> None:
        for name in self._files():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def _all(self) -> list[PartRecord]:
        found: list[PartRecord] = []
        for name in self._files():
            with contextlib.suppress(FileNotFoundError), open(name, "rb") as file:
                found += m.records_of(file.read())
        return found

    def _files(self) -> list[str]:
        return sorted(glob.glob(f"{glob.escape(self._path)}.*.parts"))

    def _fits(self, record: PartRecord) -> bool:
        plan = self._job.plan
        return 1 <= record.number <= len(plan) and plan.part(record.number).length == record.length
