"""Anything libcurl can read as a source: looked at once (`probe`), then read in ranges or as one stream.

`probe` finds out size, validators and whether ranges work. `UrlSource` gives ranges of it, pinned to what was seen;
`UrlStream` reads it from beginning to end where ranges do not work or the length is unknown.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..core.failures import Failure, Kind
from ..core.http import coded_for_the_way, parse_content_range, source_digests
from ..core.locations import Url, last_component
from ..core.manifest import SourceIdentity
from ..core.parts import Part
from ..core.retry import RetryPolicy
from ..errors import Interrupted
from ..wire.curl.exchange import Exchange
from ..wire.curl.options import TIMEOUTS, Options, ranged, source_options, with_low_speed_limit
from ..wire.curl.streams import PAUSE
from ..wire.failures import classify, to_error
from ..wire.messages import HttpRequest, Reply
from ..wire.s3.api import bare_etag
from .attempt import PartProblem
from .line import public_part
from .loop import Call, Engine, Loop
from .retry_loop import retrying
from .sources import range_judge

RANGED = frozenset({"ftp", "ftps", "sftp"})
"""Besides http(s), whose servers say it: libcurl ignores a range of scp and the rest."""
COMPRESSES = Failure(
    Kind.FATAL, "the server compresses what it sends although it was asked not to", code="ContentEncoding"
)
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


@dataclass(frozen=True)
class Probe:
    """What a look at a URL told."""

    identity: SourceIdentity
    ranges: bool
    """Byte ranges work and the size is known."""
    digests: dict[str, bytes] = field(default_factory=dict)
    """What the source says of its whole content: name -> digest."""
    content_type: str | None = None


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
    reply = look(HttpRequest("GET", url.url, options=options))
    size = reply.content_length if reply.content_length >= 0 else None
    identity = SourceIdentity(
        url=url.display, size=size, last_modified=float(reply.filetime) if reply.filetime >= 0 else None
    )
    return Probe(identity, ranges=size is not None and url.scheme in RANGED)


def _look(engine: Engine, policy: RetryPolicy, request: HttpRequest, what: str) -> Reply:
    """The headers of the reply; its body is cut off. 416 is an answer too: the source is empty."""
    reply = Reply(0)

    def once() -> Failure | None:
        nonlocal reply
        call = Call(engine.loop(), request, None, _ProbeSink())
        try:
            call.wait()
        except _Enough:
            reply = call.reply
            engine.lines.found_latency(public_part(request.url), reply.latency)
            return None
        reply = call.reply
        return None if reply.ok or reply.status == 416 else classify(reply, role="source")

    failure = retrying(policy, once, lambda failure, delay: None)
    if failure is not None:
        raise to_error(failure, what)
    return reply


def _probe_http(url: Url, options: Options, look: Look) -> Probe:
    headers = (("Range", "bytes=0-0"), ("Accept-Encoding", "identity"))
    reply = look(HttpRequest("GET", url.url, headers, options=options))
    content_range = parse_content_range(reply.headers.get("content-range", ""))
    if coded_for_the_way(reply.headers, last_component(url)):
        raise to_error(COMPRESSES, url.display)
    size: int | None = None
    if reply.status in (206, 416) and content_range is not None:
        size = content_range.total
    elif reply.status == 200 and "content-length" in reply.headers:
        size = max(0, reply.content_length)
    etag = reply.headers.get("etag")
    identity = SourceIdentity(
        url=url.display,
        size=size,
        etag=etag,
        last_modified=float(reply.filetime) if reply.filetime >= 0 else None,
    )
    ranges = reply.status == 206 and size is not None
    digests = {} if reply.status == 206 else source_digests(reply.headers)
    if reply.status == 206:  # these speak of the whole object also on a partial reply (RFC 9530, GCS)
        digests = {k: v for k, v in source_digests(reply.headers).items() if not k.endswith("-content")}
    return Probe(identity, ranges, digests, reply.headers.get("content-type"))


class UrlSource:
    """Ranges of a URL; every request is pinned to what the probe saw, as far as the protocol can."""

    def __init__(
        self, url: Url, seen: Probe, *, verify_tls: bool | str, timeouts: tuple[float, float] = TIMEOUTS
    ) -> None:
        self.identity = seen.identity
        assert seen.identity.size is not None
        self._size = seen.identity.size
        self._url = url.url
        self._name = last_component(url)
        self._http = url.url[:4].lower() == "http"
        self._options = source_options(url.url, verify_tls=verify_tls, timeouts=timeouts)
        self._pin: tuple[tuple[str, str], ...] = ()
        if self._http:
            self._pin = (("Accept-Encoding", "identity"),)
            if seen.identity.etag and not seen.identity.etag.startswith("W/"):
                self._pin += (("If-Match", seen.identity.etag),)

    def request(self, part: Part) -> HttpRequest:
        if self._http:
            headers = (("Range", f"bytes={part.offset}-{part.offset + part.length - 1}"), *self._pin)
            return HttpRequest("GET", self._url, headers, options=self._options)
        return HttpRequest("GET", self._url, options=ranged(self._options, part.offset, part.length))

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self._size, self.identity.etag, name=self._name)


def stream_request(url: str, *, verify_tls: bool | str, timeouts: tuple[float, float] = TIMEOUTS) -> HttpRequest:
    """The request for all of a URL, for `UrlStream`."""
    headers = (("Accept-Encoding", "identity"),) if url[:4].lower() == "http" else ()
    return HttpRequest("GET", url, headers, options=source_options(url, verify_tls=verify_tls, timeouts=timeouts))


class UrlStream:
    """A URL read from beginning to end by one request, as a file object with `read`.

    name: of the file, to tell a compression for the way; None: what is stored is sent, as in S3. The loop fills a
    small queue and pauses when it is full. `close` cuts the request. A connection that breaks in the middle is an
    error: there is no range to go on from.
    """

    def __init__(
        self,
        loop: Loop,
        request: HttpRequest,
        *,
        expected: int | None,
        describe: str,
        etag: str | None = None,
        name: str | None = None,
    ) -> None:
        self._loop = loop
        self._expected = expected
        self._describe = describe
        self._etag = etag
        self._name = name
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._received = 0
        self._paused = False
        self._ended = False
        self._error: BaseException | None = None
        self._condition = threading.Condition()
        if expected is not None:  # where the end is known; who sends a live feed may take his time
            request = replace(request, options=with_low_speed_limit(request.options, limit_rate=0))
        self._exchange = Exchange(request, self._finished, sink=self)
        loop.submit(lambda: loop.multi.start(self._exchange))

    # -- the loop's thread ------------------------------------------------------------------------------------------

    def begin(self, reply: Reply) -> None:
        if self._etag is not None and bare_etag(reply.headers.get("etag", self._etag)) != bare_etag(self._etag):
            raise PartProblem(Failure(Kind.CHANGED, "the source changed while it was read (its ETag differs)"))
        if self._name is not None and coded_for_the_way(reply.headers, self._name):
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
            error = to_error(classify(exchange.reply, role="source"), self._describe)
        elif self._expected is not None and self._received != self._expected:
            error = to_error(
                Failure(Kind.NETWORK, f"it announced {self._expected} bytes and sent {self._received}"), self._describe
            )
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
