"""SRC and DST as users type them -> what they mean. Keys are taken verbatim; nothing is looked up. Pure.

`str()` of a location is safe to show: no user info and no query, which may be a signature.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes, urlsplit

from ..errors import InvalidDestination, InvalidS3Url, InvalidSource, S3AMError
from .define import define

MAX_KEY_BYTES = 1024
"""S3 User Guide, "Creating object key names": at most 1,024 bytes of UTF-8."""

_BUCKET = re.compile(
    r"(?:[A-Za-z0-9_]{1,64}:)?"  # a tenant of Ceph (its manual, "Multitenancy": TENANT:BUCKET in requests)
    r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z"  # older buckets of us-east-1 may have 255 characters
)
_ARN = re.compile(r"(arn:aws[a-z-]*:s3[a-z-]*:[a-z0-9-]*:\d*:accesspoint[:/][^/:]+)(?:/(.*))?\Z", re.DOTALL)
_OUTPOST_ARN = re.compile(
    r"(arn:aws[a-z-]*:s3-outposts:[a-z0-9-]*:\d*:outpost[:/][^/:]+[:/]accesspoint[:/][^/:]+)(?:/(.*))?\Z", re.DOTALL
)
_HOSTED = frozenset({"http", "https", "ftp", "ftps", "sftp", "scp"})
_LISTED = frozenset({"ftp", "ftps", "sftp", "scp"})
"""Schemes where a path that ends in '/' is a directory, of which libcurl sends a listing."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")


SPOOL_PREFIX = "s3am-unpublished-"
"""Of the name of a file with changes of an object that are not published yet."""


@define(frozen=True, slots=True)
class S3Location:
    """A bucket and a key; the key may be '' (a bucket) or end in '/' (a prefix)."""

    bucket: str
    key: str = ""
    version_id: str | None = None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def __str__(self) -> str:
        return self.url


@define(frozen=True, slots=True)
class LocalPath:
    """A file of this machine."""

    path: str

    def __str__(self) -> str:
        return self.path


def is_spool(path: str) -> bool:
    """Whether the local file `path` has somebody's unpublished changes, and is no file of its own."""
    return posixpath.basename(path).startswith(SPOOL_PREFIX)


@define(frozen=True, slots=True)
class Url:
    """Anything else with a scheme."""

    url: str
    display: str
    """Without user info, query and fragment."""

    def __str__(self) -> str:
        return self.display

    def __repr__(self) -> str:
        return f"Url({self.display!r})"

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0].lower()

    @property
    def digest(self) -> str | None:
        """SHA-256 of the URL without user info and fragment, 32 hex digits; None without a query: `display` says all.

        Two URLs that differ in the query only may be two files.
        """
        scheme, slashes, rest = self.url.partition("#")[0].partition("://")
        if "?" not in rest:
            return None
        authority = re.split(r"[/?]", rest, maxsplit=1)[0]
        named = scheme + slashes + authority.rpartition("@")[2] + rest[len(authority) :]
        return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@define(frozen=True, slots=True)
class Stdin:
    """Standard input."""

    def __str__(self) -> str:
        return "standard input"


Location = S3Location | LocalPath | Url | Stdin


def parse_source(text: str) -> Location:
    """The source that SRC names. Raises InvalidSource, and InvalidS3Url for a malformed s3:// URL."""
    if text == "-":
        return Stdin()
    if not text or "\0" in text:
        raise InvalidSource("the source is empty or holds a NUL: give a file, a URL, s3://BUCKET/KEY or -")
    scheme = _scheme(text)
    if scheme == "s3":
        location = parse_s3_url(text)
        if not location.key:
            raise InvalidSource(f"{location.url} names a bucket, not an object: give s3://BUCKET/KEY")
        return location
    if scheme == "file":
        return LocalPath(_file_path(text, InvalidSource))
    if scheme is None:
        return LocalPath(text)
    return _url(text)


def parse_s3_url(text: str, *, what: str | None = None) -> S3Location:
    """The bucket and key of `s3://BUCKET/KEY`; the key may be missing.

    what: 'source' or 'target', for the error when `text` is no s3:// URL at all (exit codes 5 and 6; None: 7).
    Raises InvalidS3Url.
    """
    if _scheme(text) != "s3" or not text[3:].startswith("//"):
        cls: type[S3AMError] = {"source": InvalidSource, "target": InvalidDestination}.get(what or "", InvalidS3Url)
        raise cls(f"{_shown(text)} is not an S3 URL: write s3://BUCKET/KEY")
    rest = text[5:]
    arn = _ARN.match(rest) or _OUTPOST_ARN.match(rest)
    bucket, key = (arn[1], arn[2] or "") if arn is not None else rest.partition("/")[::2]
    if arn is None and not _BUCKET.match(bucket):
        raise InvalidS3Url(f"{_shown(bucket)} is not the name of a bucket: write s3://BUCKET/KEY")
    if "\0" in key:
        raise InvalidS3Url("a key can't hold a NUL character")
    check_key(key)
    return S3Location(bucket, key)


def check_key(key: str) -> None:
    """Raises InvalidS3Url for a key that S3 does not take."""
    try:
        length = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidS3Url("the key is not valid UTF-8: S3 keys are Unicode") from None
    if length > MAX_KEY_BYTES:
        raise InvalidS3Url(f"the key has {length:,} bytes: S3 keys have at most {MAX_KEY_BYTES:,}")


