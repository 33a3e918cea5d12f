"""`sync`, `upload -r`, `download -r`: makes one tree like another, moving only what differs.

How it works. Both trees are listed in the order of keys and merged as they arrive (`core/merge`); each key gets its
class (`core/compare`); entries to move go to the lanes (`work`), many at a time, while the listing goes on. The journal
records pairs known to be equal, entries only at the target, and the position up to which all is done. Deletions come
last (`extras`): only if both listings were whole and nothing failed. A dry run is the same code with lanes that move
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from ..core.compare import Action, Verdict, judge
from ..core.entries import ARCHIVED, Entry, Kind, not_a_key, not_local
from ..core.locations import LocalPath, S3Location
from ..core.merge import OutOfOrder, Pair, merge
from ..core.shadow import FoldersWin
from ..core.tree_events import Totals
from ..engine.observed import observed
from .across import Across
from .backup import Backup
from .collisions import FoldedNames
from .down import Down
from .extras import Extras
from .job_options import TreeOptions
from .jobs_left import close_target
from .ledger import Ledger, Listener
from .local_target import LocalTarget
from .renames import Renames
from .sides import Ends, Sides
from .up import Up
from .work import Lanes, Mover, Outcome, Work

MOST_UNFINISHED = 1000
"""Entries that are dispatched and not yet done; the listing waits then."""


def sync(ends: Ends, options: TreeOptions, listener: Listener, verb: str = "sync") -> Totals:
    """Runs the job; its exit code is in the totals.

    Raises what makes the whole of it impossible: NotFound (SRC, or a bucket), AccessDenied, UsageError,
    InvalidSource, InvalidDestination, TransferLocked (another run of it is at work), TransferError.
    """
    ends.check(options.backup_dir)
    totals = Totals(verb, str(ends.source), str(ends.target), dry_run=options.dry_run)
    with observed(ends.client.engine, totals):
        return _Run(ends, options, listener, totals).run()


class _Run:
    def __init__(self, ends: Ends, options: TreeOptions, listener: Listener, totals: Totals) -> None:
        self._ends = ends
        self._options = options
        self._ledger = Ledger(totals, ends.names(), options, listener)
        self._local = LocalTarget(ends.target.path) if isinstance(ends.target, LocalPath) else None
        self._mover = _make_mover(ends, options, self._local)
        self._mover.warn = self._ledger.warn
        self._backup = Backup(ends.target, ends.client, options)
        self._lanes = Lanes(self._mover, self._backup, dry_run=options.dry_run, only_large=options.only_verbs)
        self._unfinished = 0
        self._sides: Sides | None = None
        self._renames = Renames(ends, options, self._local, self._mover)
        self._named: set[str] = set()
        """Names of --files-from that the source has."""
        self._held: list[Work] = []
        """New entries that may have been renamed: looked at when all that is only at the target is known."""
        self._rules = options.rules
        self._folded = FoldedNames(self._local, dry_run=options.dry_run)

    # -- the whole --------------------------------------------------------------------------------------------------

    def run(self) -> Totals:
        begun = time.monotonic()
        code: int | None = None
        try:
            self._ledger.open()
            sort = False
            while True:
                try:
                    self._pass(sort)
                    break
                except OutOfOrder:
                    sort = True
                    self._drain()
                    self._held.clear()  # their numbers are those of a watermark that counts no more
                    self._ledger.begin_again()
            self._extras()
            broken = bool(self._sides and self._sides.broken)
            code = self._ledger.exit_code(broken=broken, is_local=self._local is not None)
            self._ledger.totals.exit_code = code
        finally:
            self._close(code)
        self._ledger.totals.seconds = time.monotonic() - begun
        return self._ledger.totals

    def _close(self, code: int | None) -> None:
        self._lanes.close()
        if self._sides is not None:
            self._sides.close()
        self._mover.close()
        unfinished = code is None or self._ledger.seen.failures > 0 or bool(self._sides and self._sides.broken)
        self._ledger.close(None if unfinished else code)
        if self._local is not None and not self._options.dry_run:
            close_target(self._local, self._options.state_dir)

    # -- one pass over both listings --------------------------------------------------------------------------------

    def _pass(self, sort: bool) -> None:
        self._sides = sides = Sides(self._ends, self._options, after=self._ledger.after, sort=sort)
        self._rules = replace(self._options.rules, clock_offset=sides.clock_offset)
        try:
            for pair, (number, verdict), shadowed in self._held_back(self._judged(sides)):
                if shadowed:
                    verdict = Verdict(Action.PROBLEM, "a folder of the same name is there, too: the folder wins")
                self._take(pair, number, verdict)
                self._settle_some()
            if not self._held:
                self._ledger.progress.all_found()
            self._drain()
            self._ledger.note_position(always=True)  # from here on what is only at the target is read again
            self._rename_held(sides)
        finally:
            sides.close()
        self._name_missing(sides)
        for problem in sides.broken:
            self._ledger.totals.notes.append(problem)
            self._ledger.note(problem)
        self._ledger.note_position(always=True)

    def _name_missing(self, sides: Sides) -> None:
        """Listed names (--files-from) that the source does not have, and that are not about to be deleted."""
        names = self._options.names
        if names is None or sides.broken or self._ledger.after:
            return
        going = {entry.key for entry in self._ledger.store} if self._options.delete else set()
        for name in sorted(names - self._named - going):
            self._ledger.problem(name, "listed, but not at the source", None)

    def _rename_held(self, sides: Sides) -> None:
        held, self._held = self._held, []
        if held and not sides.broken and not self._ledger.seen.failures:
            renamed, held = self._renames.run(held, self._ledger.store)
            self._unfinished += len(renamed)
            for outcome in renamed:
                self._ledger.progress.begin(outcome.work.size)
                self._settle(outcome)
        for work in held:
            self._send(work)
            self._settle_some()
        self._ledger.progress.all_found()
        self._drain()

    def _judged(self, sides: Sides) -> Iterator[tuple[Pair, tuple[int, Verdict]]]:
        memory = self._ledger.memory()
        seen = self._ledger.seen
        for pair in merge(sides.source, sides.target):
            seen.at_source += pair.source is not None and pair.source.kind is not Kind.FOLDER
            seen.at_target += pair.target is not None and pair.target.kind in (Kind.FILE, Kind.LINK)
            if self._options.names is not None and pair.source is not None:
                self._named.add(pair.key)
            number = self._ledger.watermark.begin(pair.key, (seen.at_source, seen.at_target))
            yield pair, (number, judge(pair, self._rules, memory.get(pair.key)))

    def _held_back(
        self, pairs: Iterator[tuple[Pair, tuple[int, Verdict]]]
    ) -> Iterator[tuple[Pair, tuple[int, Verdict], bool]]:
        if self._local is not None:
            yield from FoldersWin[tuple[int, Verdict]]().filter(pairs)
        else:
            for pair, tag in pairs:
                yield pair, tag, False

    def _take(self, pair: Pair, number: int, verdict: Verdict) -> None:
        action = verdict.action
        if action in (Action.MOVE, Action.LOOK, Action.MAKE_FOLDER):
            assert pair.source is not None
            self._dispatch(pair, number, verdict, pair.source)
            return
        size = (pair.source or pair.target or Entry(pair.key)).size
        if action is Action.PROBLEM:
            self._ledger.problem(pair.key, verdict.reason, size)
        elif action is Action.EXTRA and self._options.delete:
            assert pair.target is not None
            self._ledger.only_at_target(pair.target)
        elif action is Action.SAME and pair.source is not None and pair.source.kind is not Kind.FOLDER:
            self._ledger.emit(pair.key, "same", verdict.reason, size)
        else:
            self._skip(pair, verdict.reason, size)
        self._ledger.watermark.finish(number)

    def _skip(self, pair: Pair, reason: str, size: int) -> None:
        kinds = {entry.kind for entry in (pair.source, pair.target) if entry is not None}
        if kinds == {Kind.FOLDER}:
            if pair.source is None or not pair.source.empty or pair.target is not None:
                return  # what is in it has lines of its own
            reason = "an empty folder, and --create-empty-dirs was not given"
        exists = pair.source is not None and pair.target is not None and self._rules.ignore_existing
        if exists and self._options.exists == "refuse":
            self._ledger.seen.existing += 1
        self._ledger.emit(pair.key, "skip", reason, size)

    def _dispatch(self, pair: Pair, number: int, verdict: Verdict, source: Entry) -> None:
        why = _impossible(self._ends, source, dry_run=self._options.dry_run) or self._folded.reason(
            pair.key, self._sides
        )
        if why:
            self._ledger.problem(pair.key, why, source.size)
            self._ledger.watermark.finish(number)
            return
        whatever = self._options.exists == "overwrite" and self._local is None
        work = Work(number, pair.key, source, pair.target, verdict.reason, whatever)
        if self._options.track_renames and verdict.reason == "new" and source.kind is Kind.FILE and source.size:
            self._held.append(work)
            return
        self._send(work, verdict.action)

    def _send(self, work: Work, action: Action = Action.MOVE) -> None:
        self._unfinished += 1
        self._ledger.progress.begin(work.size)
        if action is Action.LOOK:
            self._lanes.look(work)
        else:
            self._lanes.move(work)

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def _settle_some(self) -> None:
        """Takes what has ended, and waits where too much has not."""
        while self._unfinished:
            if self._unfinished >= MOST_UNFINISHED:
                self._settle(self._lanes.results.wait(self._ledger.note_position))
            elif (outcome := self._lanes.results.at_hand()) is not None:
                self._settle(outcome)
            else:
                break
        self._ledger.note_position()

    def _drain(self) -> None:
        while self._unfinished:
            self._settle(self._lanes.results.wait(self._ledger.note_position))
            self._ledger.note_position()

    def _settle(self, outcome: Outcome) -> None:
        self._unfinished -= 1
        self._ledger.progress.finish(outcome.work.size)
        work = outcome.work
        if outcome.error is not None:
            raise outcome.error
        if outcome.known is not None:
            self._ledger.know(outcome.known)
        if outcome.action == "moved":
            self._ledger.totals.bytes += work.size
            self._ledger.emit(work.key, self._mover.verb, outcome.reason, work.size)
            if self._options.dry_run:
                self._ledger.foresee(work.source, self._mover.requests(work))
        elif outcome.action == "renamed":
            self._ledger.emit(work.key, "rename", outcome.reason, work.size)
        elif outcome.action == "same":
            self._ledger.emit(work.key, "same", outcome.reason, work.size)
        elif outcome.action == "exists":
            self._ledger.seen.existing += self._options.exists == "refuse"
            self._ledger.emit(work.key, "skip", outcome.reason, work.size)
        elif outcome.action == "impossible":
            self._ledger.problem(work.key, outcome.reason, work.size)
        else:
            self._ledger.seen.failures += 1
            self._ledger.emit(work.key, "fail", outcome.reason, work.size)
            return
        self._ledger.watermark.finish(work.number)

    # -- deletions --------------------------------------------------------------------------------------------------

    def _extras(self) -> None:
        if self._options.dry_run and self._sides is not None:
            self._ledger.totals.requests["LIST"] = self._sides.requests
        if not self._options.delete or not self._ledger.store.count:
            return
        why = self._ledger.store.lost
        if self._sides is not None and self._sides.broken:
            why = "a listing was incomplete"
        elif self._ledger.seen.failures:
            why = "a transfer failed"
        renamed = self._renames.gone | self._renames.kept
        extras = Extras(self._ends, self._options, self._local, self._backup, self._ledger.emit)
        if why:
            self._ledger.totals.notes.append(f"nothing was deleted: {why}")
            self._ledger.note(f"nothing was deleted, since {why}")
            extras.keep(self._ledger.store, f"only at the target; kept, since {why}")
            return
        seen, count = self._ledger.seen, self._ledger.store.count - len(renamed)
        refused = extras.refusal(count, seen.at_target, seen.at_source)
        if refused:
            self._ledger.totals.refused = refused
            extras.keep(self._ledger.store, "only at the target; kept")
            return
        self._ledger.seen.problems += extras.delete(self._ledger.store, self._renames.gone)
        if self._options.dry_run:
            self._ledger.totals.requests["DELETE"] = extras.requests(self._ledger.store.count)


def _make_mover(ends: Ends, options: TreeOptions, local: LocalTarget | None) -> Mover:
    if isinstance(ends.target, LocalPath):
        assert isinstance(ends.source, S3Location) and local is not None
        return Down(ends.source, local, ends.client, options, ends.verbs)
    if isinstance(ends.source, LocalPath):
        return Up(ends.source.path, ends.target, ends.client, options, ends.verbs)
    return Across(ends.source, ends.target, ends.client, options, ends.verbs, ends.source_client)


def _impossible(ends: Ends, source: Entry, *, dry_run: bool) -> str:
    """Why an entry cannot be moved, as far as that is known beforehand."""
    why = (
        not_local(source.key, source.size)
        if isinstance(ends.target, LocalPath)
        else not_a_key(ends.target.key + source.key)
    )
    if not why and dry_run and source.storage_class in ARCHIVED:
        why = f"archived in {source.storage_class}: restore it first"
    return why
