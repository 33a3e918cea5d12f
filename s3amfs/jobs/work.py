"""The work of a tree job on one entry, and the threads that do it.

A `Mover` knows one direction. Small objects take one request each, many in flight, for which no thread waits; large
ones and whatever did not succeed at once go through the verbs, which know about parts, retries and errors.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import field, replace
from typing import Generic, TypeVar

from ..core.define import define
from ..core.entries import Entry, Kind
from ..core.events import Event, Warned
from ..core.expected import NOTHING, WHATEVER, Expected, this_etag
from ..core.job_records import Known
from ..core.locations import S3Location
from ..errors import AccessDenied, S3AMError, TransferError
from ..transfers.options import ObjectInfo, ObjectOptions
from .backup import Backup

SMALL_AT_A_TIME = 64
TICK_SECONDS = 0.5
LINGER_SECONDS = 0.005
SMALL_BYTES = 32 * 1024 * 1024
"""Of objects in memory at a time."""
SMALL_LIMIT = 8 * 1024 * 1024
"""Objects up to this size take one request; larger ones have parts."""
SMALL_THREADS = 4
LARGE_THREADS = 4
LOOK_THREADS = 8

T = TypeVar("T")
log = logging.getLogger("s3amfs.jobs")


class CannotBeDone(S3AMError):
    """An entry that nobody can move as things are: it is named, and protects its own key only."""


class Skipped(S3AMError):
    """Exists, and is to be left as it is; not a failure of the transfer."""


@define(slots=True)
class Work:
    """One entry to move. target: the entry at the target. whatever: replace any entry there."""

    number: int
    key: str
    source: Entry
    target: Entry | None
    reason: str
    whatever: bool = False
    doubtful: bool = False
    """A request that should have stored it has ended without an answer: it may be stored."""

    @property
    def size(self) -> int:
        return self.source.size

    @property
    def expected(self) -> Expected:
        """The expected state of the target when it changes."""
        if self.whatever:
            return WHATEVER
        return NOTHING if self.target is None else this_etag(self.target.etag)


@define(slots=True)
class Outcome:
    """The outcome of a Work."""

    work: Work
    action: str
    """'moved', 'same', 'failed' (worth another run), 'impossible', 'exists'."""
    reason: str = ""
    known: Known | None = None
    """The record for later runs; None: no record."""
    error: BaseException | None = None
    """A bug or an interruption: ends the job."""
    extra: dict[str, object] = field(default_factory=dict)


Done = Callable[[Outcome], None]


Give = Callable[[], None]
"""Gives room back; calls after the first do nothing."""


class Room:
    """At most so many small objects, and bytes of them, in memory at a time. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = self._bytes = 0
        self._waiting: deque[tuple[int, Callable[[Give], None]]] = deque()
        self._admits = False

    def enter(self, size: int, begin: Callable[[Give], None]) -> None:
        """Calls `begin` once there is room, in this thread or one that gives some back. It must not raise."""
        with self._lock:
            self._waiting.append((size, begin))
        self._admit()

    def take(self, size: int) -> Give:
        """Waits for room; returns what gives it back."""
        got: queue.SimpleQueue[Give] = queue.SimpleQueue()
        self.enter(size, got.put)
        return got.get()

    def _admit(self) -> None:
        """Lets in what fits; one thread at a time, and not within `begin`, which may give room back at once."""
        while True:
            with self._lock:
                if self._admits or (found := self._next()) is None:
                    return
                self._admits = True
            size, begin = found
            try:
                begin(self._give(size))
            finally:
                with self._lock:
                    self._admits = False

    def _next(self) -> tuple[int, Callable[[Give], None]] | None:
        if not self._waiting:
            return None
        size = self._waiting[0][0]
        if self._held and (self._held >= SMALL_AT_A_TIME or self._bytes + size > SMALL_BYTES):
            return None
        self._held += 1
        self._bytes += size
        return self._waiting.popleft()

    def _give(self, size: int) -> Give:
        given = False

        def give() -> None:
            nonlocal given
            with self._lock:
                if given:
                    return
                given = True
                self._held -= 1
                self._bytes -= size
            self._admit()

        return give


class Outcomes:
    """Outcomes in the order of their ends, of any thread, for one reader: it is not woken for each of them."""

    def __init__(self) -> None:
        self._found: deque[Outcome] = deque()
        self._some = threading.Event()

    def put(self, outcome: Outcome) -> None:
        self._found.append(outcome)
        if not self._some.is_set():
            self._some.set()

    def at_hand(self) -> Outcome | None:
        """An outcome; None: none is there yet."""
        return self._found.popleft() if self._found else None

    def wait(self, tick: Callable[[], None]) -> Outcome:
        """The next outcome. tick: called every now and then until it is there."""
        while not self._found:
            self._some.clear()
            if self._found:
                break
            if not self._some.wait(TICK_SECONDS):
                tick()
            elif len(self._found) < SMALL_AT_A_TIME // 2:
                time.sleep(LINGER_SECONDS)  # more will end: each wake-up takes the interpreter from a loop's thread
        return self._found.popleft()


