"""Requests and replies as plain data: `S3Request` and `HttpRequest` are sent, a `Reply` comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from typing import Literal

from ..core.define import define
from ..core.failures import Failure
from ..errors import UsageError

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

Payload = Literal["body", "unsigned", "trailer"]


@define(frozen=True, slots=True)
class S3Request:
    """An S3 call before its endpoint is resolved and it is signed (that happens at dispatch, see `session.py`)."""

    method: str
    bucket: str | None
    key: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    """Query parameters, unescaped; a bare one (`?uploads`) has the value ''."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    """A small body held in memory. A streamed body is given to the transfer instead, with `content_length`."""
    payload: Payload = "body"
    """How x-amz-content-sha256 is made: of `body`, UNSIGNED-PAYLOAD, or STREAMING-UNSIGNED-PAYLOAD-TRAILER."""
    content_length: int | None = None
    """Length in bytes of a streamed body (encoded length when `payload` is 'trailer'); None: len(body)."""


@define(frozen=True, slots=True)
class HttpRequest:
    """A request ready for curl. Its headers hold signatures and keys: never log them."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_length: int | None = None
    """Length of a streamed body in bytes; None: `body` is all."""
    options: tuple[tuple[int, object], ...] = ()
    """Extra curl options (TLS files, proxy, credentials of an ftp source)."""
    is_s3: bool = False
    """A request to an S3 service, which bills it."""
    learn: Callable[[Failure], None] = lambda failure: None
    """Takes up what a failure of this request says about its service (a region, a clock); any thread."""

    def with_options(self, options: tuple[tuple[int, object], ...]) -> HttpRequest:
        """The same with other curl options; `dataclasses.replace` takes several times as long."""
        given = self.method, self.url, self.headers, self.body, self.content_length
        return HttpRequest(*given, options, self.is_s3, self.learn)

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.split('?')[0]})"


@define(slots=True)
class Reply:
    """A reply. `status` 0: there was none, see `curl_error`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case. Of FTP only what libcurl makes up for a HEAD: accept-ranges."""
    body: bytes = b""
    """Body, when it was not streamed into a sink; of an error reply at most 64 KiB."""
    curl_code: int = 0
    curl_error: str = ""
    sent_again: bool = False
    """libcurl has sent it once more by itself, since a kept connection was dead: the former may have been executed."""
    bytes_up: int = 0
    bytes_down: int = 0
    seconds: float = 0.0
    connect_seconds: float = 0.0
    latency: float = 0.0
    """Seconds from the request's last header to the first byte of the reply; 0.0: unknown."""
    filetime: int = -1
    """Modification time that the source reported (ftp, sftp, http), seconds since the epoch; -1: none."""
    content_length: int = -1
    """Length in bytes that the server announced; -1: none."""
    url: str = ""
    """The last URL after redirects."""
    cookies: tuple[str, ...] = ()
    """Cookies that a foreign source has set, as lines for curl's COOKIELIST; only if the request asked for cookies."""

    @property
    def ok(self) -> bool:
        """For ftp and sftp curl's word counts: a range that ends before the file does ends with FTP status 426."""
        return self.curl_code == 0 and (200 <= self.status < 300 or not self.is_http)

    is_http: bool = True
    reached: bool = True
    """The server has answered this or an earlier request of this process."""


UTF8_HEADERS = frozenset(
    {
        "content-type",
        "content-encoding",
        "cache-control",
        "content-disposition",
        "content-language",
        "expires",
        "x-amz-website-redirect-location",
    }
)
"""Headers that S3 stores as the UTF-8 that they come in, and gives back so."""


@lru_cache(maxsize=256)
def _is_token(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None


def check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    """Raises UsageError for what would end a header or can't be sent (RFC 9110 sections 5.1 and 5.5)."""
    for name, value in headers:
        if not _is_token(name):
            raise UsageError(f"{name[:60]!r} is not a name of a header or of metadata: use letters, digits and -._")
        sendable = value.isascii() or name.lower() in UTF8_HEADERS
        if not sendable or not (value.isprintable() or value.replace("\t", "").isprintable()):
            raise UsageError(f"the value of {name} must be plain ASCII on one line: encode it (RFC 2047 or percent)")
