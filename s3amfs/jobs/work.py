"""The work of a tree job on one entry, and the threads that do it.

A `Mover` knows one direction. Small objects take one request each, many in flight, for which no thread waits; large
ones and whatever did not succeed at once go through the verbs, which know about parts, retries and errors.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..core.entries import Entry
from ..core.events import Event, Warned
from ..core.expected import NOTHING, WHATEVER, Expected, this_etag
from ..core.job_records import Known
from ..engine.limits import ByteBudget
from ..errors import AccessDenied, S3AMError
from .backup import Backup

SMALL_AT_A_TIME = 64
TICK_SECONDS = 0.5
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


@dataclass(slots=True)
class Work:
    """One entry to move. target: the entry at the target. whatever: replace any entry there."""

    number: int
    key: str
    source: Entry
    target: Entry | None
    reason: str
    whatever: bool = False

    @property
    def size(self) -> int:
        return self.source.size

    @property
    def expected(self) -> Expected:
        """The expected state of the target when it changes."""
        if self.whatever:
            return WHATEVER
        return NOTHING if self.target is None else this_etag(self.target.etag)


@dataclass(slots=True)
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


class Room:
    """At most so many small objects, and bytes of them, in memory at a time."""

    def __init__(self) -> None:
        self._slots = threading.Semaphore(SMALL_AT_A_TIME)
        self._bytes = ByteBudget(SMALL_BYTES)

    def take(self, size: int) -> Callable[[], None]:
        """Waits for room; returns what gives it back, once."""
        self._slots.acquire()
        self._bytes.take(size)
        given = threading.Lock()

        def give() -> None:
            if given.acquire(blocking=False):
                self._bytes.give(size)
                self._slots.release()

        return give


class Mover(ABC):
    """One direction of a job. All methods may be called in any thread."""

    verb: str
    """'upload', 'download' or 'copy', for the lines that users see."""
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
    def look(self, work: Work) -> Outcome | None:
        """Compares the contents; None: they differ or cannot be compared (see `work.reason`)."""

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
        self.results: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._small: Workers[Work] = Workers("small", SMALL_THREADS, self._do_small)
        self._large: Workers[Work] = Workers("large", LARGE_THREADS, self._do_large)
        self._look: Workers[Work] = Workers("look", LOOK_THREADS, self._do_look)

    def move(self, work: Work) -> None:
        if self._dry_run:
            self.results.put(Outcome(work, "moved", work.reason))
        elif self._only_large or (self._backup.wanted and work.target is not None):
            self._large.put(work)
        elif work.size <= self._mover.limit():
            self._small.put(work)
        else:
            self._large.put(work)

    def look(self, work: Work) -> None:
        """Compares the contents first."""
        self._look.put(work)

    def at_hand(self) -> Outcome | None:
        """An outcome; None: none is there yet."""
        try:
            return self.results.get_nowait()
        except queue.Empty:
            return None

    def wait(self, tick: Callable[[], None]) -> Outcome:
        """The next outcome. tick: called every now and then until it is there."""
        while True:
            try:
                return self.results.get(timeout=TICK_SECONDS)
            except queue.Empty:
                tick()

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
