"""What the proxy can do to a request: fault constructors, rules that say when, seeded chaos. Plain data, no sockets.

proxy.rules.append(Rule("UploadPart", flip("request"), nth=2))
proxy.rules.append(Rule(("Complete", "Copy"), slow_down(retry_after=1), times=1))
proxy.fail_rate(0.1, seed=7)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from xml.sax.saxutils import escape

Headers = list[tuple[str, str]]
Side = Literal["request", "response"]
Where = Literal["request_head", "request_body", "before_response", "response_head", "response_body", "after_response"]

SECRET_HEADERS = (
    "authorization",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key",
)


@dataclass
class Recorded:
    """One request as the proxy saw it. It is recorded when its head arrives; the rest is filled in as it happens."""

    number: int
    kind: str
    method: str
    path: str
    """Path as sent (escaped), without the query."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case; without those that hold a signature or a key."""
    connection: int
    started: float
    body_length: int = 0
    """Bytes of the request body that the client has sent."""
    status: int = 0
    """Status that the client was told; 0: none."""
    upstream_status: int = 0
    """Status with which the server answered; 0: it was not asked, or never answered."""
    response_length: int = 0
    """Bytes of the response body that went to the client."""
    fault: str = ""
    seconds: float = 0.0
    answered_after: float = 0.0
    """Seconds until the last bytes of the answer were about to leave: the client may begin its next request before this
    side notices that they have left."""
    done: bool = False

    def answered(self) -> None:
        self.answered_after = time.monotonic() - self.started

    @property
    def bucket(self) -> str:
        return self.path.lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The key, still escaped; '' for a request about the bucket."""
        return self.path.lstrip("/").partition("/")[2]

    @property
    def part_number(self) -> int:
        return int(self.query.get("partNumber", 0))

    @property
    def upload_id(self) -> str:
        return self.query.get("uploadId", "")


def kind_of(method: str, path: str, query: dict[str, str], headers: dict[str, str]) -> str:
    """The request class that rules match on."""
    key = path.lstrip("/").partition("/")[2]
    copies = "x-amz-copy-source" in headers
    if "uploadId" in query:
        if method == "PUT":
            return "CopyPart" if copies else "UploadPart"
        return {"POST": "Complete", "DELETE": "Abort", "GET": "ListParts"}.get(method, "Other")
    if "uploads" in query:
        return {"POST": "Create", "GET": "ListUploads"}.get(method, "Other")
    for name, kind in (
        ("location", "Location"),
        ("attributes", "Attributes"),
        ("tagging", "Tagging"),
        ("delete", "DeleteMany"),
    ):
        if name in query:
            return kind
    if not key:
        return {"GET": "List", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(
            method, "Other"
        )
    if method == "GET":
        return "GetRange" if "range" in headers else "Get"
    if method == "PUT":
        return "Copy" if copies else "Put"
    return {"HEAD": "Head", "DELETE": "Delete"}.get(method, "Other")


@dataclass(frozen=True)
class Answer:
    """A reply that the proxy makes up itself."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Fault:
    """What to do with a request; made by the functions below. None in a field: not that."""

    name: str
    reset: Where | None = None
    """Reset the connection (RST) at this point, in a body after `after` bytes."""
    close: bool = False
    """Close politely (FIN) instead of resetting."""
    stall: Where | None = None
    """Stand still at this point for `seconds`."""
    after: int | None = None
    """Bytes of the body before it happens; None: a random place in it, from the proxy's seed."""
    share: float | None = None
    """Of the body before it happens, in place of `after`."""
    seconds: float = 0.0
    rate: float | None = None
    """Bytes per second in both directions."""
    flip: Side | None = None
    """Flip one bit of that body, in the byte `after`."""
    answer: Answer | Callable[[Recorded], Answer] | None = None
    """Reply with this; the body of the request is read and dropped first."""
    deliver: bool = False
    """With `answer`: the server gets the request all the same, its answer is replaced."""
    edit_request: Callable[[str, Headers], tuple[str, Headers]] | None = None
    edit_response: Callable[[str, Headers], tuple[str, Headers]] | None = None


def refuse() -> Fault:
    """Reset as soon as the head has arrived; the server never hears of it. (For a refused connect: `proxy.down()`.)"""
    return Fault("refuse", reset="request_head")


def reset(where: Where, after: int | None = None) -> Fault:
    """Reset both connections at `where`. 'before_response': the server has the request and answered, the client hears
    nothing. 'after_response': the answer is whole, then the connection breaks."""
    return Fault(f"reset {where}", reset=where, after=after)


def lose_answer() -> Fault:
    """The request succeeds on the server, its answer is lost."""
    return replace(reset("before_response"), name="lose_answer")


def truncate(after: int | None = None, share: float | None = None) -> Fault:
    """The body of the response ends early with a polite close, whatever Content-Length said: after so many bytes, or
    after a share of them (a single byte comes whole)."""
    return Fault("truncate", reset="response_body", close=True, after=after, share=share)


def stall(where: Where, seconds: float = 3600.0, after: int | None = None) -> Fault:
    """Stand still at `where` for `seconds` (until the proxy stops, at most), then go on."""
    return Fault(f"stall {where}", stall=where, seconds=seconds, after=after)


def delay(seconds: float) -> Fault:
    """Hold the request back; later ones on other connections overtake it."""
    return Fault("delay", stall="request_head", seconds=seconds)


