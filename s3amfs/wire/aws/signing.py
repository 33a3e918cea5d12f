"""Signatures: botocore's SigV4 classes behind one function. No network, no state; any thread.

`S3SigV4Auth.add_auth` is not called itself: it takes the clock as it is (ours is corrected after RequestTimeTooSkewed)
and writes the canonical request to the debug log, customer keys included.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import botocore.auth
from botocore.auth import AUTH_TYPE_MAPS, EMPTY_SHA256_HASH, SIGNED_HEADERS_BLACKLIST, SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from ..messages import S3Request
from .endpoints import Endpoint

Headers = tuple[tuple[str, str], ...]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


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
    """The headers with signature, date, content hash and session token; `now` is the server's clock, epoch seconds."""
    if endpoint.scheme == "sigv4a":
        return _sign_asymmetric(request, url, headers, endpoint, credentials)
    signed = _Request(request.method, url, headers)
    signed.context["timestamp"] = time.strftime(SIGV4_TIMESTAMP, time.gmtime(now))
    signed.context["payload"] = payload_hash(request)
    auth = _Signer(credentials, endpoint.signing_name, endpoint.region)
    auth.add_auth(signed)
    return tuple(signed.headers.items())


class _Headers(dict[str, str]):
    """As botocore's HTTPHeaders, for names that come once; those cost half of a signature."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


class _Request:
    """The part of AWSRequest that the signer looks at; AWSRequest itself costs as much as the signature."""

    __slots__ = ("body", "context", "headers", "method", "params", "signed", "url")

    def __init__(self, method: str, url: str, headers: Headers) -> None:
        self.method = method
        self.url = url
        self.headers = _Headers(headers)
        self.params: dict[str, str] = {}
        self.context: dict[str, Any] = {}
        self.body = b""
        self.signed: _Headers | None = None
        """The headers that are signed, in lower case."""


class _Signer(S3SigV4Auth):
    """Results that are the same for many requests, or asked for twice, are made once."""

    def add_auth(self, request: Any) -> None:
        steps: Any = self  # the stubs of botocore leave the underscored steps out
        steps._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        steps._inject_signature_to_request(request, signature)

    def payload(self, request: Any) -> str:
        return str(request.context["payload"])

    def headers_to_sign(self, request: Any) -> Any:
        if request.signed is None:
            lower = ((name.lower(), value) for name, value in request.headers.items())
            request.signed = _Headers((name, value) for name, value in lower if name not in SIGNED_HEADERS_BLACKLIST)
            request.signed.setdefault("host", _host("/".join(request.url.split("/", 3)[:3])))
        return request.signed

    def signature(self, string_to_sign: str, request: Any) -> str:
        its: Any = self
        names = (request.context["timestamp"][:8], its._region_name, its._service_name, "aws4_request")
        return hmac.digest(_signing_key(self.credentials.secret_key, *names), string_to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _host(url: str) -> str:
    theirs: Any = botocore.auth
    return str(theirs._host_from_url(url))


@lru_cache(maxsize=64)
def _signing_key(secret: str, *scope: str) -> bytes:
    """For one day, region and service."""
    key = f"AWS4{secret}".encode()
    for name in scope:
        key = hmac.digest(key, name.encode(), "sha256")
    return key


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