class Mover(ABC):
    """One direction of a job. All methods may be called in any thread."""

    verb: str
    """'upload', 'download' or 'copy', for the lines that users see."""
    small_blocks = True
    """Whether `small` reads files or waits for room: it is called in threads of its own then."""
    warn: Callable[[str], None] = log.warning
    """Receives warnings, in any thread."""

    def on_event(self, event: Event) -> None:
        """Takes the warnings out of a transfer's events."""
        if isinstance(event, Warned):
            self.warn(event.message)

    @abstractmethod
    def small(self, work: Work, room: Room, done: Done, retry: Callable[[], None]) -> None:
        """Begins to move a small entry; `done` is called with its outcome, or `retry` to have it done by `large`."""

    @abstractmethod
    def large(self, work: Work) -> Outcome:
        """Moves an entry; blocks. Raises S3AMError and OSError, which become its outcome."""

    @abstractmethod
    def look(self, work: Work, *, proven: bool = False) -> Outcome | None:
        """Compares the contents; None: they differ or cannot be compared (see `work.reason`).

        proven: times do not count where nothing stored can be compared.
        """

    def lost(self, work: Work, error: S3AMError, exists: str) -> Outcome:
        """The outcome where another object stands at the target than was listed: equal content is what was to be there,
        stored by a request of this job whose answer was lost, or by somebody else.

        exists: as TreeOptions has it. Raises Skipped, TransferError.
        """
        equal = self.look(work, proven=True) if work.source.kind is not Kind.FOLDER else None
        if equal is not None:
            return replace(equal, action="moved", reason=work.reason) if work.doubtful else equal
        if work.target is None and exists in ("refuse", "skip"):
            raise Skipped("exists at the target")
        raise TransferError(f"changed at the target since it was listed: kept ({error.message})")

    def stored_as(self, work: Work, target: S3Location) -> ObjectOptions:
        """How an entry is stored at `target`; of directions into S3."""
        raise TypeError(f"{self.verb} stores no object")

    def finish(self, fd: int, info: ObjectInfo) -> None:
        """Gives a file the time, and with --preserve the mode and owner, of its object; of directions to files."""
        raise TypeError(f"{self.verb} makes no file")

    def requests(self, work: Work) -> dict[str, int]:
        """Requests that moving an entry takes, at least, by kind."""
        kind = {"upload": "PUT", "download": "GET", "copy": "COPY"}[self.verb]
        if work.size <= self.limit():
            return {kind: 1}
        parts = -(-work.size // SMALL_LIMIT)
        return {kind: parts} if kind == "GET" else {kind: parts + 2}

    def close(self) -> None:  # noqa: B027 - most directions hold nothing
        """Lets go of threads."""

    def limit(self) -> int:
        """Largest entry that `small` takes."""
        return SMALL_LIMIT


class Workers(Generic[T]):
    """Threads that take what is put in, in order."""

    def __init__(self, name: str, count: int, run: Callable[[T], None]) -> None:
        self._items: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._run = run
        self._threads: list[threading.Thread] = []
        self._name, self._count = name, count

    def put(self, item: T) -> None:
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._loop, name=f"s3am-{self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._items.put(item)

    def _loop(self) -> None:
        while (item := self._items.get()) is not None:
            self._run(item)

    def close(self) -> None:
        """Ends the threads once what they have begun is done; what waits is dropped."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._items.get_nowait()
        for _ in self._threads:
            self._items.put(None)


class Lanes:
    """Dispatches works: to compare, small ones, large ones. Outcomes are in `results`, in the order of their ends."""

    def __init__(self, mover: Mover, backup: Backup, *, dry_run: bool = False, only_large: bool = False) -> None:
        self._mover = mover
        self._backup = backup
        self._dry_run = dry_run
        self._only_large = only_large
        self._room = Room()
        self.results = Outcomes()
        self._small: Workers[Work] = Workers("small", SMALL_THREADS, self._do_small)
        self._large: Workers[Work] = Workers("large", LARGE_THREADS, self._do_large)
        self._look: Workers[Work] = Workers("look", LOOK_THREADS, self._do_look)

    def move(self, work: Work) -> None:
        if self._dry_run:
            self.results.put(Outcome(work, "moved", work.reason))
        elif self._only_large or (self._backup.wanted and work.target is not None) or work.size > self._mover.limit():
            self._large.put(work)
        elif self._mover.small_blocks:
            self._small.put(work)
        else:
            self._do_small(work)

    def look(self, work: Work) -> None:
        """Compares the contents first."""
        self._look.put(work)

    def close(self) -> None:
        for workers in (self._small, self._large, self._look):
            workers.close()

    def _do_small(self, work: Work) -> None:
        try:
            self._mover.small(work, self._room, self.results.put, lambda: self._large.put(work))
        except BaseException as error:  # noqa: BLE001 - it is the entry's outcome
            self.results.put(outcome_of(work, error))

    def _do_large(self, work: Work) -> None:
        try:
            if self._backup.wanted and work.target is not None:
                work.target = self._backup.keep(work.target)
            self.results.put(self._mover.large(work))
        except BaseException as error:  # noqa: BLE001 - it is the entry's outcome
            self.results.put(outcome_of(work, error))

    def _do_look(self, work: Work) -> None:
        try:
            found = self._mover.look(work)
        except BaseException as error:  # noqa: BLE001 - it is the entry's outcome
            self.results.put(outcome_of(work, error))
            return
        if found is not None:
            self.results.put(found)
        else:
            self.move(work)


def outcome_of(work: Work, error: BaseException) -> Outcome:
    """How an error of one entry counts."""
    if isinstance(error, CannotBeDone | PermissionError) and not isinstance(error, AccessDenied):
        reason = str(error) if isinstance(error, S3AMError) else f"cannot be read or written ({error.strerror})"
        return Outcome(work, "impossible", reason)
    if isinstance(error, Skipped):
        return Outcome(work, "exists", str(error))
    if isinstance(error, S3AMError):
        return Outcome(work, "failed", str(error))
    if isinstance(error, OSError):
        return Outcome(work, "failed", f"{error.strerror or error}")
    return Outcome(work, "failed", str(error), error=error)
