"""The journal of one job (SRC, DST) in the state folder: locked, append-only, good after `kill -9` at any instruction.

`NAME.job` is the log of the last run. `NAME.known`, sorted by key, is what all runs remember of pairs that were equal;
it is read along with the listings, one record ahead. When a job begins, its log is merged into that file.
Used by the thread that runs the job.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator
from operator import itemgetter

from ..core.compare import Remembered
from ..core.define import define
from ..core.entries import Entry, order
from ..core.job_records import End, Extra, JobHeader, Known, Position, Record, decode, encode, job_name, read
from ..engine.file_io import make_private, write_all
from ..engine.journal import state_dir
from ..errors import TransferLocked
from .spill import sorted_by

BUFFER_RECORDS = 256


@define(frozen=True, slots=True)
class Unfinished:
    """How far an earlier run came that did not end."""

    header: JobHeader
    position: Position
    extras: int


def jobs_dir(chosen: str | None = None) -> str:
    """Folder of the journals of jobs."""
    return os.path.join(state_dir(chosen), "jobs")


class JobJournal:
    """The journal of the job from `source` to `target`, locked.

    Raises TransferLocked where another process runs the same job, OSError where the folder cannot be used.
    """

    def __init__(self, source: str, target: str, state: str | None = None) -> None:
        folder = jobs_dir(state)
        make_private(folder)
        base = os.path.join(folder, job_name(source, target))
        self.path = base + ".job"
        self._known_path = base + ".known"
        self._fd = _locked(self.path)
        self._buffer: list[bytes] = []
        self.unfinished: Unfinished | None = None
        self.interrupted = False
        """Whether the last run did not come to its end."""
        try:
            self._take_in()
        except BaseException:
            os.close(self._fd)
            raise

    # -- what earlier runs left ---------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[tuple[Record, bytes]]:
        """Records of the log up to the first damaged line, each with its line."""
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            for line in file:
                record = decode(line)
                if record is None:
                    return
                yield record, line

    def _records(self) -> Iterator[Record]:
        return (record for record, _ in self._lines())

    def _take_in(self) -> None:
        header: JobHeader | None = None
        position: Position | None = None
        extras = good = 0
        ended = False

        def known() -> Iterator[tuple[bytes, bytes]]:
            nonlocal header, position, extras, good, ended
            for record, line in self._lines():
                good += len(line)
                if isinstance(record, Known):
                    yield order(record.key), line
                elif isinstance(record, JobHeader):
                    header = record
                elif isinstance(record, Position):
                    position = record
                elif isinstance(record, Extra):
                    extras += 1
                ended = isinstance(record, End)

        found = known()
        first = next(found, None)
        if first is not None:
            self._merge_known(itertools.chain((first,), found))
        os.ftruncate(self._fd, good)
        self.interrupted = header is not None and not ended
        if header is not None and position is not None and not ended:
            self.unfinished = Unfinished(header, position, extras)

    def _merge_known(self, logged: Iterable[tuple[bytes, bytes]]) -> None:
        """Merges lines of the log, each with the order of its key, into the sorted file, which is replaced atomically.

        Of one key the latest line stays.
        """
        beside = self._known_path + ".new"
        ordered = sorted_by(logged, itemgetter(0))
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            last: tuple[bytes, bytes] | None = None
            for found in heapq.merge(_known_lines(self._known_path), ordered, key=itemgetter(0)):
                if last is not None and last[0] != found[0]:
                    file.write(last[1])
                last = found  # the merge is stable: of one key the latest comes last
            if last is not None:
                file.write(last[1])
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._known_path)

    def memory(self) -> Memory:
        """Returns the records of earlier runs, to be looked up in the order of keys."""
        return Memory(self._known_path)

    def forget(self) -> None:
        """Drops the records of earlier runs. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._known_path)

    def extras(self) -> Iterator[Entry]:
        """Yields the entries that this run, and the run that it continues, found only at the target."""
        self.flush()
        seen: set[str] = set()
        for record in self._records():
            if isinstance(record, Extra) and record.entry.key not in seen:
                seen.add(record.entry.key)  # a run that is gone on with finds those behind its position twice
                yield record.entry

    # -- this run ---------------------------------------------------------------------------------------------------

    def begin(self, header: JobHeader, *, resume: bool) -> None:
        """A new log, or the old one to go on with."""
        if not resume:
            os.ftruncate(self._fd, 0)
            self.unfinished = None
        os.lseek(self._fd, 0, os.SEEK_END)
        write_all(self._fd, encode(header))
        os.fsync(self._fd)

    def again(self) -> None:
        """The listing begins from its start: what was found to be extra counts no more, what is known is kept."""
        self.flush()
        header = next((record for record in self._records() if isinstance(record, JobHeader)), None)
        self._merge_known((order(record.key), line) for record, line in self._lines() if isinstance(record, Known))
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_END)
        write_all(self._fd, encode(header) if header is not None else b"")

    def add(self, record: Record) -> None:
        self._buffer.append(encode(record))
        if len(self._buffer) >= BUFFER_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered records to the file. Raises OSError."""
        if self._buffer:
            data, self._buffer = b"".join(self._buffer), []
            write_all(self._fd, data)

    def close(self, exit_code: int | None = None) -> None:
        """Lets go of the lock. exit_code: how the run ended; None: it did not come to its end."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):  # a full disk: the next run lists once more
            if exit_code is not None:
                self.add(End(exit_code))
            self.flush()
        os.close(self._fd)
        self._fd = -1


