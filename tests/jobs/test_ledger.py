"""Warnings, totals and positions of a job."""

from __future__ import annotations

import threading
from pathlib import Path

from s3amfs.core.compare import Rules
from s3amfs.core.tree_events import EntryDone, Totals
from s3amfs.jobs.job_journal import JobJournal
from s3amfs.jobs.job_options import TreeOptions
from s3amfs.jobs.ledger import Ledger, Listener

NAMES = ("file:///src", "s3://b/ at endpoint")


def ledger(tmp_path: Path, *, resume: bool = False) -> tuple[Ledger, list[EntryDone], list[str]]:
    entries: list[EntryDone] = []
    notes: list[str] = []
    options = TreeOptions(Rules("up"), state_dir=str(tmp_path), resume=resume)
    made = Ledger(Totals("sync", *NAMES), NAMES, options, Listener(entries.append, notes.append))
    made.open()
    return made, entries, notes


def test_warnings_of_other_threads_come_once_and_in_the_thread_of_the_job(tmp_path: Path) -> None:
    made, _, notes = ledger(tmp_path)
    threads = [threading.Thread(target=made.warn, args=(text,)) for text in ("one", "two", "one")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes == []
    made.note_position()
    made.warn("one")
    made.close(0)
    assert sorted(notes) == ["one", "two"]


def test_a_run_goes_on_behind_what_is_done(tmp_path: Path) -> None:
    made, entries, _ = ledger(tmp_path)
    numbers = [made.watermark.begin(key, (place, 0)) for place, key in enumerate("abc", 1)]
    made.watermark.finish(numbers[0])
    made.watermark.finish(numbers[2])  # 'b' is not
    made.problem("a", "a FIFO", 0)
    made.seen.existing += 1
    made.note_position(always=True)
    made.close(None)
    assert [(entry.key, entry.action) for entry in entries] == [("a", "fail")]
    again, _, notes = ledger(tmp_path, resume=True)
    assert (again.after, again.seen.at_source, again.seen.problems, again.seen.existing) == ("a", 1, 1, 1)
    assert "going on behind 'a'" in notes[0]
    again.close(0)
    assert JobJournal(*NAMES, str(tmp_path)).unfinished is None
