"""The progress of a job over a tree: lines, totals, counts, the journal, and the position up to which all is done.

Used by the thread that runs the job.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import replace

from ..core.define import define
from ..core.entries import Entry
from ..core.job_records import JobHeader, Known, Position, Watermark
from ..core.tree_events import EntryDone, Totals
from ..core.trees.tree_progress import Progress, TreeProgress
from ..errors import TransferLocked
from .extras import ExtraStore
from .job_journal import JobJournal, Memory, NoMemory
from .job_options import TreeOptions, digest_of

POSITION_SECONDS = 0.5
MOST_WARNINGS = 1000
"""Different warnings of one job that are passed on."""
log = logging.getLogger("s3amfs.jobs")

OnEntry = Callable[[EntryDone], None]
OnNote = Callable[[str], None]


@define(frozen=True, slots=True)
class Listener:
    """Where the lines of a job go; called in the thread that runs it."""

    entry: OnEntry
    note: OnNote
    """Receives remarks, such as that a run continues where another one ended."""
    progress: Callable[[TreeProgress], None] = lambda progress: None
    """Receives the progress, about every second."""


@define(slots=True)
class Seen:
    """Counts of a pass over the listings."""

    at_source: int = 0
    at_target: int = 0
    failures: int = 0
    problems: int = 0
    existing: int = 0


class Ledger:
    """names: what identifies source and target."""

    def __init__(self, totals: Totals, names: tuple[str, str], options: TreeOptions, listener: Listener) -> None:
        self.totals = totals
        self.seen = Seen()
        self.watermark = Watermark()
        self.store = ExtraStore()
        self.after = ""
        """Where this run goes on: keys up to this one are done."""
        self._names = names
        self._options = options
        self._listener = listener
        self._journal: JobJournal | None = None
        self._position_at = 0.0
        self._warnings: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._warned: set[str] = set()
        self.progress = Progress(time.monotonic())

    def open(self) -> None:
        """Takes the lock and begins the journal. Raises TransferLocked."""
        if self._options.dry_run:
            return
        source, target = self._names
        try:
            journal = JobJournal(source, target, self._options.state_dir)
        except TransferLocked:
            raise
        except OSError as error:
            self._listener.note(f"no journal can be kept ({error.strerror}): an interrupted run lists again")
            return
        self._journal = journal
        header = JobHeader(source, target, digest_of(self._options), time.time(), self.totals.verb)
        left = journal.unfinished if self._options.resume else None
        if left is not None and left.header.options != header.options:
            self._listener.note("the last run had other options: this one starts from the beginning")
            left = None
        if left is not None:
            self._go_on(left.position)
        elif self._options.resume:
            self._listener.note("there is no earlier run to continue: this one starts from the beginning")
        journal.begin(header, resume=left is not None)
        self.store = ExtraStore(journal, self.after)

    def _go_on(self, position: Position) -> None:
        self.after = position.key
        self.seen = Seen(position.at_source, position.at_target, problems=position.problems, existing=position.existing)
        self.watermark.position = position.key
        self.watermark.counts = (position.at_source, position.at_target)
        self._listener.note(
            f"going on behind {position.key!r}: what has changed up to there since then is not seen in this run"
        )

    def begin_again(self) -> None:
        """A listing is judged once more, from its start."""
        self.seen = Seen()
        self.watermark = Watermark()
        self.after = ""
        if self._journal is not None:
            self._journal.again()
        self.store = ExtraStore(self._journal, "")
        for action in ("same", "skip", "fail"):
            self.totals.counts.pop(action, None)

    def close(self, code: int | None) -> None:
        """code: how the job ended; None: it did not, and the next run may go on."""
        self._pass_on_warnings()
        if self._journal is not None:
            self._journal.close(code)
        self.store.close()

    def exit_code(self, *, broken: bool, is_local: bool) -> int:
        """The code of a job whose work is done. broken: a listing was incomplete."""
        if self.totals.refused:
            return 18
        if self.seen.failures or self.seen.problems or broken or (self.store.lost and self.store.count):
            return 1
        if self.seen.existing:
            return 11 if is_local else 3
        return 0

    def memory(self) -> Memory:
        if self._journal is not None:
            return self._journal.memory()
        if self._options.dry_run:
            return Memory.of(*self._names, self._options.state_dir)
        return NoMemory()

    def know(self, known: Known) -> None:
        """Both sides of a key are equal now."""
        kept = replace(known, keeps=self._options.rules.keeps)
        self._write(lambda journal: journal.add(kept))

    def only_at_target(self, entry: Entry) -> None:
        """An entry that is to be deleted at the end. Raises OSError without a journal."""
        if self._journal is None:
            self.store.add(entry)
        else:
            self._write(lambda journal: self.store.add(entry))

    def _write(self, write: Callable[[JobJournal], None]) -> None:
        """Writes to the journal; one that cannot be written, on a full disk, is given up."""
        if self._journal is None:
            return
        try:
            write(self._journal)
        except OSError as error:
            why = f"the journal cannot be written ({error.strerror})"
            self._listener.note(f"{why}: an interrupted run lists again")
            self._journal.close()
            self._journal = None
            self.store.lost = why

    def warn(self, text: str) -> None:
        """A warning of a transfer, in any thread; it goes to the listener, once, from the thread that runs the job."""
        self._warnings.put(text)

    def _pass_on_warnings(self) -> None:
        while not self._warnings.empty():
            text = self._warnings.get()
            if text not in self._warned and len(self._warned) < MOST_WARNINGS:
                self._warned.add(text)
                log.info("warning: %s", text)
                self._listener.note(text)

    def note(self, text: str) -> None:
        self._listener.note(text)

    def problem(self, key: str, reason: str, size: int | None) -> None:
        self.seen.problems += 1
        self.emit(key, "fail", reason, size)

    def emit(self, key: str, action: str, reason: str, size: int | None) -> None:
        self.totals.count(action)
        self._listener.entry(EntryDone(key, action, reason, size, self._options.dry_run))

    def foresee(self, source: Entry, requests: dict[str, int]) -> None:
        """Counts, in a dry run, what moving an entry would take."""
        kind = source.storage_class
        if kind and kind != "STANDARD":
            self.totals.retrieved[kind] = self.totals.retrieved.get(kind, 0) + source.size
        for name, count in requests.items():
            self.totals.requests[name] = self.totals.requests.get(name, 0) + count

    def note_position(self, *, always: bool = False) -> None:
        self._pass_on_warnings()
        now = time.monotonic()
        if not always and now - self._position_at < POSITION_SECONDS:
            return
        self._position_at = now
        self._listener.progress(self.progress.at(now))
        if self._journal is None:
            return
        mark = self.watermark
        if mark.position:
            position = Position(mark.position, *mark.counts, self.seen.problems, self.seen.existing)
            self._write(lambda journal: journal.add(position))
        self._write(JobJournal.flush)
