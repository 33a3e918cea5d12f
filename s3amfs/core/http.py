"""Header fields of HTTP that say what the bytes of a reply are: Content-Range, digests. Pure, fit for hostile input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .checksums import DIGEST_SIZES, decode_base64
from .define import define

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d{1,20})-(\d{1,20})|\*)/(\d{1,20}|\*)\s*\Z", re.IGNORECASE | re.ASCII)
_DIGEST = re.compile(r"\s*([a-z0-9-]{1,20})\s*=\s*:?([A-Za-z0-9+/]{1,100}={0,2}):?\s*\Z", re.IGNORECASE | re.ASCII)
_MEDIA_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,80})", re.ASCII)
_ENDINGS = {
    "gzip": (".gz", ".tgz", ".gzip", ".svgz"),
    "bzip2": (".bz2", ".tbz", ".tbz2"),
    "compress": (".z", ".taz"),
    "xz": (".xz", ".txz"),
    "zstd": (".zst", ".tzst"),
    "br": (".br",),
}
_NAMES = {"sha": "sha1", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}


WITH_CONTENT = frozenset({200, 203, 206})
"""Statuses of success whose body is the resource, or a range of it (RFC 9110 section 15.3).

A firewall's challenge is 202, and so is "being prepared"; 204 has no body.
"""


@define(frozen=True, slots=True)
class ContentRange:
    """The header Content-Range (RFC 9110, section 14.4)."""

    start: int
    length: int
    total: int | None


def parse_content_range(text: str) -> ContentRange | None:
    """`bytes 0-9/100` (RFC 9110 section 14.4); `bytes */100` has length 0; None if it is neither."""
    match = _CONTENT_RANGE.match(text.strip())
    if match is None:
        return None
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return None if total is None else ContentRange(0, 0, total)
    first, last = int(match[1]), int(match[2])
    if last < first or (total is not None and last >= total):
        return None
    return ContentRange(first, last - first + 1, total)


def compressed_in_transit(headers: Mapping[str, str], name: str) -> bool:
    """Whether a reply's bytes are the file `name` compressed in transit (Content-Encoding, RFC 9110 section 8.4).

    Many servers say Content-Encoding of files that are compressed themselves (`x.tar.gz`; Apache's AddEncoding): those
    are taken as they are stored, as curl and wget do.
    """
    name, kind = name.lower(), headers.get("content-type", "").partition(";")[0].strip().lower()
    for coding in headers.get("content-encoding", "").lower().split(","):
        plain = coding.strip().removeprefix("x-")
        itself = name.endswith(_ENDINGS.get(plain, ())) or kind in (f"application/{plain}", f"application/x-{plain}")
        if plain not in ("", "identity") and not itself:
            return True
    return False


def plain_content_type(text: str | None) -> str | None:
    """A source's Content-Type as S3 takes it: all of it, or its type/subtype where the rest is not printable ASCII.

    None where there is none or it is no media type (RFC 9110 section 8.3.1): then the name of the file has to do.
    """
    if text is None:
        return None
    if text.isascii() and text.isprintable():
        return text.strip() or None
    media_type = _MEDIA_TYPE.match(text)
    return media_type[1] if media_type is not None else None


def source_digests(headers: Mapping[str, str]) -> dict[str, bytes]:
    """Digests of the content in a reply: name -> digest.

    Names end in '-content' where the digest speaks of this reply's body only (Content-MD5, RFC 1864; Content-Digest,
    RFC 9530), so not of the whole when the reply is partial. Nonsense is left out.
    """
    found: dict[str, bytes] = {}
    _add(found, "md5", headers.get("content-md5", ""), "-content")
    named = [("digest", ""), ("repr-digest", ""), ("content-digest", "-content")]
    if headers.get("x-goog-stored-content-encoding", "identity") in ("identity", headers.get("content-encoding")):
        named.append(("x-goog-hash", ""))  # else of what is stored compressed, and was unpacked for this reply
    for header, suffix in named:
        for item in headers.get(header, "").split(",")[:10]:
            match = _DIGEST.match(item)
            if match is not None:
                name = match[1].lower()
                _add(found, _NAMES.get(name, name), match[2], suffix)
    if headers.get("x-amz-checksum-type", "FULL_OBJECT").upper() == "FULL_OBJECT":
        for name in ("crc64nvme", "crc32c", "crc32", "sha1", "sha256"):
            _add(found, name, headers.get(f"x-amz-checksum-{name}", ""), "")
    return found


def _add(found: dict[str, bytes], name: str, text: str, suffix: str) -> None:
    size = {**DIGEST_SIZES, "sha512": 64}.get(name)
    raw = decode_base64(text, size) if size is not None and text else None
    if raw is not None:
        found.setdefault(name + suffix, raw)


def origin(url: str) -> str:
    """'scheme://host:port' of `url`, in lower case, without user and password: the name of an endpoint."""
    begin = url.find("://")
    end = url.find("/", begin + 3) if begin >= 0 else -1
    server = url[:end] if end >= 0 else url
    if "@" in server:  # not kept in the cache
        scheme, _, rest = server.partition("://")
        server = f"{scheme}://{rest.rpartition('@')[2]}"
    return _origin(server)


@lru_cache(maxsize=256)
def _origin(server: str) -> str:
    """Of a URL without user, password and path: each request of a server has the same."""
    scheme, _, rest = server.partition("://")
    return f"{scheme}://{rest}".lower()
