"""Anything libcurl can read as a source: looked at once (`probe`), then read in ranges or as one stream.

`probe` finds out size, validators and whether ranges work. `UrlSource` gives ranges of it, pinned to what was seen;
`UrlStream` reads it from beginning to end where ranges do not work or the length is unknown.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import field, replace

from ..core.define import define
from ..core.failures import Failure, Kind
from ..core.http import (
    WITH_CONTENT,
    compressed_in_transit,
    origin,
    parse_content_range,
    plain_content_type,
    source_digests,
)
from ..core.locations import Url, last_component
from ..core.manifest import SourceIdentity
from ..core.parts import Part
from ..core.retry import RetryPolicy
from ..errors import Interrupted, NotFound
from ..wire.curl.exchange import Exchange
from ..wire.curl.options import (
    COOKIELIST,
    IGNORE_CONTENT_LENGTH,
    TIMEOUTS,
    Options,
    ranged,
    source_options,
    with_low_speed_limit,
)
from ..wire.curl.streams import PAUSE
from ..wire.failures import classify, to_error
from ..wire.messages import HttpRequest, Reply
from ..wire.s3.responses import http_time
from .loop import Call, Engine, Loop
from .part_problem import PartProblem
from .retry_loop import retrying
from .sources import range_judge, same_state

RANGED = frozenset({"ftp", "ftps", "sftp"})
"""Besides http(s), whose servers say it: libcurl ignores a range of scp and the rest."""
FTP = frozenset({"ftp", "ftps"})
COMPRESSES = Failure(
    Kind.FATAL, "the server compresses what it sends although it was asked not to", code="ContentEncoding"
)
IDENTITY = ("Accept-Encoding", "identity")
STREAM_BYTES = 4 * 1024 * 1024


class _Enough(Exception):
    """Cuts a probe once its headers are known."""


class _ProbeSink:
    def __init__(self) -> None:
        self.cut = False

    def begin(self, reply: Reply) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.cut = True
        raise _Enough


@define(frozen=True)
class Probe:
    """Properties of a URL's content, from its first reply."""

    identity: SourceIdentity
    ranges: bool
    """Byte ranges work and the size is known."""
    digests: dict[str, bytes] = field(default_factory=dict)
    """Digests that the source sent of its whole content, by name."""
    content_type: str | None = None
    options: Options = ()
    """Of all further requests for it."""


Look = Callable[[HttpRequest], Reply]


def probe(
    engine: Engine,
    url: Url,
    *,
    verify_tls: bool | str,
    policy: RetryPolicy,
    timeouts: tuple[float, float] = TIMEOUTS,
) -> Probe:
    """Looks at `url` with one small request. Raises NotFound, AccessDenied, TransferError."""

    def look(request: HttpRequest) -> Reply:
        return _look(engine, policy, request, url.display)

    options = source_options(url.url, verify_tls=verify_tls, timeouts=timeouts)
    if url.url[:4].lower() == "http":
        return _probe_http(url, options, look)
    try:
        reply = look(HttpRequest("GET", url.url, options=options))
    except NotFound:
        if url.scheme not in FTP:
            raise
        # Some servers answer SIZE with 550 ("not allowed in ASCII mode") although RETR works.
        options = (*options, (IGNORE_CONTENT_LENGTH, 1))
        reply = look(HttpRequest("GET", url.url, options=options))
    size = reply.content_length if reply.content_length >= 0 else None
    identity = SourceIdentity(
        url=url.display,
        size=size,
        last_modified=float(reply.filetime) if reply.filetime >= 0 else None,
        url_digest=url.digest,
    )
    ranges = size is not None and url.scheme in RANGED
    if ranges and size and url.scheme in FTP:
        ranges = look(HttpRequest("HEAD", url.url, options=options)).headers.get("accept-ranges") == "bytes"
    return Probe(identity, ranges, options=options)


