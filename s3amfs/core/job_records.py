"""The journal of a job over a tree as bytes: one line a record with its own CRC32, only ever appended to. Pure.

Kinds: the header; what is known to be equal on both sides (`Known`); what is only at the target (`Extra`, deleted at
the end); how far the listing is done (`Position`); the end. A line that is cut or damaged ends what is read.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from .define import define
from .entries import Entry, Kind

VERSION = 1
_parse = json.JSONDecoder().raw_decode
"""(text) -> (value, end), in half of the time of `json.loads`. Raises ValueError."""


@define(frozen=True, slots=True)
class JobHeader:
    """The first record of a job."""

    source: str
    target: str
    options: str
    """Digest of what decides which entries take part, and how they are compared."""
    started: float
    """Seconds since 1970."""
    verb: str = "sync"
    version: int = VERSION


@define(frozen=True, slots=True)
class Known:
    """Both sides of a key were equal, with these fingerprints. keeps: as `Rules.keeps`."""

    key: str
    source: str
    target: str
    keeps: str = ""


@define(frozen=True, slots=True)
class Extra:
    """An entry that is only at the target."""

    entry: Entry


@define(frozen=True, slots=True)
class Position:
    """Everything up to `key`, in the order of keys, is done."""

    key: str
    at_source: int
    """Entries seen so far on either side."""
    at_target: int
    problems: int
    """Entries that could not be done, and are named."""
    existing: int = 0
    """Entries that were left alone since something stood at the target, which the exit code says."""


@define(frozen=True, slots=True)
class End:
    """The last record of a job that has ended."""

    exit_code: int


Record = JobHeader | Known | Extra | Position | End


def job_name(source: str, target: str) -> str:
    """Name, without its ending, of the files of the job from `source` to `target`."""
    return hashlib.sha256(f"{source}\n{target}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def encode(record: Record) -> bytes:
    """The line of one record."""
    text = json.dumps(_fields(record), separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Record | None:
    """The record of a line with its line break; None if it is damaged, cut or of another version."""
    if len(line) < 11 or line[8:9] != b" " or not line.endswith(b"\n"):
        return None
    text = line[9:-1]
    if line[:8] != b"%08x" % zlib.crc32(text):
        return None
    try:
        fields, end = _parse(text.decode("ascii"))
        return _record(fields) if end == len(text) else None
    except (ValueError, TypeError, KeyError):
        return None


def read(lines: Iterable[bytes]) -> Iterator[tuple[Record, int]]:
    """Records up to the first damaged line, each with the offset of its end in bytes."""
    at = 0
    for line in lines:
        record = decode(line)
        if record is None:
            return
        at += len(line)
        yield record, at


def _fields(record: Record) -> list[Any]:
    if isinstance(record, Known):
        return ["k", record.key, record.source, record.target, *([record.keeps] if record.keeps else [])]
    if isinstance(record, Extra):
        entry = record.entry
        return [
            "x",
            entry.key,
            entry.size,
            entry.modified,
            entry.kind.value,
            entry.etag,
            entry.storage_class,
            entry.changed,
            entry.inode,
        ]
    if isinstance(record, Position):
        return ["p", record.key, record.at_source, record.at_target, record.problems, record.existing]
    if isinstance(record, End):
        return ["e", record.exit_code]
    return ["j", record.source, record.target, record.options, record.started, record.verb, record.version]


def _record(fields: list[Any]) -> Record | None:
    kind, *values = fields
    if kind == "k":
        return Known(*values)
    if kind == "x":
        key, size, modified, what, etag, storage_class, changed, inode = values
        return Extra(Entry(key, size, modified, Kind(what), etag, storage_class, changed, inode))
    if kind == "p":
        return Position(*values)
    if kind == "e":
        return End(*values)
    if kind == "j" and values[-1] == VERSION:
        return JobHeader(*values)
    return None


Counts = tuple[int, int]
"""Entries at the source and at the target."""


class Watermark:
    """How far a listing is done whose entries are finished in any order."""

    def __init__(self) -> None:
        self.position = ""
        """Everything up to this key is finished."""
        self.counts: Counts = (0, 0)
        """The counts up to that key."""
        self._open: dict[int, tuple[str, Counts, bool]] = {}
        self._next = self._first = 0

    def begin(self, key: str, counts: Counts) -> int:
        """An entry is begun; entries begin in the order of keys. Returns its number."""
        number, self._next = self._next, self._next + 1
        self._open[number] = (key, counts, False)
        return number

    def finish(self, number: int) -> None:
        """The entry is done, or named as one that cannot be; without this call the position stays before it."""
        key, counts, _ = self._open[number]
        self._open[number] = (key, counts, True)
        while (first := self._open.get(self._first)) is not None and first[2]:
            self.position, self.counts, _ = first
            del self._open[self._first]
            self._first += 1
