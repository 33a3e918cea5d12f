"""Record of a changed file that waits in a spool, so that it outlives the process that changed it. Pure.

Lines of JSON: a header that says whose changes these are, then what happened, in order: a range was written, the size
was changed, the base got another ETag. A line that a crash cut off, and what follows it, does not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field

from .define import define
from .patch import Ranges

VERSION = 1


class RecordOfAnotherVersion(ValueError):
    """Another version of this program wrote it. data: path of the spool, as far as this one can read it, or ''."""

    def __init__(self, data: str) -> None:
        super().__init__("another version of s3amfs wrote this record of unpublished changes")
        self.data = data


@define(frozen=True, slots=True)
class Header:
    """Whose changes these are."""

    url: str
    """s3://BUCKET/KEY of the object that is changed."""
    endpoint: str
    data: str
    """Path of the spool: the written bytes, each at its place."""
    base_etag: str
    """Of the object that is changed; '' for a new one."""
    size: int
    """Bytes of the file when this was begun."""
    base_valid: int
    """Bytes of the base's beginning that counted then."""
    metadata: Mapping[str, str]
    """Options that the object is to be stored with."""
    began: float
    """Seconds since 1970."""


@define(slots=True)
class Unpublished:
    """A header and all that came after it."""

    header: Header
    dirty: Ranges = field(default_factory=Ranges)
    size: int = 0
    base_valid: int = 0
    base_etag: str = ""


def encode_header(header: Header) -> bytes:
    """Returns the first line of a record."""
    return _line({"s3am": "unpublished", "version": VERSION, **asdict(header), "metadata": dict(header.metadata)})


def encode_written(start: int, end: int) -> bytes:
    """Returns the line for a write of [start, end)."""
    return b'{"w":[%d,%d]}\n' % (start, end)


def encode_resized(size: int, base_valid: int) -> bytes:
    return b'{"s":[%d,%d]}\n' % (size, base_valid)


def encode_base(etag: str) -> bytes:
    return _line({"b": etag})


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def parse(data: bytes) -> Unpublished:
    """Raises RecordOfAnotherVersion, and ValueError for what is no such record."""
    lines = data.split(b"\n")[:-1]
    head = json.loads(lines[0]) if lines else {}
    if not isinstance(head, dict) or head.pop("s3am", None) != "unpublished":
        raise ValueError("this is not a record of unpublished changes")
    if head.pop("version", None) != VERSION:
        raise RecordOfAnotherVersion(str(head.get("data", "")))
    try:
        header = Header(**head)
    except TypeError as error:
        raise ValueError(str(error)) from None
    found = Unpublished(header, size=header.size, base_valid=header.base_valid, base_etag=header.base_etag)
    for line in lines[1:]:
        try:
            _apply(found, json.loads(line))
        except (ValueError, TypeError, LookupError):
            break
    return found


def _apply(found: Unpublished, event: dict[str, list[int] | str]) -> None:
    if not isinstance(event, dict) or not event:
        raise ValueError(event)
    kind, value = next(iter(event.items()))
    if kind == "b":
        found.base_etag = str(value)
        return
    first, second = int(value[0]), int(value[1])
    if kind == "w":
        found.dirty.add(first, second)
        found.size = max(found.size, second)
    elif kind == "s":
        found.size, found.base_valid = first, second
        found.dirty.cut(first)
    else:
        raise ValueError(kind)
