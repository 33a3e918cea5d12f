"""Events of jobs over many objects: one line an entry, totals at the end; docs/json.md has the schema. Pure."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime, timezone

from .define import define
from .entries import printable
from .events import limited_text
from .sizes import format_size


def time_text(seconds: float | None) -> str:
    """'2026-01-31 12:00:00', UTC."""
    if seconds is None:
        return "-" * 19
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


@define(frozen=True, slots=True)
class Listed:
    """One object, version or bucket of a listing."""

    key: str
    size: int | None = None
    modified: float | None = None
    """Seconds since 1970."""
    etag: str = ""
    storage_class: str | None = None
    version_id: str | None = None
    is_latest: bool | None = None
    deleted: bool = False

    def text(self) -> str:
        size = "DELETED" if self.deleted else "" if self.size is None else str(self.size)
        version = f"  {self.version_id}" if self.version_id is not None else ""
        return f"{time_text(self.modified)} {size:>14} {printable(self.key)}{version}"

    def json(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "event": "listed",
            "key": self.key,
            "size": self.size,
            "modified": self.modified,
            "etag": self.etag,
            "storage_class": self.storage_class,
            "version_id": self.version_id,
        }
        if self.is_latest is not None:
            fields |= {"is_latest": self.is_latest, "delete_marker": self.deleted}
        return fields


@define(frozen=True, slots=True)
class PrefixTotal:
    """Objects and bytes below a prefix; `objects` None: only its name is known (`ls`)."""

    prefix: str
    objects: int | None = None
    bytes: int | None = None
    total: bool = False

    def text(self) -> str:
        if self.objects is None:
            return f"{'PREFIX':>34} {printable(self.prefix)}"
        size = format_size(self.bytes or 0)
        name = "total" if self.total else printable(self.prefix)
        return f"{self.bytes:>15} {size:>10} {self.objects:>10} {name}"

    def json(self) -> dict[str, object]:
        fields: dict[str, object] = {"event": "result" if self.total else "prefix", "prefix": self.prefix}
        if self.objects is not None:
            fields |= {"objects": self.objects, "bytes": self.bytes}
        return fields


@define(frozen=True, slots=True)
class EntryDone:
    """The outcome of one entry; in a dry run the expected one."""

    key: str
    action: str
    """'upload', 'download', 'copy', 'delete', 'rename', 'same', 'skip', 'fail', …"""
    reason: str
    size: int | None = None
    dry_run: bool = False
    extra: dict[str, object] = field(default_factory=dict)

    def text(self) -> str:
        size = f", {format_size(self.size)}" if self.size is not None else ""
        would = "would " if self.dry_run and self.action not in ("same", "skip", "fail") else ""
        return f"{would}{self.action} {printable(self.key)} ({printable(self.reason)}{size})"

    def json(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "event": "entry",
            "key": self.key,
            "action": self.action,
            "reason": self.reason,
            "size": self.size,
        }
        if self.dry_run:
            fields["dry_run"] = True
        return {**fields, **self.extra}


@define(slots=True)
class Totals:
    """The last line of a job."""

    verb: str
    source: str
    target: str
    dry_run: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    """Entries by action."""
    bytes: int = 0
    """Of what moved, or would move."""
    seconds: float = 0.0
    exit_code: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    """In a dry run: how many of each kind the run would make, at least."""
    retrieved: dict[str, int] = field(default_factory=dict)
    """In a dry run: bytes that would be read, by storage class, of those that are not STANDARD."""
    cost: float | None = None
    """In a dry run with prices."""
    currency: str = ""
    notes: list[str] = field(default_factory=list)
    requests_made: dict[str, int] = field(default_factory=dict)
    """Requests of the process while the job ran, by price class."""
    limited_by: str = ""
    limited_share: float = 0.0
    refused: str = ""
    """Why nothing was deleted: it would have been too much."""

    def count(self, action: str) -> None:
        self.counts[action] = self.counts.get(action, 0) + 1

    def text(self) -> str:
        counted = ", ".join(f"{count:,} {action}" for action, count in sorted(self.counts.items())) or "nothing to do"
        rate = f" in {self.seconds:.1f} s" if not self.dry_run else ""
        would = "would: " if self.dry_run else ""
        asked = ", ".join(f"{count:,} {name}" for name, count in sorted(self.requests.items()))
        requests = f"; requests: {asked}" if asked else ""
        read = ", ".join(f"{format_size(size)} {name}" for name, size in sorted(self.retrieved.items()))
        requests += f"; retrieved: {read}" if read else ""
        requests += f"; about {self.cost:.4f} {self.currency}" if self.cost is not None else ""
        ends = printable(f"{self.source} to {self.target}" if self.target else self.source)
        limit = f"\n{limited_text(self.limited_by, self.limited_share)}" if self.limited_by else ""
        return f"{self.verb} {ends}: {would}{counted}; {format_size(self.bytes)}{rate}{requests}{limit}"

    def json(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "event": "result",
            "verb": self.verb,
            "source": self.source,
            "target": self.target,
            "entries": self.counts,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
            "dry_run": self.dry_run,
        }
        if self.requests:
            fields["requests"] = self.requests
        if self.retrieved:
            fields["retrieved"] = self.retrieved
        if self.cost is not None:
            fields |= {"cost": round(self.cost, 6), "currency": self.currency}
        if self.requests_made:
            fields["requests_made"] = self.requests_made
        if self.limited_by:
            fields |= {"limited_by": self.limited_by, "limited_share": self.limited_share}
        if self.notes:
            fields["notes"] = self.notes
        if self.refused:
            fields["refused"] = self.refused
        return fields
