"""The manifest of a transfer as bytes: one line a record, each with its own CRC32, only ever appended to.

Line: CRC32 of the JSON in 8 hex digits, a space, the JSON, a line break. A last line that is cut or damaged is a torn
tail and is dropped; damage before good lines makes the whole unusable. Files and locks are engine/journal.py's. Pure.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, field
from typing import Any

from .define import define

VERSION = 1
SETTLED_SECONDS = 2.0
"""Age from which on a time of whole seconds is that of the last change: a second, and one for clocks that differ."""


class ManifestDamaged(ValueError):
    """Bytes that are no manifest, or no longer one."""


class ManifestTooNew(ValueError):
    """Written by a later version of this program."""


@define(frozen=True, slots=True)
class SourceIdentity:
    """The marks by which a source is recognized as unchanged."""

    url: str
    """For display and comparison; without passwords."""
    size: int | None = None
    etag: str | None = None
    mtime_ns: int | None = None
    inode: int | None = None
    last_modified: float | None = None
    """Seconds since the epoch."""
    url_digest: str | None = None
    """Digest of the whole URL with its query, which may be a signature and so is not kept; None: it has no query."""
    ctime_ns: int | None = None


@define(frozen=True, slots=True)
class Header:
    """Identity and choices of the transfer: the first record."""

    verb: str
    source: SourceIdentity
    target: str
    endpoint: str
    size: int | None
    part_size: int
    checksum: str | None
    """Algorithm of the CRCs in the part records."""
    key_salt: str = ""
    key_fingerprint: str = ""
    """Salted digest of the customer keys; never a key."""
    options: str = ""
    """Digest of the options of the new object."""
    version: int = VERSION


@define(frozen=True, slots=True)
class UploadRecord:
    """The multipart upload was begun."""

    upload_id: str
    checksum_algorithm: str | None
    checksum_type: str | None


@define(frozen=True, slots=True)
class PartRecord:
    """A part is done."""

    number: int
    length: int
    etag: str
    crc: int | None
    checksum: str
    compared: str = ""
    """How it was compared with what the server has (core/claims.py)."""


Record = Header | UploadRecord | PartRecord


@define(slots=True)
class Manifest:
    """Content of a manifest."""

    header: Header
    upload: UploadRecord | None = None
    """The last one recorded."""
    parts: dict[int, PartRecord] = field(default_factory=dict)
    valid_bytes: int = 0
    """Length of the good beginning."""


def manifest_name(endpoint: str, bucket: str, key: str) -> str:
    """File name of the manifest of uploads to a key."""
    return (
        hashlib.sha256(f"{endpoint}\n{bucket}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32] + ".manifest"
    )


def difference(before: SourceIdentity, now: SourceIdentity) -> str | None:
    """None if both are the same state of the same source, else what differs, in a few words."""
    if before.url != now.url:
        return f"it was {before.url}"
    if before.size != now.size:
        return f"its size was {before.size} and is {now.size}"
    for name, was, is_now in (
        ("ETag", before.etag, now.etag),
        ("modification time", before.mtime_ns, now.mtime_ns),
        ("modification time", before.last_modified, now.last_modified),
        ("inode", before.inode, now.inode),
    ):
        if was is not None and is_now is not None and was != is_now:
            return f"its {name} differs"
    return None


def proves_same(before: SourceIdentity, now: SourceIdentity) -> bool:
    """Whether two identities without a `difference` prove the content to be the same.

    False means that nothing does: no validator is known of both (no ETag, no time), only the query of the URL differs
    and the times agree (`?id=1`, `?id=2`), or the status of a file has changed and its times were set back (`cp -p`).
    The content has to be compared then. RFC 9110 section 8.8.1: a weak ETag is no more than a time.
    """
    if difference(before, now) is not None:
        return False
    strong = before.etag is not None and before.etag == now.etag and not before.etag.startswith("W/")
    if strong:
        return True
    if before.url_digest != now.url_digest:
        return False
    if before.mtime_ns is not None and before.mtime_ns == now.mtime_ns:
        return before.ctime_ns is None or now.ctime_ns is None or before.ctime_ns == now.ctime_ns
    weak = before.etag is not None and before.etag == now.etag
    return weak or (before.last_modified is not None and before.last_modified == now.last_modified)


def unsettled_seconds(source: SourceIdentity, now: float) -> float:
    """Returns the seconds until any change of a URL's content shows in its identity; 0.0: it does already.

    Times of HTTP, FTP and SFTP are whole seconds: a file that changes twice within one has the same time before and
    after the second change (RFC 9110 section 8.8.2.2). now: seconds since the epoch, by this machine's clock.
    """
    if source.last_modified is None or not 0 <= now - source.last_modified < SETTLED_SECONDS:
        return 0.0
    strong = source.etag is not None and not source.etag.startswith("W/")
    if strong and f"{int(source.last_modified):x}" not in str(source.etag).lower():  # nginx makes them of the time
        return 0.0
    return source.last_modified + SETTLED_SECONDS - now


def encode(record: Record) -> bytes:
    """The line of one record."""
    kind = {Header: "header", UploadRecord: "upload", PartRecord: "part"}[type(record)]
    text = json.dumps({"record": kind, **asdict(record)}, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def parse(data: bytes) -> Manifest:
    """The manifest that `data` holds. Raises ManifestDamaged, ManifestTooNew."""
    found: Manifest | None = None
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        record = _decode(data[at:end]) if end >= 0 else None
        if record is None:
            if end >= 0 and _decodable_line_follows(data, end + 1):
                raise ManifestDamaged(f"it is damaged at byte {at}")
            break
        at = end + 1
        found = _take(found, record)
        found.valid_bytes = at
    if found is None:
        raise ManifestDamaged("it is empty or cut off")
    return found


def records_of(data: bytes) -> list[PartRecord]:
    """Returns the part records of `data`, a file without a header, except damaged ones: each costs its part only."""
    found = (_decode(line) for line in data.split(b"\n"))
    return [record for record in found if isinstance(record, PartRecord)]


def _take(found: Manifest | None, record: Record) -> Manifest:
    if found is None:
        if not isinstance(record, Header):
            raise ManifestDamaged("it does not begin with its header")
        return Manifest(record)
    if isinstance(record, UploadRecord):
        found.upload = record
        found.parts.clear()
    elif isinstance(record, PartRecord):
        found.parts[record.number] = record
    else:
        raise ManifestDamaged("it has two headers")
    return found


def _decodable_line_follows(data: bytes, at: int) -> bool:
    return any(_decode(line) is not None for line in data[at:].split(b"\n"))


def _decode(line: bytes) -> Record | None:
    """The record of a line; None if the line is damaged. Raises ManifestTooNew."""
    try:
        if len(line) < 10 or line[8:9] != b" " or line[:8] != b"%08x" % zlib.crc32(line[9:]):
            return None
        fields = json.loads(line[9:])
    except ValueError:
        return None
    return _record(fields) if isinstance(fields, dict) else None


def _record(fields: dict[str, Any]) -> Record | None:
    kind = fields.pop("record", None)
    if kind == "header" and fields.get("version") != VERSION:
        raise ManifestTooNew("it was written by another version of s3amfs")
    try:
        if kind == "header":
            return Header(**{**fields, "source": SourceIdentity(**fields["source"])})
        if kind == "upload":
            return UploadRecord(**fields)
        return PartRecord(**fields) if kind == "part" else None
    except (TypeError, KeyError):
        return None
