"""Pages of ListObjectsV2 read by pattern: a tenth of the time that a tree of elements takes, for listings of millions.

Only what looks exactly as S3 writes it is read here; for anything else `parse_listing` takes the usual parser. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_plus

from ..messages import Reply
from . import xml
from .model import ListedObject, ListedVersion, ListPage, VersionsPage, bare_etag
from .responses import decoder, iso_time, must_advance, parse_objects, prefixes

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<ListBucketResult(?:\s+xmlns=\"[^\"]*\")?\s*>")
_CONTENTS = re.compile(rb"<Contents>(.*?)</Contents>", re.DOTALL)
_FIELD = re.compile(rb"<(Key|Size|ETag|LastModified|StorageClass)>([^<]*)</\1>")
_AS_S3_WRITES = re.compile(
    r"<Contents><Key>([^<]+)</Key><LastModified>([^<]*)</LastModified><ETag>([^<]*)</ETag>"
    r"(?:<ChecksumAlgorithm>[^<]*</ChecksumAlgorithm>)*(?:<ChecksumType>[^<]*</ChecksumType>)?"
    r"<Size>([0-9]{1,20})</Size>(?:<StorageClass>([^<]*)</StorageClass>)?</Contents>",
    re.ASCII,
)
"""One object, its elements in S3's order (S3 API, "ListObjectsV2"); most other servers keep it, too."""
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:", re.ASCII)
_CLOCK = {f"{minutes:02}:{seconds:02}": minutes * 60 + seconds for minutes in range(60) for seconds in range(60)}
_FRACTION = {"Z": 0.0, **{f".{millis:03}Z": millis * 1000 / 1e6 for millis in range(1000)}}
_TRUNCATED = re.compile(rb"<IsTruncated>\s*((?i:true|false))\s*</IsTruncated>")
_TOKEN = re.compile(rb"<NextContinuationToken>([^<]+)</NextContinuationToken>")
_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_NAMED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


def parse_listing(reply: Reply) -> tuple[ListPage, bool]:
    """A page without common prefixes, and whether more follows.

    `next_token` may be None although more follows: the next page then begins after the last key of this one.
    Raises MalformedXml.
    """
    body = reply.body
    if not body[-100:].rstrip().endswith(b"</ListBucketResult>") or _ROOT.match(body) is None or b"<!" in body:
        return _usual(reply)
    flag = _TRUNCATED.search(body)
    count = body.count(b"<Contents>")
    if flag is None or b"<CommonPrefixes" in body or body.count(b"<Contents") != count:
        return _usual(reply)
    if len(body) > xml.MAX_BYTES:
        raise xml.MalformedXml(f"the server's XML answer is too large: {len(body)} bytes")
    escaped = b"<EncodingType>url</EncodingType>" in body
    try:
        objects = _quickly(body, count, escaped)
        if objects is None:
            objects = tuple(_object(block, escaped) for block in _CONTENTS.findall(body))
    except (KeyError, ValueError):
        return _usual(reply)
    if len(objects) != count:
        return _usual(reply)
    token = _TOKEN.search(body)
    more = flag[1].lower() == b"true"
    return ListPage(objects, (), _text(token[1]) if token is not None and more else None), more


def _usual(reply: Reply) -> tuple[ListPage, bool]:
    page = parse_objects(reply)
    return page, page.next_token is not None


def _quickly(body: bytes, count: int, escaped: bool) -> tuple[ListedObject, ...] | None:
    try:
        return _as_s3_writes(body, count, escaped)
    except ValueError:
        return None


def _as_s3_writes(body: bytes, count: int, escaped: bool) -> tuple[ListedObject, ...] | None:
    """All objects at one pass; None, or ValueError, unless each of them looks as S3 writes it."""
    text = body.decode("utf-8")
    if "&" in text:
        text = text.replace("&quot;", '"')  # around each ETag; '<' and '&' stay what they are
    rows = _AS_S3_WRITES.findall(text)
    if len(rows) != count:
        return None
    if "&" in text:
        rows = [(_plain(key), time, _plain(etag), size, kind) for key, time, etag, size, kind in rows]
    if escaped and ("%" in text or "+" in text):
        rows = [(unquote_plus(key), time, etag, size, kind) for key, time, etag, size, kind in rows]
    return tuple(
        [
            ListedObject(key, int(size), bare_etag(etag), _time(time), kind or None)
            for key, time, etag, size, kind in rows
        ]
    )


def _time(text: str) -> float | None:
    """As `iso_time`. Raises ValueError for what does not look as S3 writes it."""
    clock, fraction = _CLOCK.get(text[14:19]), _FRACTION.get(text[19:])
    if clock is None or fraction is None:
        raise ValueError(text)
    begun = _hour(text[:14])
    return begun + clock + fraction if begun is not None else None


@lru_cache(maxsize=4096)
def _hour(text: str) -> float | None:
    """The time of '2026-01-31T12:'; None where there is none. Raises ValueError for what does not look so."""
    if _HOUR.fullmatch(text) is None:
        raise ValueError(text)
    return iso_time(f"{text}00:00Z")


def _plain(text: str) -> str:
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _object(block: bytes, escaped: bool) -> ListedObject:
    fields = dict(reversed(_FIELD.findall(block)))  # the first of a name counts
    key = _text(fields[b"Key"])
    if escaped:
        key = unquote_plus(key)
    etag = _text(fields.get(b"ETag", b""))
    size = fields[b"Size"].strip()
    if not size.isdigit() or len(size) > 20 or not key:
        raise ValueError(size)
    kind = fields.get(b"StorageClass", b"")
    return ListedObject(
        key=key,
        size=int(size),
        etag=bare_etag(etag),
        last_modified=iso_time(fields.get(b"LastModified", b"").decode("ascii")),
        storage_class=kind.decode("ascii") or None,
    )


def _text(raw: bytes) -> str:
    return _plain(raw.decode("utf-8"))


def _character(match: re.Match[str]) -> str:
    found = match[0]
    if found in _NAMED:
        return _NAMED[found]
    digits = found[2:-1]
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    if 0xD800 <= number <= 0xDFFF:
        raise ValueError(f"{found} is no character")
    return chr(number)


def parse_versions(reply: Reply) -> VersionsPage:
    """ListObjectVersions: versions and delete markers, in the order of the answer."""
    root = xml.parse(reply.body, "ListVersionsResult")
    decode = decoder(root)
    versions = tuple(
        ListedVersion(
            key=decode(xml.text(item, "Key")),
            version_id=xml.text(item, "VersionId", "null"),
            is_latest=xml.flag(item, "IsLatest"),
            size=xml.number(item, "Size"),
            etag=bare_etag(xml.text(item, "ETag")),
            last_modified=iso_time(xml.text(item, "LastModified")),
            storage_class=xml.text(item, "StorageClass") or None,
            deleted=item.tag == "DeleteMarker",
        )
        for item in root
        if item.tag in ("Version", "DeleteMarker")
    )
    following = None
    if xml.flag(root, "IsTruncated"):
        following = (decode(xml.text(root, "NextKeyMarker")), xml.text(root, "NextVersionIdMarker"))
        before = (decode(xml.text(root, "KeyMarker")), xml.text(root, "VersionIdMarker"))
        must_advance(bool(following[0]) and following != before, "ListObjectVersions")
    return VersionsPage(versions, prefixes(root, decode), following)
