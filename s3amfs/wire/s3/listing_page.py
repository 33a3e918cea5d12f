"""Pages of ListObjectsV2 read by pattern: a tenth of the time that a tree of elements takes, for listings of millions.

The objects are read here if each of them looks exactly as S3 and its kin write it; all that stands around them goes
through the usual parser, and so does a page with anything else in it. The result is the same, and a page that the
usual parser refuses is refused. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from ..messages import Reply
from . import xml
from .model import ListedObject, ListedVersion, ListPage, VersionsPage, bare_etag, listed_object
from .responses import decoder, iso_time, listed_objects, must_advance, prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from xml.etree.ElementTree import Element

_TEXT = r"[ -%'-;=-\\^-~]*"
_OWNER = rf"<Owner>(?:<ID>{_TEXT}</ID>)?(?:<DisplayName>{_TEXT}</DisplayName>)?</Owner>"
_KEY = r"<Key>([^<]+)</Key>"
_MODIFIED = r"<LastModified>([^<]*)</LastModified>"
_QUOTE = '(?:"|&quot;|&#34;)?'
_ETAG = rf"<ETag>(?!W/){_QUOTE}([!#-%'-;=-\\^-~]*){_QUOTE}</ETag>"
_ALGORITHM = f"<ChecksumAlgorithm>{_TEXT}</ChecksumAlgorithm>"
_TYPE_OF_CHECKSUM = f"<ChecksumType>{_TEXT}</ChecksumType>"
_SIZE = r"<Size>([0-9]{1,20})</Size>"
_STORAGE = r"<StorageClass>([^<]*)</StorageClass>"
_OBJECT = (
    rf"<Contents>{_KEY}"
    r"(?:<(?:Generation>[0-9]*</Generation|MetaGeneration>[0-9]*</MetaGeneration)>){0,2}"
    rf"{_MODIFIED}{_ETAG}(?:{_ALGORITHM}){{0,4}}(?:{_TYPE_OF_CHECKSUM})?"
    rf"{_SIZE}(?:{_OWNER})?(?:{_STORAGE})?(?:{_OWNER})?"
    rf"(?:<Type>{_TEXT}</Type>)?</Contents>"
)
"""One object, its elements in S3's order (S3 API, "ListObjectsV2"), or with those that MinIO, Ceph and Google add."""
_MOST_ELEMENTS = 32
"""Of an object that looks so there are fewer."""
_CLASS = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_ELEMENTS = {
    "Contents": "<Contents>",
    "Key": _KEY,
    "LastModified": _MODIFIED,
    "ETag": _ETAG,
    "ChecksumAlgorithm": _ALGORITHM,
    "ChecksumType": _TYPE_OF_CHECKSUM,
    "Size": _SIZE,
    "StorageClass": _STORAGE,
}
"""An object with others than these takes twice the time."""
_COLUMNS = ("Key", "LastModified", "ETag", "Size", "StorageClass")
"""In the order of the groups of `_OBJECT`."""
_STRIDE = len(_COLUMNS) + 1
_BEGUN = re.compile(r"<([A-Za-z]+)>")
_FIRST, _LAST = b"<Contents>", b"</Contents>"
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
"""Characters that XML cannot have in a text, and the carriage return, which its parser would replace."""
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d:", re.ASCII)
_REFERENCE = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")
_NAMED = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}


class Columns(NamedTuple):
    """Listed objects by columns, all of one length: lists take a third of the time of an object for each row."""

    keys: list[str]
    sizes: list[int]
    etags: list[str]
    modified: list[float | None]
    classes: list[str | None]

    @classmethod
    def of(cls, objects: Iterable[ListedObject]) -> Columns:
        """Those of `objects`."""
        rows = tuple(objects)
        return cls(
            [row.key for row in rows],
            [row.size for row in rows],
            [row.etag for row in rows],
            [row.last_modified for row in rows],
            [row.storage_class for row in rows],
        )

    def rows(self) -> Iterator[ListedObject]:
        """The objects one by one, made as they are taken: that is cheaper than all of them at a time."""
        return map(listed_object, zip(*self, strict=True))

    def objects(self) -> tuple[ListedObject, ...]:
        """The objects."""
        return tuple(self.rows())

    def first(self, count: int) -> Columns:
        """Those of the first `count` objects."""
        if count >= len(self.keys):
            return self
        return Columns(
            self.keys[:count], self.sizes[:count], self.etags[:count], self.modified[:count], self.classes[:count]
        )


class ListingPage(NamedTuple):
    """A page of a flat listing."""

    columns: Columns
    token: str | None
    """Where the next page begins; None although more follows: behind the last key of this one."""
    more: bool


def parse_listing(reply: Reply) -> ListingPage:
    """The page of ListObjectsV2, without common prefixes. Raises MalformedXml."""
    root, columns = _by_pattern(reply.body) or _by_elements(reply.body)
    more = xml.flag(root, "IsTruncated")
    token = xml.text(root, "NextContinuationToken") or None
    return ListingPage(columns, token if more else None, more)


def parse_page(reply: Reply) -> ListPage:
    """The page of ListObjectsV2. Raises MalformedXml."""
    root, columns = _by_pattern(reply.body) or _by_elements(reply.body)
    following = None
    if xml.flag(root, "IsTruncated"):
        following = xml.text(root, "NextContinuationToken")
        must_advance(bool(following) and following != xml.text(root, "ContinuationToken"), "ListObjectsV2")
    return ListPage(columns.objects(), prefixes(root, decoder(root)), following)


def _by_elements(body: bytes) -> tuple[Element, Columns]:
    root = xml.parse(body, "ListBucketResult")
    return root, Columns.of(listed_objects(root))


