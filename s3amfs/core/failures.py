"""Failures of one request, as data; `retry.py` decides what follows."""

from __future__ import annotations

import enum

from .define import define


class Kind(enum.Enum):
    """Kinds of failure, one for each reaction of the engine."""

    NETWORK = "network"
    """Connection refused, reset, DNS, TLS handshake cut: retry."""
    TIMEOUT = "timeout"
    """Stalled below the low-speed limit or connect time-out: retry on another connection."""
    THROTTLE = "throttle"
    """503 SlowDown, 429: retry, and fewer slots."""
    SERVER = "server"
    """500, 502, 503, 504, 400 RequestTimeout, an error inside a 200 body: retry."""
    EXPIRED = "expired"
    """ExpiredToken and relatives: read credentials again, then retry."""
    SKEW = "skew"
    """RequestTimeTooSkewed: correct the clock offset, then retry."""
    REDIRECT = "redirect"
    """The bucket lives in another region (301, 307, 400 AuthorizationHeaderMalformed): learn it, then retry."""
    CORRUPT = "corrupt"
    """A byte arrived wrong (BadDigest, checksum or length differs): retry that part."""
    CHANGED = "changed"
    """The source is not what it was (412, size, mtime): stop."""
    CONDITION = "condition"
    """A condition on the target failed (If-None-Match): stop."""
    MISSING = "missing"
    DENIED = "denied"
    KEY = "key"
    """A customer key is wrong or missing."""
    GONE = "gone"
    """NoSuchUpload: the multipart upload is no more (or has been completed)."""
    UNSUPPORTED = "unsupported"
    """501 NotImplemented and relatives: the caller may fall back."""
    LOCAL = "local"
    """An error of a local file."""
    FATAL = "fatal"
    """Everything else: stop."""


RETRYABLE = frozenset(
    {Kind.NETWORK, Kind.TIMEOUT, Kind.THROTTLE, Kind.SERVER, Kind.EXPIRED, Kind.SKEW, Kind.REDIRECT, Kind.CORRUPT}
)


@define(frozen=True, slots=True)
class Failure:
    """Why a request failed."""

    kind: Kind
    message: str
    """One line without secrets: what the server or curl said."""
    status: int = 0
    code: str = ""
    """The S3 error code, such as 'NoSuchKey'; '' if there was none."""
    retry_after: float | None = None
    """Seconds the server asked to wait (Retry-After, RFC 9110 section 10.2.3)."""
    region: str | None = None
    """With REDIRECT: the region to use, if the server said it."""
    server_time: float | None = None
    """With SKEW: the server's clock, seconds since the epoch."""
    errno: int | None = None
    reached: bool = True
    """The server has answered something in this process, now or before; False: nobody knows whether it is there."""
    of_source: bool = False
    """The source of a transfer failed: that says nothing about its target."""
    source: str = ""
    """Its name, safe to show; '' where the error names it anyway."""

    other_form: bool = False
    """The request is worth another try at once, in the form that the judge of capabilities has chosen since."""

    @property
    def retryable(self) -> bool:
        return self.other_form or self.kind in RETRYABLE