def _look(engine: Engine, policy: RetryPolicy, request: HttpRequest, what: str) -> Reply:
    """The headers of the reply; its body is cut off. 416 is an answer too: the source is empty."""
    reply = Reply(0)

    def once() -> Failure | None:
        nonlocal reply
        # libcurl gives the headers that it makes up for the HEAD of an ftp file as a body, too.
        call = Call(engine.loop(), request, None, _ProbeSink() if request.method == "GET" else None)
        try:
            call.wait()
        except _Enough:
            reply = call.reply
            engine.lines.found_latency(origin(request.url), reply.latency)
            return _without_content(reply)
        reply = call.reply
        return _without_content(reply) if reply.ok or reply.status == 416 else classify(reply, role="source")

    failure = retrying(policy, once, lambda failure, delay: None, engine.sampler)
    if failure is not None:
        raise to_error(replace(failure, of_source=True), what)
    return reply


def _without_content(reply: Reply) -> Failure | None:
    """The failure of a reply that is a success of another kind than to send the file; 416 says that it is empty."""
    if not reply.is_http or reply.status in WITH_CONTENT or reply.status == 416:
        return None
    said = f"the source answers with HTTP {reply.status} and not with a file"
    return Failure(Kind.FATAL, said, status=reply.status, code="NoContent")


def _probe_http(url: Url, options: Options, look: Look) -> Probe:
    headers = (("Range", "bytes=0-0"), IDENTITY)
    reply = look(HttpRequest("GET", url.url, headers, options=options))
    content_range = parse_content_range(reply.headers.get("content-range", ""))
    if compressed_in_transit(reply.headers, last_component(url)):
        raise to_error(COMPRESSES, url.display)
    size: int | None = None
    if reply.status in (206, 416) and content_range is not None:
        size = content_range.total
    elif reply.status == 200 and "content-length" in reply.headers:
        size = max(0, reply.content_length)
    identity = SourceIdentity(
        url=url.display,
        size=size,
        etag=reply.headers.get("etag"),
        last_modified=http_time(reply.headers.get("last-modified")),
        url_digest=url.digest,
    )
    ranges = reply.status == 206 and size is not None
    digests = {} if reply.status == 206 else source_digests(reply.headers)
    if reply.status == 206:  # these speak of the whole object also on a partial reply (RFC 9530, GCS)
        digests = {k: v for k, v in source_digests(reply.headers).items() if not k.endswith("-content")}
    cookies = tuple((COOKIELIST, line) for line in reply.cookies)
    return Probe(identity, ranges, digests, plain_content_type(reply.headers.get("content-type")), options + cookies)


class UrlSource:
    """Ranges of a URL. The reply to each is compared with what the probe saw, as far as the protocol says it.

    No condition is sent: some servers never find one met (IIS 6; Apache, which appends -gzip to its ETags), and the
    ETag that comes with each range says the same.
    """

    def __init__(self, url: Url, seen: Probe) -> None:
        self.identity = seen.identity
        self._url = url
        self._name = last_component(url)
        self._http = url.url[:4].lower() == "http"
        self._options = seen.options

    @property
    def is_ready(self) -> bool:
        return True

    def request(self, part: Part) -> HttpRequest:
        if self._http:
            headers = (("Range", f"bytes={part.offset}-{part.offset + part.length - 1}"), IDENTITY)
            return HttpRequest("GET", self._url.url, headers, options=self._options)
        return HttpRequest("GET", self._url.url, options=ranged(self._options, part.offset, part.length))

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self.identity, name=self._name)

    def explain(self, failure: Failure) -> Failure:
        """A failure of a range, seen in the light of the first look, which had succeeded."""
        if failure.status == 530 and not self._http:
            # The login worked before: what ends now is the server's patience with so many of them (RFC 959, 4.2).
            said = f"the server refuses further connections ({failure.message}): --download-slots N makes fewer"
            failure = replace(failure, kind=Kind.THROTTLE, message=said)
        elif failure.status == 554 and not self._http:  # RFC 959, 4.2.2: REST to a place behind the end
            failure = replace(failure, kind=Kind.CHANGED, message="the source became shorter while it was read")
        elif failure.kind is Kind.EXPIRED:
            failure = replace(failure, kind=Kind.DENIED)  # the URL's signature: none of our credentials helps
        return replace(failure, of_source=True, source=self._url.display)


