"""Keys that fall together on the file system of a local target: found before either is written."""

from __future__ import annotations

import contextlib
import os
import secrets

from ..core.entries import Kind
from ..core.trees.folding import Collisions, Folding
from .local_target import LocalTarget
from .sides import Sides
from .spill import sorted_by

COMPOSED, DECOMPOSED = "\u00e9", "e\u0301"
"""One character, in the two forms that Unicode has for it."""


def probe(folder: str) -> Folding:
    """Which names the file system of `folder` takes for one: a file is made there, looked up by other names, removed.

    Raises OSError.
    """
    name = f"s3am-probe-{secrets.token_hex(8)}-"
    path = os.path.join(folder, name)
    made: list[str] = []
    try:
        for end in ("a", COMPOSED):
            with contextlib.suppress(UnicodeError):  # a locale that cannot name it
                os.close(os.open(path + end, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                made.append(path + end)
        return Folding(case=_exists(path + "A"), normal=_exists(path + DECOMPOSED))
    finally:
        for each in made:
            os.unlink(each)


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except UnicodeError:
        return False


class FoldedNames:
    """The collisions of a job, found when the first entry is about to be written. target: None: it is in S3."""

    def __init__(self, target: LocalTarget | None, *, dry_run: bool) -> None:
        self._target = target
        self._dry_run = dry_run
        self._found: Collisions | None = None

    def reason(self, key: str, sides: Sides | None) -> str:
        """Why the target has no room for `key`; '' if it has."""
        if self._target is None or sides is None:
            return ""
        if self._found is None:
            self._found = collisions(self._target, sides, dry_run=self._dry_run)
        return self._found.reason(key)


def collisions(target: LocalTarget, sides: Sides, *, dry_run: bool) -> Collisions:
    """The source's keys that fall together at the target. The source is listed once more where the target folds names.

    A dry run writes nothing into the target, so that it looks only where the folder for partial files exists.
    """
    none = Collisions(Folding(), ())
    try:
        folder = target.partials_folder(create=not dry_run)
        folding = probe(folder) if folder is not None else Folding()
    except OSError:  # nothing can be written there: each entry that would be is named with that
        return none
    if not folding:
        return none
    keys = (entry.key for entry in sides.whole_source() if entry.kind not in (Kind.GAP, Kind.END, Kind.FOLDER))
    return Collisions(folding, sorted_by(keys, folding.order))
