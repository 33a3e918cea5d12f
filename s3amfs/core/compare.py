"""The decision of a sync about one key: a class and its reason, from two listings and earlier runs' records. Pure.

The rules are those of the contract ("Compare"): no request but LIST decides that an entry is unchanged; equal size
with another time is looked at (`LOOK`), which costs one HEAD and reading the local file, before a byte moves.
"""

from __future__ import annotations

import enum
from typing import Literal

from .define import define
from .entries import Entry, Kind
from .merge import Pair

SECOND = 10**9
SAFE_LEAD = 2 * SECOND
"""A file changed this much before its object was stored is the one that was stored: mtimes and LastModified may be
whole seconds."""

Direction = Literal["up", "down", "across"]


class Action(enum.Enum):
    """The classes that an entry ends in."""

    SAME = "same"
    MOVE = "move"
    LOOK = "look"
    """Compare the contents, then it is SAME or MOVE."""
    SKIP = "skip"
    """Left alone as the options ask."""
    EXTRA = "extra"
    """Only at the target: deleted with --delete."""
    PROBLEM = "problem"
    """Cannot be done; protects its own key or subtree."""
    MAKE_FOLDER = "folder"


@define(frozen=True, slots=True)
class Verdict:
    """The action for an entry, and its reason."""

    action: Action
    reason: str


@define(frozen=True, slots=True)
class Rules:
    """The options that decide."""

    direction: Direction
    size_only: bool = False
    checksum: bool = False
    exact_timestamps: bool = False
    update: bool = False
    existing: bool = False
    ignore_existing: bool = False
    preserve: bool = False
    empty_folders: bool = False
    """--create-empty-dirs"""
    keep_links: bool = False
    """--keep-symlinks: an object may be a link."""
    always: bool = False
    """Move without comparing."""
    clock_offset: int = 0
    """Nanoseconds that the server's clock is ahead of this machine's."""

    @property
    def keeps(self) -> str:
        """Equal entries have this in common beside their content: 'p' attributes (--preserve), 'l' being a link."""
        if self.direction == "across":
            return ""
        return ("p" if self.preserve else "") + ("l" if self.keep_links else "")


KEPT_LESS = "the last run kept less of it"


@define(frozen=True, slots=True)
class Remembered:
    """Fingerprints of two entries when they were last known to be equal. keeps: as `Rules.keeps` of that run."""

    source: str
    target: str
    keeps: str = ""


def judge(pair: Pair, rules: Rules, remembered: Remembered | None = None) -> Verdict:
    """The class of a key, with its reason."""
    source, target = pair.source, pair.target
    if source is not None and source.problem:
        return Verdict(Action.PROBLEM, source.problem)
    if target is not None and target.kind is Kind.GAP:
        return Verdict(Action.PROBLEM, f"at the target: {target.problem}")
    if source is None:
        return _only_at_target(pair, rules)
    if pair.target_unknown:
        return Verdict(Action.PROBLEM, f"not known whether it is at the target: {pair.target_unknown}")
    if source.kind is Kind.FOLDER or (target is not None and target.kind is Kind.FOLDER):
        return _folders(source, target, rules)
    if target is None:
        return Verdict(Action.SKIP, "not at the target") if rules.existing else Verdict(Action.MOVE, "new")
    if target.problem:
        return Verdict(Action.PROBLEM, f"at the target: {target.problem}")
    if rules.ignore_existing:
        return Verdict(Action.SKIP, "exists at the target")
    if target.kind is Kind.LINK and source.kind is Kind.FILE and not rules.keep_links:
        return Verdict(Action.MOVE, "a link at the target")
    return _both(source, target, rules, remembered)


def _only_at_target(pair: Pair, rules: Rules) -> Verdict:
    assert pair.target is not None
    if pair.source_unknown:
        return Verdict(Action.PROBLEM, f"not known whether it is at the source: {pair.source_unknown}")
    if pair.target.kind is Kind.FOLDER:
        if not rules.empty_folders and rules.direction != "across":
            return Verdict(Action.SKIP, "a folder")
        if rules.direction == "down" and not pair.target.empty:
            return Verdict(Action.SKIP, "a folder that is not empty")
    return Verdict(Action.EXTRA, "only at the target")


def _folders(source: Entry, target: Entry | None, rules: Rules) -> Verdict:
    if target is not None and source.kind is target.kind:
        return Verdict(Action.SAME, "a folder")
    if target is not None:
        return Verdict(Action.PROBLEM, "a folder on one side and none on the other")
    if not rules.empty_folders and rules.direction != "across":
        return Verdict(Action.SKIP, "a folder")
    if rules.direction == "up" and not source.empty:
        return Verdict(Action.SKIP, "a folder that is not empty")
    return Verdict(Action.SKIP, "not at the target") if rules.existing else Verdict(Action.MAKE_FOLDER, "new")


def _both(source: Entry, target: Entry, rules: Rules, remembered: Remembered | None) -> Verdict:
    if rules.always:
        return Verdict(Action.MOVE, "asked for")
    newer = _target_is_newer(source, target, rules)
    if source.size != target.size:
        if rules.update and newer:
            return Verdict(Action.SKIP, "the target is newer")
        return Verdict(Action.MOVE, f"size differs ({target.size:,} at the target, {source.size:,} at the source)")
    if rules.size_only:
        return Verdict(Action.SAME, "equal size")
    if rules.checksum:
        return Verdict(Action.LOOK, "--checksum")
    changed = "time differs" if remembered is None else "changed since the last run"
    if remembered is not None:
        if (remembered.source, remembered.target) == (source.fingerprint, target.fingerprint):
            if set(rules.keeps) <= set(remembered.keeps):
                return Verdict(Action.SAME, "as the last run left it")
            changed = KEPT_LESS
    elif _equal_times(source, target, rules):
        if rules.preserve and rules.direction == "down":  # then its time should be the kept one
            return Verdict(Action.LOOK, "--preserve")
        return Verdict(Action.SAME, "equal ETag" if rules.direction == "across" else "equal size and time")
    if rules.update and newer:
        return Verdict(Action.SKIP, "the target is newer")
    if rules.exact_timestamps and changed != KEPT_LESS:
        return Verdict(Action.MOVE, "time differs")
    return Verdict(Action.LOOK, changed)


def _equal_times(source: Entry, target: Entry, rules: Rules) -> bool:
    if rules.direction == "down":
        # Downloads set whole seconds (RFC 9110, Last-Modified) where some servers list fractions. A fraction that the
        # object does not have is of a file that was written in the same second.
        return target.modified in (source.modified, source.modified // SECOND * SECOND)
    if rules.direction == "up":
        changed = max(source.modified, source.changed) + rules.clock_offset
        return changed + SAFE_LEAD <= target.modified
    return bool(source.etag) and source.etag == target.etag


def _target_is_newer(source: Entry, target: Entry, rules: Rules) -> bool:
    offset = rules.clock_offset
    if rules.direction == "up":
        return target.modified > source.modified + offset
    if rules.direction == "down":
        return target.modified + offset > source.modified and target.modified // SECOND > source.modified // SECOND
    return target.modified > source.modified