def stream_request(url: str, options: Options) -> HttpRequest:
    """The request for all of a URL, for `UrlStream`. options: of the probe."""
    return HttpRequest("GET", url, (IDENTITY,) if url[:4].lower() == "http" else (), options=options)


class UrlStream:
    """A URL read from beginning to end by one request, as a file object with `read`.

    identity: what the source was when it was looked at, with its size where that is known. name: of the file, to find a
    compression in transit; None: what is stored is sent, as in S3. The loop fills a small queue and pauses when it is
    full. `close` cuts the request. A connection that breaks in the middle is an error: there is no range to go on from.
    """

    def __init__(
        self,
        loop: Loop,
        request: HttpRequest,
        *,
        identity: SourceIdentity,
        describe: str,
        name: str | None = None,
    ) -> None:
        self._loop = loop
        self._identity = identity
        self._describe = describe
        self._name = name
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._received = 0
        self._paused = False
        self._ended = False
        self._error: BaseException | None = None
        self._condition = threading.Condition()
        if identity.size is not None:  # where the end is known; who sends a live feed may take his time
            request = replace(request, options=with_low_speed_limit(request.options, limit_rate=0))
        self._exchange = Exchange(request, self._finished, sink=self)
        loop.submit(lambda: loop.multi.start(self._exchange))

    # -- the loop's thread ------------------------------------------------------------------------------------------

    def begin(self, reply: Reply) -> None:
        if (failure := _without_content(reply)) is not None:
            raise PartProblem(failure)
        same_state(self._identity, reply)
        if self._name is not None and compressed_in_transit(reply.headers, self._name):
            raise PartProblem(COMPRESSES)

    def write(self, data: bytes) -> object | None:
        with self._condition:
            if self._size >= STREAM_BYTES:
                self._paused = True
                return PAUSE
            self._chunks.append(data)
            self._size += len(data)
            self._received += len(data)
            self._condition.notify()
        return None

    def _finished(self, exchange: Exchange) -> None:
        error: BaseException | None = None
        if isinstance(exchange.error, PartProblem):
            error = to_error(exchange.error.failure, self._describe)
        elif exchange.error is not None:
            error = exchange.error
        elif not exchange.reply.ok:
            error = to_error(replace(classify(exchange.reply, role="source"), of_source=True), self._describe)
        elif (failure := _without_content(exchange.reply)) is not None:
            error = to_error(failure, self._describe)  # without a body, `begin` is not called
        elif self._identity.size is not None and self._received != self._identity.size:
            said = f"it announced {self._identity.size} bytes and sent {self._received}"
            error = to_error(Failure(Kind.NETWORK, said, of_source=True), self._describe)
        with self._condition:
            self._error, self._ended = error, True
            self._condition.notify()

    # -- the reader's thread ----------------------------------------------------------------------------------------

    def read(self, size: int) -> bytes:
        """1 to `size` bytes, b'' at the end. Raises the error that ended the request."""
        with self._condition:
            while not self._chunks and not self._ended:
                self._condition.wait()
            if not self._chunks:
                if self._error is not None:
                    raise self._error
                return b""
            data = self._chunks.popleft()
            if len(data) > size:
                self._chunks.appendleft(data[size:])
                data = data[:size]
            self._size -= len(data)
            if self._paused and self._size < STREAM_BYTES // 2:
                self._paused = False
                self._loop.submit(lambda: self._loop.multi.resume(self._exchange))
            return data

    def close(self) -> None:
        with self._condition:
            if not self._ended:
                self._ended, self._error = True, Interrupted("the source was closed")
                self._loop.submit(lambda: self._loop.multi.cancel(self._exchange))
