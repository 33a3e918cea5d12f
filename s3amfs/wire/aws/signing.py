"""Signatures: SigV4 as botocore's `S3SigV4Auth` makes it, in one pass. No network, no state; any thread.

Every request of S3 is signed here, and botocore's steps take longer. Its class is not called: it takes the clock as it
is (ours is corrected after RequestTimeTooSkewed) and writes the canonical request to the debug log, customer keys
included. `tests/wire/aws/test_signing.py` compares each header with botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import botocore.auth
from botocore.auth import AUTH_TYPE_MAPS, EMPTY_SHA256_HASH, SIGNED_HEADERS_BLACKLIST, SIGV4_TIMESTAMP
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from ..messages import S3Request
from .endpoints import Endpoint

_SPACES = re.compile(r":\s|\s\s|\s\Z|[^\S \n]")
Headers = tuple[tuple[str, str], ...]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_OURS = frozenset({"authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"})
"""Headers that the signer writes, whatever stood there (botocore's `_modify_request_before_signing`)."""


def payload_hash(request: S3Request) -> str:
    """The value of x-amz-content-sha256."""
    if request.payload == "trailer":
        return STREAMING_TRAILER
    if request.payload == "unsigned":
        return UNSIGNED_PAYLOAD
    return hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256_HASH


def sign(
    request: S3Request, url: str, headers: Headers, endpoint: Endpoint, credentials: ReadOnlyCredentials, now: float
) -> Headers:
    """The headers with signature, date, content hash and session token; `now` is the server's clock, epoch seconds.

    Source of the rule: IAM User Guide, "Create a signed AWS API request"; S3 API, "Authenticating Requests".
    """
    if endpoint.scheme == "sigv4a":
        return _sign_asymmetric(request, url, headers, endpoint, credentials)
    stamp = _timestamp(int(now))
    scope = (stamp[:8], endpoint.region, endpoint.signing_name, "aws4_request")
    scope_text = "/".join(scope)
    digest = payload_hash(request)
    sent = dict(headers)
    for name in _ours_among(tuple(sent)):
        del sent[name]
    sent["X-Amz-Date"] = stamp
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    sent["X-Amz-Content-SHA256"] = digest
    where, _, query = url.partition("?")
    scheme, _, host, path = where.split("/", 3)
    names, listed = _signed_among(tuple(sent))
    values = {"host": _host(f"{scheme}//{host}"), **sent}
    lines = [f"{lower}:{values[name]}" for lower, name in names.items()]
    if not _is_trim("\n".join(lines)):
        lines = [f"{lower}:{' '.join(values[name].split())}" for lower, name in names.items()]
    canonical = [request.method.upper(), f"/{path}", _canonical_query(query), *lines, "", listed, digest]
    whole = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope_text}\n{whole}"
    signed_by = _signer(credentials.secret_key, *scope).copy()
    signed_by.update(text.encode())
    signature = signed_by.hexdigest()
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope_text}, "
        f"SignedHeaders={listed}, Signature={signature}"
    )
    return tuple(sent.items())


@lru_cache(maxsize=64)
def _ours_among(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name.lower() in _OURS)


@lru_cache(maxsize=64)
def _signed_among(names: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """Name in lower case -> the header's name, of all that are signed, in their order; and their list."""
    found = {name.lower(): name for name in names if name.lower() not in SIGNED_HEADERS_BLACKLIST}
    found.setdefault("host", "host")
    ordered = {lower: found[lower] for lower in sorted(found)}
    return ordered, ";".join(ordered)


def _is_trim(lines: str) -> bool:
    """Whether there is no white space around a value of `lines`, and one space at most within."""
    return _SPACES.search(lines) is None


def _canonical_query(query: str) -> str:
    """The pairs of an escaped query in their order, each with its '='."""
    if not query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&"))
    return "&".join([f"{name}={value}" for name, value in pairs])


@lru_cache(maxsize=4)
def _timestamp(second: int) -> str:
    return time.strftime(SIGV4_TIMESTAMP, time.gmtime(second))


@lru_cache(maxsize=64)
def _host(url: str) -> str:
    theirs: Any = botocore.auth
    return str(theirs._host_from_url(url))


@lru_cache(maxsize=64)
def _signer(secret: str, *scope: str) -> hmac.HMAC:
    """An HMAC with the key for one day, region and service; a copy of it signs one text."""
    key = f"AWS4{secret}".encode()
    for name in scope:
        key = hmac.digest(key, name.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")


def _sign_asymmetric(
    request: S3Request, url: str, headers: Headers, endpoint: Endpoint, credentials: ReadOnlyCredentials
) -> Headers:
    """SigV4a (multi-region access points), done by awscrt; it reads the machine's clock itself."""
    signed = AWSRequest(method=request.method, url=url, headers=dict(headers), data=request.body)
    if request.payload == "trailer":
        signed.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    elif request.payload == "unsigned":
        signed.context["client_config"] = SimpleNamespace(s3={"payload_signing_enabled": False})
    auth: Any = AUTH_TYPE_MAPS["s3v4a"]
    auth(credentials, endpoint.signing_name, endpoint.region).add_auth(signed)
    return tuple(
        (name, value) for name, value in signed.headers.items() if name.lower() not in ("host", "content-length")
    )