def resolve_target(text: str, source: Location) -> S3Location:
    """The object that DST means for an upload or copy of `source`.

    A DST that ends in '/' or is a bare bucket gets the last component of the source. Raises InvalidDestination,
    InvalidS3Url.
    """
    target = parse_s3_url(text, what="target")
    if target.key and not target.key.endswith("/"):
        return target
    name = last_component(source)
    if not name:
        raise InvalidDestination(f"{target.url} names no object, and {source} gives no name: write s3://BUCKET/KEY")
    check_key(target.key + name)
    return S3Location(target.bucket, target.key + name)


def resolve_download_target(text: str, source: S3Location, is_directory: Callable[[str], bool]) -> LocalPath:
    """The file that DST means for a download of `source`. Raises InvalidDestination."""
    if not text or "\0" in text:
        raise InvalidDestination("the destination is empty or holds a NUL: give a file or a directory")
    if text == "-":
        raise InvalidDestination("downloads go to a file, not to standard output: write ./- for a file named -")
    scheme = _scheme(text)
    if scheme == "file":
        path = _file_path(text, InvalidDestination)
    elif scheme is None:
        path = text
    else:
        raise InvalidDestination(f"{_shown(text)} is not a local file: downloads go to a path or a file: URL")
    if path.endswith("/") or is_directory(path):
        name = last_component(source)
        if not name or name in (".", ".."):
            raise InvalidDestination(f"{source.url} gives no file name: write the name of the file")
        path = posixpath.join(path, name)
    if path.endswith((".partial", ".progress")):
        raise InvalidDestination(
            f"{path}: names that end in .partial or .progress are reserved for unfinished downloads"
        )
    return LocalPath(path)


def local_path(text: str, *, what: str) -> LocalPath:
    """Parses the name of a local file or folder: a path or a file: URL. what: 'source' or 'target', for the error.

    Raises InvalidSource or InvalidDestination for any other name.
    """
    error: type[S3AMError] = InvalidSource if what == "source" else InvalidDestination
    if not text or "\0" in text:
        raise error(f"the {what} is empty or holds a NUL: give a folder or s3://BUCKET/PREFIX")
    scheme = _scheme(text)
    if scheme == "file":
        return LocalPath(_file_path(text, error))
    if scheme is not None or text == "-":
        raise error(f"{_shown(text)} is neither a local folder nor in S3: give a folder or s3://BUCKET/PREFIX")
    return LocalPath(text)


def last_component(source: Location) -> str:
    """The last component of a source's path; '' if it has none."""
    if isinstance(source, S3Location):
        return source.key.rpartition("/")[2]
    if isinstance(source, LocalPath):
        return posixpath.basename(source.path)
    if isinstance(source, Url):
        path = urlsplit(_first_file(source.url)).path.partition(";")[0]
        name = posixpath.basename(path).encode("utf-8", "surrogateescape")
        return unquote_to_bytes(name).decode("utf-8", "surrogateescape")
    return ""


def _first_file(url: str) -> str:
    """Of a chain of fsspec (`zip://file::https://host/archive.zip`) the link that names the file, else `url`."""
    if urlsplit(url).scheme in _HOSTED or "::" not in url:
        return url
    link = next((link for link in url.split("::") if "://" in link), url)
    scheme, _, path = link.partition("://")
    return f"{scheme}:///{path}"


def _scheme(text: str) -> str | None:
    """The scheme of a URL, lower case; None for a path. 'a:b' is a path: only file: goes without slashes."""
    match = _SCHEME.match(text)
    if match is None:
        return None
    chained = text.startswith("::", match.end() - 1) and "://" in text  # fsspec: simplecache::gs://bucket/file
    if match[2] is None and match[1].lower() not in ("file", "s3") and not chained:
        return None
    return match[1].lower()


def _file_path(text: str, error: type[S3AMError]) -> str:
    """The path of a file: URL (RFC 8089)."""
    rest = text[5:]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise error(f"{_shown(text)} is on another host ({_shown(host)}): file: URLs name files of this machine")
        rest = slash + path
    if not rest.startswith("/"):
        raise error(f"{_shown(text)} has no absolute path: write file:///PATH")
    raw = unquote_to_bytes(rest.encode("utf-8", "surrogateescape"))
    if b"\0" in raw:
        raise error("the path of the file: URL holds a NUL")
    return raw.decode("utf-8", "surrogateescape")


def _url(text: str) -> Url:
    if any(ord(c) < 33 or ord(c) == 127 for c in text):
        raise InvalidSource(f"{_shown(_hidden(text))} holds blanks or control characters: write a space as %20")
    try:
        parts = urlsplit(text)
        host, scheme = parts.hostname, parts.scheme.lower()
        is_hosted = scheme in _HOSTED
        _ = parts.port if is_hosted else None  # raises, too
    except ValueError:
        raise InvalidSource("the source is not a well-formed URL: check brackets and the port") from None
    if not host and is_hosted:
        raise InvalidSource(f"{_shown(_hidden(text))} names no host")
    if scheme in _LISTED and parts.path.partition(";")[0].rpartition("/")[2] == "":
        raise InvalidSource(f"{_shown(_hidden(text))} names a directory: give a file")
    return Url(text, _hidden(text))


def _hidden(text: str) -> str:
    """`text` without user info, query and fragment, in each link of a chain of fsspec."""
    return "::".join(_hidden_link(link) for link in text.split("::"))


def _hidden_link(text: str) -> str:
    scheme, slashes, rest = text.partition("://")
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 100 else shown[:97] + "..."
