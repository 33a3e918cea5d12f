"""Whether an object is encrypted as it was asked for. Servers exist that drop the headers for it and answer 200.

Proven by a look, once for each endpoint, bucket and kind of encryption: an object under a customer's key must not be
readable without it, and one that the server encrypts must say so (HeadObject, x-amz-server-side-encryption). Where the
server is known to store in the clear, nothing is sent.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..core.failures import Failure, Kind
from ..core.locations import S3Location
from ..engine.client import CountingClient, S3Client
from ..engine.uploads import abort_upload
from ..errors import Unsupported
from ..wire.aws.capabilities import Feature
from ..wire.failures import find_failure
from ..wire.s3 import api as s3api
from . import unfinished

CUSTOMER_KEY = "sse-c"
_SENT_ONCE: tuple[Feature, ...] = ("checksum_mode",)
"""A refusal is the answer that is hoped for: it is not tried without what is optional."""
TRIES = 3
"""Answers in a row that are more than one odd one."""


def kind_of(options: s3api.ObjectOptions) -> str | None:
    """'sse-c', 'AES256', 'aws:kms', …; None where no encryption is asked for."""
    return CUSTOMER_KEY if options.customer_key is not None else options.sse


def is_settled(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> bool:
    """Whether no encryption is asked for, or the server was seen to encrypt so: then nothing is to be looked at."""
    kind = kind_of(options)
    return kind is None or client.session.capabilities(target.bucket).encrypts.get(kind) is True


def refuse_in_the_clear(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> None:
    """Before a transfer. Raises Unsupported where the server is known not to encrypt as `options` say."""
    kind = kind_of(options)
    if kind is not None and client.session.capabilities(target.bucket).encrypts.get(kind) is False:
        raise Unsupported(f"{target.url}: {_how(kind)}: nothing was sent")


def refuse_if_always_failed(
    client: S3Client, target: S3Location, options: s3api.ObjectOptions, failure: Failure, began: float
) -> None:
    """After a few failures of the server. Raises Unsupported where it takes the same request without encryption.

    SeaweedFS without keys answers 500, which looks like trouble that ends. Uploads are begun, which shows nothing, and
    aborted, one with encryption and one without; and those that were begun in spite of the 500.

    failure: the last one. began: when the first try was made (time.monotonic()).
    """
    kind = kind_of(options)
    if kind is None or kind == CUSTOMER_KEY or failure.kind is not Kind.SERVER or is_settled(client, target, options):
        return
    begun, again = _create(client, target, options)
    if begun is not None:
        abort_upload(client, begun)
    if again is None or again.kind is not Kind.SERVER:
        return
    begun, _ = _create(client, target, replace(options, sse=None, sse_kms_key_id=None, bucket_key=None))
    if begun is None:
        return
    unfinished.abort_orphans(client, begun, set(), time.monotonic() - began)
    abort_upload(client, begun)
    client.session.capabilities(target.bucket).encrypts[kind] = False
    raise Unsupported(
        f"{target.url}: this server fails each request for {kind} ({again.message}) and takes the same one without: "
        "it has no such encryption; nothing was stored"
    )


class EncryptionWatch(CountingClient):
    """A client like `client` whose retries end where the server fails for the encryption that is asked for."""

    def __init__(self, client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> None:
        super().__init__(client)
        self._given, self._target, self._options = client, target, options
        self._began = time.monotonic()

    def _count(self, failure: Failure, delay: float) -> None:
        super()._count(failure, delay)
        if self.retries == TRIES:
            refuse_if_always_failed(self._given, self._target, self._options, failure, self._began)


def _create(
    client: S3Client, target: S3Location, options: s3api.ObjectOptions
) -> tuple[s3api.MultipartUpload | None, Failure | None]:
    """An upload that is begun by one request, or why it is not."""
    request = s3api.create_multipart_upload(target.bucket, target.key, options)
    reply = client.engine.call(client.session.prepare(request))
    failure = find_failure(reply)
    return (s3api.parse_created(reply, target.bucket, target.key), None) if failure is None else (None, failure)


def require_encrypted(client: S3Client, target: S3Location, options: s3api.ObjectOptions, etag: str) -> None:
    """Looks at the object that was stored with `etag` unless the server is known to encrypt.

    Raises Unsupported if it is in the clear, TransferError.
    """
    kind = kind_of(options)
    encrypts = client.session.capabilities(target.bucket).encrypts
    if kind is None or kind in encrypts:
        return
    reply, failure = client.attempt(s3api.head_object(target.bucket, target.key), keep=_SENT_ONCE)
    if failure is not None:
        if kind == CUSTOMER_KEY and (failure.kind is Kind.KEY or failure.status == 400):
            encrypts[kind] = True
        return  # a refusal for another reason proves nothing
    found = s3api.parse_object(reply)
    if found.etag != etag and not _ignores_keys(client, target, options):
        return  # another writer was there since
    encrypts[kind] = kind != CUSTOMER_KEY and found.sse == kind
    if not encrypts[kind]:
        raise Unsupported(f"{target.url} is stored, but not encrypted: {_how(kind)}; remove it if that must not be")


def _ignores_keys(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> bool:
    """Whether a key is taken for an object that is readable without one: S3 refuses that (400)."""
    if options.customer_key is None:
        return False
    _, failure = client.attempt(s3api.head_object(target.bucket, target.key, customer_key=options.customer_key))
    return failure is None


def _how(kind: str) -> str:
    if kind == CUSTOMER_KEY:
        return "this server drops customer keys without a word, and objects are readable without them"
    return f"this server drops the request for {kind} without a word"