class Memory:
    """Remembered pairs, read along with a listing."""

    def __init__(self, path: str) -> None:
        self._records = _known_in(path)
        self._head = next(self._records, None)

    @classmethod
    def of(cls, source: str, target: str, state: str | None = None) -> Memory:
        """That of a job which is not begun, for a look."""
        return cls(os.path.join(jobs_dir(state), job_name(source, target) + ".known"))

    def all(self) -> Iterator[Known]:
        """Yields all records that have not been read yet."""
        while self._head is not None:
            yield self._head
            self._head = next(self._records, None)

    def get(self, key: str) -> Remembered | None:
        """Returns the record of `key`; None: there is none. Keys must come in order."""
        wanted = order(key)
        while self._head is not None and order(self._head.key) < wanted:
            self._head = next(self._records, None)
        if self._head is None or self._head.key != key:
            return None
        return Remembered(self._head.source, self._head.target, self._head.keeps)


class NoMemory(Memory):
    """Nothing is remembered."""

    def __init__(self) -> None:
        self._records = iter(())
        self._head = None


def _known_in(path: str) -> Iterator[Known]:
    return (record for record, _ in _known_with_lines(path))


def _known_lines(path: str) -> Iterator[tuple[bytes, bytes]]:
    return ((order(record.key), line) for record, line in _known_with_lines(path))


def _known_with_lines(path: str) -> Iterator[tuple[Known, bytes]]:
    try:
        with open(path, "rb") as file:
            for line in file:
                record = decode(line)
                if isinstance(record, Known):
                    yield record, line
    except FileNotFoundError:
        return


def _locked(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise TransferLocked("another s3am is at work from this SRC to this DST: wait for it or stop it") from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def unfinished_jobs(state: str | None = None) -> Iterator[tuple[str, Unfinished | JobHeader, bool]]:
    """(path, how far it came, whether it is running) of each job that did not come to its end."""
    folder = jobs_dir(state)
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for name in names:
        if not name.endswith(".job"):
            continue
        path = os.path.join(folder, name)
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            header: JobHeader | None = None
            position: Position | None = None
            ended, extras = False, 0
            for record, _ in read(file):
                header = record if isinstance(record, JobHeader) else header
                position = record if isinstance(record, Position) else position
                extras += isinstance(record, Extra)
                ended = isinstance(record, End)
            if header is not None and not ended:
                found = Unfinished(header, position, extras) if position is not None else header
                yield path, found, _is_locked(file.fileno())


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def forget_job(path: str) -> bool:
    """Removes the log of a job, so that it is not resumed; False where it is running."""
    try:
        fd = _locked(path)
    except TransferLocked:
        return False
    os.ftruncate(fd, 0)  # not removed: another run may be about to lock it
    os.close(fd)
    return True
