"""How far a job over a tree is, and when it may end: by bytes and by objects, whichever takes longer. Pure."""

from __future__ import annotations

from ..define import define
from ..sizes import format_size

SHORTEST = 0.001
"""Seconds after which there is a rate."""


@define(frozen=True, slots=True)
class TreeProgress:
    """Entries to move, found so far and finished, and their bytes. eta: seconds; None: not known."""

    done_objects: int
    objects: int
    done_bytes: int
    bytes: int
    whole: bool
    """All entries have been found."""
    seconds: float
    eta: float | None

    def text(self) -> str:
        more = "" if self.whole else " found so far"
        left = f", about {_duration(self.eta)} left" if self.eta is not None else ""
        rate = format_size(int(self.done_bytes / self.seconds)) if self.seconds >= SHORTEST else "?"
        return (
            f"{self.done_objects:,} of {self.objects:,} objects, {format_size(self.done_bytes)} of "
            f"{format_size(self.bytes)}{more}, {rate}/s{left}"
        )

    def json(self) -> dict[str, object]:
        return {
            "event": "tree_progress",
            "done_objects": self.done_objects,
            "objects": self.objects,
            "done_bytes": self.done_bytes,
            "bytes": self.bytes,
            "whole": self.whole,
            "seconds": round(self.seconds, 3),
            "eta": None if self.eta is None else round(self.eta, 1),
        }


class Progress:
    """Counts entries. begun: seconds of any clock; `at` has the same."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._objects = self._bytes = self._done_objects = self._done_bytes = 0
        self._whole = False

    def begin(self, size: int) -> None:
        """An entry is to be moved, or compared. size: bytes."""
        self._objects += 1
        self._bytes += size

    def finish(self, size: int) -> None:
        """An entry is moved, or failed."""
        self._done_objects += 1
        self._done_bytes += size

    def all_found(self) -> None:
        self._whole = True

    def at(self, now: float) -> TreeProgress:
        seconds = max(0.0, now - self._begun)
        eta = None
        if self._whole and self._done_objects and seconds > 0:
            left = [(self._objects - self._done_objects) / self._done_objects]
            if self._done_bytes:
                left.append((self._bytes - self._done_bytes) / self._done_bytes)
            eta = max(left) * seconds
        return TreeProgress(self._done_objects, self._objects, self._done_bytes, self._bytes, self._whole, seconds, eta)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )
