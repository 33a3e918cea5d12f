"""`upload --from-list`: sources of any kind to keys below one prefix; all lines are judged before anything moves."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..core.entries import not_a_key
from ..core.locations import Location, S3Location, Stdin, last_component, parse_source
from ..core.tree_events import EntryDone, Totals
from ..engine.client import S3Client
from ..engine.observed import observed
from ..errors import ObjectExists, S3AMError, UsageError
from ..transfers.options import UploadOptions
from ..verbs.upload import upload

AT_A_TIME = 16
"""Sources that are read at a time; their parts share the engine's slots."""


@dataclass(frozen=True, slots=True)
class Line:
    """One source and the key, below the prefix, that it goes to."""

    number: int
    source: Location
    key: str


def parse_list(lines: Iterable[str], prefix: str) -> list[Line]:
    """The lines of a list: `SRC` or `SRC<TAB>KEY` each; `#` and blank lines are skipped.

    Raises UsageError for a line that makes no sense, and for two lines with one key.
    """
    found: list[Line] = []
    taken: dict[str, int] = {}
    for number, text in enumerate(lines, start=1):
        bare = text.rstrip("\r\n")
        if not bare.strip() or bare.lstrip().startswith("#"):
            continue
        source_text, _, key = bare.partition("\t")
        try:
            source = parse_source(source_text.strip())
        except S3AMError as error:
            raise UsageError(f"line {number}: {error}") from None
        if isinstance(source, Stdin):
            raise UsageError(f"line {number}: standard input is no source of a list")
        key = key or last_component(source)
        if not key:
            raise UsageError(f"line {number}: {source} gives no name: write a tab and the key behind it")
        if why := not_a_key(prefix + key):
            raise UsageError(f"line {number}: {why}")
        if key in taken:
            raise UsageError(f"lines {taken[key]} and {number} both go to the key {prefix + key!r}: give one another")
        taken[key] = number
        found.append(Line(number, source, key))
    return found


def upload_list(
    lines: list[Line],
    prefix: S3Location,
    client: S3Client,
    options: UploadOptions,
    on_entry: Callable[[EntryDone], None],
    *,
    named_exit: int = 3,
    source_client: S3Client | None = None,
) -> Totals:
    """Uploads every line, several at a time. on_entry: called in this thread.

    An existing key without `exists` is skipped and named; `named_exit` is the exit code then.
    """
    totals = Totals("upload", f"{len(lines)} sources", prefix.url, dry_run=options.dry_run)
    begun = time.monotonic()
    todo: queue.SimpleQueue[Line] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[EntryDone, BaseException | None]] = queue.SimpleQueue()
    for line in lines:
        todo.put(line)

    def work() -> None:
        while True:
            try:
                line = todo.get_nowait()
            except queue.Empty:
                return
            done.put(_one(line, prefix, client, options, source_client))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_A_TIME, len(lines)))]
    for thread in threads:
        thread.start()
    failed = existing = 0
    with observed(client.engine, totals):
        for _ in lines:
            entry, error = done.get()
            if error is not None:
                raise error
            totals.count(entry.action)
            if entry.action in ("upload", "copy"):
                totals.bytes += entry.size or 0
            failed += entry.action == "fail"
            existing += entry.action == "skip" and options.exists == "refuse"
            on_entry(entry)
    totals.seconds = time.monotonic() - begun
    totals.exit_code = 1 if failed else named_exit if existing else 0
    return totals


def _one(
    line: Line, prefix: S3Location, client: S3Client, options: UploadOptions, source_client: S3Client | None
) -> tuple[EntryDone, BaseException | None]:
    target = S3Location(prefix.bucket, prefix.key + line.key)
    reader = source_client if isinstance(line.source, S3Location) else None
    using = replace(options, unfinished="continue")
    try:
        result = upload(line.source, target, client, using, source_client=reader, gate=client.engine.sending)
    except ObjectExists:
        return EntryDone(line.key, "skip", "exists at the target: use --exists", None, options.dry_run), None
    except OSError as error:
        text = str(error) if isinstance(error, S3AMError) else f"{error.strerror or error}"
        return EntryDone(line.key, "fail", f"line {line.number}: {text}", None), None
    except BaseException as error:  # noqa: BLE001 - a bug, which ends the job in the thread that runs it
        return EntryDone(line.key, "fail", str(error)), error
    action, reason = ("skip", "exists at the target") if result.skipped else (result.verb, str(line.source))
    return EntryDone(line.key, action, reason, result.size, options.dry_run), None