def throttle(rate: float) -> Fault:
    """At most `rate` bytes a second each way."""
    return Fault("throttle", rate=rate)


def flip(side: Side, offset: int | None = None) -> Fault:
    """Flip the lowest bit of the byte at `offset` of the body (None: a random one)."""
    return Fault(f"flip {side}", flip=side, after=offset)


def xml_error(code: str, message: str = "made up by the test proxy", extra: str = "") -> bytes:
    """An S3 error document."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{extra}<RequestId>TEST</RequestId></Error>"
    ).encode()


def answer(status: int, body: bytes = b"", headers: dict[str, str] | None = None, *, deliver: bool = False) -> Fault:
    """Reply with this. deliver: the server executes the request all the same."""
    return Fault(f"answer {status}", answer=Answer(status, body, tuple((headers or {}).items())), deliver=deliver)


def answer_by(make: Callable[[Recorded], Answer]) -> Fault:
    """Reply with what `make(request)` returns."""
    return Fault("answer_by", answer=make)


def error(
    status: int, code: str, headers: dict[str, str] | None = None, *, deliver: bool = False, extra: str = ""
) -> Fault:
    """Reply with an S3 error document."""
    made = answer(
        status, xml_error(code, extra=extra), {"Content-Type": "application/xml", **(headers or {})}, deliver=deliver
    )
    return replace(made, name=f"{status} {code}")


def internal_error() -> Fault:
    return error(500, "InternalError")


def slow_down(retry_after: float | None = None) -> Fault:
    return error(503, "SlowDown", {} if retry_after is None else {"Retry-After": f"{retry_after:g}"})


def request_timeout() -> Fault:
    return error(400, "RequestTimeout", {"Connection": "close"})


def expired_token() -> Fault:
    return error(400, "ExpiredToken")


def redirect(status: int, location: str = "", region: str = "") -> Fault:
    """301/307 elsewhere: to the URL `location`, or with the right region told as S3 does."""
    headers = {"Location": location} if location else {}
    extra = f"<Endpoint>{escape(location)}</Endpoint>" if location else ""
    if region:
        headers["x-amz-bucket-region"] = region
        extra += f"<Region>{escape(region)}</Region>"
    return error(status, "TemporaryRedirect" if status == 307 else "PermanentRedirect", headers, extra=extra)


def ok_with_error(code: str = "InternalError", *, deliver: bool = False) -> Fault:
    """200 with an error document inside, as CompleteMultipartUpload and copies may."""
    return replace(error(200, code, deliver=deliver), name=f"200 with {code}")


def edit_response(change: Callable[[str, Headers], tuple[str, Headers]]) -> Fault:
    """The head of the answer goes through `change(status line, headers) -> (status line, headers)`."""
    return Fault("edit_response", edit_response=change)


def edit_request(change: Callable[[str, Headers], tuple[str, Headers]]) -> Fault:
    """The head of the request goes through `change(request line, headers)`; what is signed must stay."""
    return Fault("edit_request", edit_request=change)


Match = str | Collection[str] | Callable[[Recorded], bool]


@dataclass
class Rule:
    """When to apply a fault: to requests that `match` (a class name, several, '*', or a predicate) and
    of those to the `nth` ones (1-based; None: all), each with probability `p`, at most `times` times."""

    match: Match
    action: Fault
    nth: int | Collection[int] | None = None
    times: int | None = None
    p: float = 1.0
    seen: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def decide(self, request: Recorded, draw: random.Random) -> Fault | None:
        """The fault for this request, or None. Counts; the proxy calls it under its lock."""
        if not self._matches(request):
            return None
        self.seen += 1
        if self.nth is not None and self.seen not in ((self.nth,) if isinstance(self.nth, int) else self.nth):
            return None
        if (self.times is not None and self.fired >= self.times) or draw.random() >= self.p:
            return None
        self.fired += 1
        return self.action

    def _matches(self, request: Recorded) -> bool:
        if callable(self.match):
            return self.match(request)
        return self.match in ("*", request.kind) if isinstance(self.match, str) else request.kind in self.match


@dataclass
class Chaos:
    """A share `p` of all requests (of these classes) meets a fault drawn from `faults`.

    The draw depends on the seed, on what the request is about and on how often that was asked before, not on the order
    in which threads arrive: the same seed does the same to the same transfer.
    """

    p: float
    seed: int
    match: Match = "*"
    faults: tuple[Fault, ...] = ()
    _asked: dict[Any, int] = field(default_factory=dict)

    def decide(self, request: Recorded) -> Fault | None:
        if not Rule(self.match, Fault(""))._matches(request):
            return None
        about = (request.kind, request.path, request.query.get("partNumber"), request.headers.get("range"))
        turn = self._asked[about] = self._asked.get(about, 0) + 1
        draw = random.Random(f"{self.seed}:{about}:{turn}")
        return draw.choice(self.faults or COMMON) if draw.random() < self.p else None


COMMON: tuple[Fault, ...] = (
    refuse(),
    reset("request_body"),
    reset("before_response"),
    reset("response_head"),
    reset("response_body"),
    truncate(),
    internal_error(),
    slow_down(),
    slow_down(retry_after=0.05),
    request_timeout(),
    delay(0.2),
)
"""What real networks and servers do; every one of them is worth a retry."""

BIT_FLIPS: tuple[Fault, ...] = (flip("request"), flip("response"))
