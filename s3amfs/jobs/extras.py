"""Entries that exist only at the target: kept on disk while the job runs, judged as a whole, and deleted last.

Before an entry is deleted, the source is checked once more (it must not exist there), and the target must still hold
the content that was listed.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Collection, Iterator
from typing import IO

from ..core.deletions import refusal_of_sync
from ..core.entries import Entry, Kind, not_a_key
from ..core.job_records import Extra
from ..core.locations import LocalPath, S3Location
from ..errors import S3AMError
from .backup import Backup
from .deletes import BATCH_KEYS, Victim, delete_all, look_at
from .job_journal import JobJournal
from .job_options import TreeOptions
from .local_target import LocalTarget
from .sides import Ends
from .walk import has_entry

Emit = Callable[[str, str, str, "int | None"], None]


class ExtraStore:
    """Entries in the journal, or, without one, in an unlinked file. after: where a run was gone on with."""

    def __init__(self, journal: JobJournal | None = None, after: str = "") -> None:
        self._journal = journal
        self._file: IO[bytes] | None = None
        self.count = journal.unfinished.extras if journal is not None and journal.unfinished and after else 0
        self.lost = ""
        """Why not all of them are known any more; then it yields none."""

    def add(self, entry: Entry) -> None:
        """Raises OSError."""
        self.count += 1
        if self.lost:
            return
        if self._journal is not None:
            self._journal.add(Extra(entry))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="s3am-")  # noqa: SIM115 - closed by `close`
        pickle.dump(entry, self._file, protocol=pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[Entry]:
        if self.lost:
            return
        if self._journal is not None:
            yield from self._journal.extras()
        elif self._file is not None:
            self._file.seek(0)
            for _ in range(self.count):
                yield pickle.load(self._file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Extras:
    """The deletions of one job."""

    def __init__(self, ends: Ends, options: TreeOptions, local: LocalTarget | None, backup: Backup, emit: Emit) -> None:
        self._ends = ends
        self._options = options
        self._local = local
        self._backup = backup
        self._emit = emit

    def refusal(self, count: int, at_target: int, at_source: int) -> str:
        """Why they must not go; '' if they may."""
        return refusal_of_sync(count, at_target, at_source, self._options.max_delete)

    def requests(self, count: int) -> int:
        """Requests that deleting takes, at least."""
        return 0 if self._local is not None else -(-count // BATCH_KEYS)

    def keep(self, store: ExtraStore, reason: str) -> None:
        for entry in store:
            self._emit(entry.key, "skip", reason, entry.size)

    def delete(self, store: ExtraStore, gone: Collection[str] = ()) -> int:
        """Deletes them; returns how many could not be. gone: keys that have been renamed."""
        if self._options.dry_run:
            for entry in store:
                if entry.key not in gone:
                    self._emit(entry.key, "delete", "only at the target", entry.size)
            return 0
        absent = self._absent_at_source(entry for entry in store if entry.key not in gone)
        if self._local is not None:
            return self._delete_local(absent, self._local)
        return self._delete_objects(absent)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _absent_at_source(self, entries: Iterator[Entry]) -> Iterator[tuple[Entry, str]]:
        """Each entry, and why it must stay after all; '' if the source really has none."""
        batch: list[Entry] = []
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH_KEYS:
                yield from self._looked(batch)
                batch = []
        if batch:
            yield from self._looked(batch)

    def _looked(self, batch: list[Entry]) -> Iterator[tuple[Entry, str]]:
        source = self._ends.source
        if isinstance(source, LocalPath):
            for entry in batch:
                excluded = self._is_excluded(entry.key)
                yield entry, "" if excluded else self._why_kept(source.path, entry.key)
            return
        keys = [source.key + entry.key for entry in batch if not self._is_excluded(entry.key)]
        keys = [key for key in keys if not not_a_key(key)]  # of a local name that no object can have
        key_for = self._options.source_key_for
        found = look_at(self._ends.reader, source.bucket, keys, key_for)
        for entry in batch:
            there_now = found.get(source.key + entry.key)
            if isinstance(there_now, S3AMError):
                yield entry, f"not known whether it is at the source: kept ({there_now})"
            else:
                yield entry, "it is at the source now: kept" if there_now is not None else ""

    def _why_kept(self, root: str, key: str) -> str:
        """Why the entry at the target must stay whose source would be the local entry `key`; '' if there is none."""
        try:
            return "it is at the source now: kept" if has_entry(root, key, self._options.links) else ""
        except OSError as error:
            return f"not known whether it is at the source: kept ({error.strerror})"

    def _is_excluded(self, key: str) -> bool:
        return self._options.delete_excluded and not self._options.filters.includes(key)

    def _delete_objects(self, entries: Iterator[tuple[Entry, str]]) -> int:
        target = self._ends.target
        assert isinstance(target, S3Location)
        kept = 0
        cut = len(target.key)

        def victims() -> Iterator[Victim]:
            nonlocal kept
            for entry, why in entries:
                _, why = self._keep(entry, why)
                if why:
                    kept += 1
                    self._emit(entry.key, "fail", why, entry.size)
                else:
                    yield Victim(target.key + entry.key, entry.size, entry.etag)

        found = delete_all(self._ends.client, target.bucket, victims(), self._options.key_for)
        for deleted in found:
            key = deleted.victim.key[cut:]
            kept += bool(deleted.error)
            action, reason = ("fail", deleted.error) if deleted.error else ("delete", "only at the target")
            self._emit(key, action, reason, deleted.victim.size)
        return kept

    def _keep(self, entry: Entry, why: str) -> tuple[Entry, str]:
        """Keeps a copy where --backup-dir asks for it. Returns the entry as it is now, and why it must not go."""
        if why or not self._backup.wanted:
            return entry, why
        try:
            return self._backup.keep(entry), ""
        except OSError as error:
            return entry, f"not deleted: it cannot be kept in --backup-dir ({error})"

    def _delete_local(self, entries: Iterator[tuple[Entry, str]], local: LocalTarget) -> int:
        kept = 0
        folder = ""
        for entry, why in entries:
            kept_entry, why = self._keep(entry, why)
            try:
                if not why:
                    local.delete(kept_entry)
            except OSError as error:
                why = str(error) if isinstance(error, S3AMError) else f"not deleted ({error.strerror})"
            if why:
                kept += 1
                self._emit(entry.key, "fail", why, entry.size)
                continue
            self._emit(entry.key, "delete", "only at the target", entry.size)
            now = entry.key.rstrip("/").rpartition("/")[0] if entry.kind is not Kind.FOLDER else entry.key.rstrip("/")
            if now != folder:
                self._prune(local, folder)
                folder = now
        self._prune(local, folder)
        return kept

    def _prune(self, local: LocalTarget, folder: str) -> None:
        """Folders that have become empty go, and those above them."""
        while folder and not self._is_wanted(folder) and local.remove_folder(folder):
            folder = folder.rpartition("/")[0]

    def _is_wanted(self, folder: str) -> bool:
        """With --create-empty-dirs: whether the source has that folder as an object."""
        source = self._ends.source
        if not self._options.rules.empty_folders or not isinstance(source, S3Location):
            return False
        key = source.key + folder + "/"
        return look_at(self._ends.reader, source.bucket, [key], self._options.source_key_for)[key] is not None