def _by_pattern(body: bytes) -> tuple[Element, Columns] | None:
    """The page without its objects, and these; None where not all is as it usually is. Raises MalformedXml."""
    begin, end = body.find(_FIRST), body.rfind(_LAST) + len(_LAST)
    if begin < 0 or end <= begin or len(body) > xml.MAX_BYTES:
        return None
    root = xml.parse(b"%b<Contents/>%b" % (body[:begin], body[end:]), "ListBucketResult")
    if len(list(xml.children(root, "Contents"))) != 1:  # they are somewhere below, or in a comment
        return None
    try:
        objects = _objects(body[begin:end].decode("utf-8"), decoder(root) is unquote_plus)
    except ValueError:
        return None
    return (root, objects) if objects is not None else None


def _objects(block: str, escaped: bool) -> Columns | None:
    """The objects of `block`; None, or ValueError, unless each of them looks as S3 writes it and nothing else is there.

    escaped: keys are percent-encoded.
    """
    columns = _split(block)
    if columns is None:
        return None
    keys, times, etags, sizes, classes = columns
    named = " ".join(keys)
    if len(keys) * _MOST_ELEMENTS > xml.MAX_ELEMENTS:
        return None
    if "]]>" in named or (not named.isprintable() and _ODD.search(named)):
        return None
    kinds = [kind or None for kind in classes]
    if not all(kind is None or _CLASS.fullmatch(kind) for kind in set(kinds)):
        return None
    if "&" in named:
        keys = [_plain(key) for key in keys]
    if escaped and ("%" in named or "+" in named or "&" in named):
        keys = [unquote_plus(key) if "%" in key or "+" in key else key for key in keys]
    return Columns(keys, list(map(int, sizes)), etags, _times(times), kinds)


def _split(block: str) -> list[list[str]] | None:
    """The texts of `_COLUMNS` of all objects in `block`; None if anything else stands there.

    In most pages all objects have the elements of the first one, in its order: a pattern for just these is quicker.
    """
    first = tuple(_BEGUN.findall(block[: block.find("</Contents>")]))
    for pattern, groups in filter(None, (_with_just(first), (_any_object(), _COLUMNS))):
        pieces = pattern.split(block)
        if not "".join(pieces[::_STRIDE]).strip(" \t\n"):
            return [pieces[1 + groups.index(name) :: _STRIDE] for name in _COLUMNS]
    return None


@lru_cache(maxsize=1)
def _any_object() -> re.Pattern[str]:
    return re.compile(_OBJECT, re.ASCII)


@lru_cache(maxsize=16)
def _with_just(elements: tuple[str, ...]) -> tuple[re.Pattern[str], tuple[str, ...]] | None:
    """A pattern of objects with these elements, each once, in this order, and the names of its groups; None: of none.

    It has a group for each of `_COLUMNS`.
    """
    if not {"Contents", *_COLUMNS[:4]} <= set(elements) <= _ELEMENTS.keys() or len(set(elements)) < len(elements):
        return None
    groups = tuple(name for name in elements if name in _COLUMNS)
    missing = tuple(name for name in _COLUMNS if name not in groups)
    text = "".join(_ELEMENTS[name] for name in elements) + "()" * len(missing)
    return re.compile(text + "</Contents>", re.ASCII), groups + missing


def _times(texts: list[str]) -> list[float | None]:
    """Each as `iso_time`. Raises ValueError for what does not look as S3 writes it."""
    hours, clocks = _hours, _clocks
    return [hours[text[:14]] + clocks[text[14:]] for text in texts]


class _Cache(dict[str, float]):
    """At most 4,096 results of a function. Any thread."""

    def __init__(self, made: Callable[[str], float]) -> None:
        super().__init__()
        self._made = made

    def __missing__(self, text: str) -> float:
        if len(self) >= 4096:
            self.clear()
        found = self[text] = self._made(text)
        return found


def _hour(text: str) -> float:
    """The time of '2026-01-31T12:'. Raises ValueError for what does not look so, or is no time."""
    begun = iso_time(f"{text}00:00Z") if _HOUR.fullmatch(text) is not None else None
    if begun is None:
        raise ValueError(text)
    return begun


def _clock(text: str) -> float:
    """The seconds of '59:59.999Z'. Raises ValueError for what does not look so."""
    clock, fraction = _seconds()
    try:
        return clock[text[:5]] + fraction[text[5:]]
    except KeyError:
        raise ValueError(text) from None


@lru_cache(maxsize=1)
def _seconds() -> tuple[dict[str, int], dict[str, float]]:
    """Those of each '59:59', and of each '.999Z'. Made at the first page: most programs never list."""
    clock = {f"{minutes:02}:{seconds:02}": minutes * 60 + seconds for minutes in range(60) for seconds in range(60)}
    return clock, {"Z": 0.0, **{f".{millis:03}Z": millis * 1000 / 1e6 for millis in range(1000)}}


_hours, _clocks = _Cache(_hour), _Cache(_clock)


def _plain(text: str) -> str:
    """`text` with its references replaced. Raises ValueError for what is none, or none of a character of XML."""
    if "&" not in text:
        return text
    plain, count = _REFERENCE.subn(_character, text)
    if count != text.count("&"):
        raise ValueError(text)
    return plain


def _character(match: re.Match[str]) -> str:
    found = match[0]
    if found in _NAMED:
        return _NAMED[found]
    number = int(found[3:-1], 16) if found[2] == "x" else int(found[2:-1])
    if (number < 32 and number not in (9, 10, 13)) or 0xD800 <= number <= 0xDFFF or number in (0xFFFE, 0xFFFF):
        raise ValueError(f"{found} is not a character")
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
