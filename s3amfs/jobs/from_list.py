"""`upload --from-list`: sources of any kind to keys below one prefix; all lines are judged before anything moves."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..core.define import define
from ..core.entries import not_a_key
from ..core.locations import S3Location, Stdin, last_component, parse_source
from ..core.tree_events import EntryDone, Totals
from ..engine.client import S3Client
from ..engine.observed import observed
from ..errors import ObjectExists, S3AMError, UsageError
from ..transfers.options import UploadOptions
from ..verbs.upload import upload
from .list_journal import Line, ListJournal, identity

log = logging.getLogger("s3amfs.jobs")
AT_A_TIME = 16
"""Sources that are read at a time; their parts share the engine's slots."""


def parse_list(lines: Iterable[str], prefix: str) -> list[Line]:
    """The lines of a list: `SRC` or `SRC<TAB>KEY` each; `#` and blank lines are skipped.

    Blanks around a URL do not count; those of a path are part of it. Raises UsageError for a line that makes no sense,
    and for two lines with one key.
    """
    found: list[Line] = []
    taken: dict[str, int] = {}
    for number, text in enumerate(lines, start=1):
        bare = text.rstrip("\r\n")
        if not bare.strip() or bare.lstrip().startswith("#"):
            continue
        source_text, _, key = bare.partition("\t")
        try:
            source = parse_source(source_text.strip() if "://" in source_text else source_text)
        except S3AMError as error:
            raise UsageError(f"line {number}: {error}") from None
        if isinstance(source, Stdin):
            raise UsageError(f"line {number}: standard input cannot be a source in a list")
        key = key or last_component(source)
        if not key:
            raise UsageError(f"line {number}: {source} gives no name: write a tab and the key after it")
        if why := not_a_key(prefix + key):
            raise UsageError(f"line {number}: {why}")
        if key in taken:
            raise UsageError(
                f"lines {taken[key]} and {number} both go to the key {prefix + key!r}: give one of them another key"
            )
        taken[key] = number
        found.append(Line(number, source, key))
    return found


@define(frozen=True, slots=True)
class _Done:
    """The outcome of a line. etag: of the object that it has now; '' where nothing is to be noted."""

    line: Line
    entry: EntryDone
    source: str = ""
    etag: str = ""
    error: BaseException | None = None


def upload_list(
    lines: list[Line],
    prefix: S3Location,
    client: S3Client,
    options: UploadOptions,
    on_entry: Callable[[EntryDone], None],
    *,
    source_client: S3Client | None = None,
    resume: bool = False,
) -> Totals:
    """Uploads every line, several at a time. on_entry: called in this thread.

    An existing key without `exists` is skipped and named, exit 3. resume: lines that an interrupted run of the same
    list has stored are left alone, and count as done. Raises TransferLocked.
    """
    totals = Totals("upload", f"{len(lines)} sources", prefix.url, dry_run=options.dry_run)
    begun = time.monotonic()
    code: int | None = None
    journal = None if options.dry_run else _journal(lines, prefix, client, options, resume)
    try:
        with observed(client.engine, totals):
            failed, existing = _all(lines, _Uploader(prefix, client, options, source_client, journal), totals, on_entry)
        totals.exit_code = code = 1 if failed else 3 if existing else 0
    finally:
        if journal is not None:
            journal.close(None if code == 1 else code)
    totals.seconds = time.monotonic() - begun
    return totals


def _journal(
    lines: list[Line], prefix: S3Location, client: S3Client, options: UploadOptions, resume: bool
) -> ListJournal | None:
    try:
        return ListJournal(lines, prefix, client, options, resume=resume)
    except S3AMError:
        raise
    except OSError as error:
        if resume:
            raise UsageError(f"--resume: the journal cannot be used ({error.strerror}): leave --resume out") from None
        log.warning("no journal can be kept (%s): --resume will not know what this run has stored", error.strerror)
        return None


def _all(
    lines: list[Line], uploader: _Uploader, totals: Totals, on_entry: Callable[[EntryDone], None]
) -> tuple[int, int]:
    """Returns how many lines failed, and how many were left alone since their key exists."""
    todo: queue.SimpleQueue[Line] = queue.SimpleQueue()
    done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
    for line in lines:
        todo.put(line)

    def work() -> None:
        while True:
            try:
                line = todo.get_nowait()
            except queue.Empty:
                return
            done.put(uploader.one(line))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_A_TIME, len(lines)))]
    for thread in threads:
        thread.start()
    failed = existing = 0
    for _ in lines:
        outcome = done.get()
        entry = outcome.entry
        if outcome.error is not None:
            raise outcome.error
        uploader.note(outcome)
        totals.count(entry.action)
        if entry.action in ("upload", "copy"):
            totals.bytes += entry.size or 0
        failed += entry.action == "fail"
        existing += entry.action == "skip" and uploader.refuses
        on_entry(entry)
    return failed, existing


class _Uploader:
    """Uploads lines, in any thread. journal: None: of a dry run."""

    def __init__(
        self,
        prefix: S3Location,
        client: S3Client,
        options: UploadOptions,
        source_client: S3Client | None,
        journal: ListJournal | None,
    ) -> None:
        self._prefix = prefix
        self._client = client
        self._options = replace(options, unfinished="continue")
        self._source_client = source_client
        self._journal = journal
        self._notes = journal is not None
        self.refuses = options.exists == "refuse"

    def note(self, done: _Done) -> None:
        """Writes down that a line is done, as long as that works; in the thread that runs the job."""
        if self._journal is None or not self._notes or not done.etag:
            return
        try:
            self._journal.add(done.line, done.source, done.entry.size or 0, done.etag)
        except OSError as error:
            self._notes = False
            log.warning("the journal cannot be written (%s): --resume will not know all of this run", error.strerror)

    def one(self, line: Line) -> _Done:
        try:
            return self._one(line)
        except OSError as error:
            text = str(error) if isinstance(error, S3AMError) else f"{error.strerror or error}"
            return _Done(line, EntryDone(line.key, "fail", f"line {line.number}: {text}", None))
        except BaseException as error:  # noqa: BLE001 - a bug, which ends the job in the thread that runs it
            return _Done(line, EntryDone(line.key, "fail", str(error)), error=error)

    def _one(self, line: Line) -> _Done:
        journal, dry_run = self._journal, self._options.dry_run
        stored = journal.stored(line) if journal is not None else None
        if stored is not None:
            return _Done(line, EntryDone(line.key, "same", "stored by the run that was interrupted", stored))
        target = S3Location(self._prefix.bucket, self._prefix.key + line.key)
        reader = self._source_client if isinstance(line.source, S3Location) else None
        source = identity(line.source)
        gate = self._client.engine.sending
        try:
            result = upload(line.source, target, self._client, self._options, source_client=reader, gate=gate)
        except ObjectExists:
            equal = journal.equal(line) if journal is not None else None
            if equal is not None:
                return _Done(line, EntryDone(line.key, "same", "exists with this content", equal))
            return _Done(line, EntryDone(line.key, "skip", "exists at the target: use --exists", None, dry_run))
        if result.skipped:
            return _Done(line, EntryDone(line.key, "skip", "exists at the target", result.size, dry_run))
        entry = EntryDone(line.key, result.verb, str(line.source), result.size, dry_run)
        return _Done(line, entry, source, result.etag or "")
