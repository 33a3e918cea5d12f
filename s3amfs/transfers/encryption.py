"""Whether an object is encrypted as it was asked for. Servers exist that drop the headers for it and answer 200.

Proven by a look, once for each endpoint, bucket and kind of encryption: an object under a customer's key must not be
readable without it (HeadObject, then a byte), and one that the server encrypts must say so (HeadObject). Where the
server is known to store in the clear, nothing is sent.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..core.failures import Failure, Kind
from ..core.locations import S3Location
from ..engine.client import CountingClient, S3Client
from ..engine.uploads import abort_upload
from ..errors import InTheClear, S3AMError
from ..wire.aws.capabilities import Feature
from ..wire.failures import find_failure
from ..wire.s3 import api as s3api
from . import unfinished

CUSTOMER_KEY = "sse-c"
_SENT_ONCE: tuple[Feature, ...] = ("checksum_mode",)
"""A refusal is the answer that is hoped for: it is not tried without what is optional."""
LOOK_SECONDS = 10.0
"""For so long a look is tried again: an upload that has succeeded does not wait for a server that can't answer it."""
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
    """Before a transfer. Raises InTheClear where the server is known not to encrypt as `options` say."""
    kind = kind_of(options)
    if kind is not None and client.session.capabilities(target.bucket).encrypts.get(kind) is False:
        raise InTheClear(f"{target.url}: {_how(kind)}: nothing was sent")


def refuse_if_always_failed(
    client: S3Client, target: S3Location, options: s3api.ObjectOptions, failure: Failure, began: float
) -> None:
    """After a few failures of the server. Raises InTheClear where it takes the same request without encryption.

    SeaweedFS without keys answers 500, which looks like trouble that ends. Uploads are begun, which shows nothing, and
    aborted, one with encryption and one without; and those that were begun in spite of the 500.

    failure: the last one. began: when the first try was made (time.monotonic()).
    """
    kind = kind_of(options)
    if kind is None or kind == CUSTOMER_KEY or failure.kind is not Kind.SERVER or is_settled(client, target, options):
        return
    begun, again = _create(client, target, options)
    if begun is not None:
        _abort(client, begun)
    if again is None or again.kind is not Kind.SERVER:
        return
    begun, _ = _create(client, target, replace(options, sse=None, sse_kms_key_id=None, bucket_key=None))
    if begun is None:
        return
    _abort(client, begun, since=began)
    client.session.capabilities(target.bucket).encrypts[kind] = False
    raise InTheClear(
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
    if failure is not None:
        return None, failure
    try:
        return s3api.parse_created(reply, target.bucket, target.key), None
    except S3AMError:
        return None, None  # an odd answer shows nothing


def _abort(client: S3Client, begun: s3api.MultipartUpload, since: float | None = None) -> None:
    """since: when requests began that may have left uploads of the same key (time.monotonic()); None: none did."""
    try:
        if since is not None:
            unfinished.abort_orphans(client, begun, set(), time.monotonic() - since)
        abort_upload(client, begun)
    except S3AMError:
        return  # without the right to abort (or to list) it stays; that says nothing about encryption


def require_encrypted(
    client: S3Client, target: S3Location, options: s3api.ObjectOptions, etag: str, named: str | None = None
) -> None:
    """Looks at the object that was stored with `etag` unless the server is known to encrypt.

    named: the encryption that an answer to storing it has named (S3 API: PutObject, CreateMultipartUpload,
    CompleteMultipartUpload, CopyObject); it counts where HeadObject names none. A server that drops the request names
    none anywhere. Where the answers leave that open, nothing is said. Raises InTheClear if it is in the clear.
    """
    kind = kind_of(options)
    encrypts = client.session.capabilities(target.bucket).encrypts
    if kind is None or encrypts.get(kind) is True:
        return
    if encrypts.get(kind) is False:  # found out while this was under way
        raise InTheClear(_stored_in_the_clear(target, kind, None))
    client = that_gives_up_soon(client)
    reply, failure = client.attempt(s3api.head_object(target.bucket, target.key), keep=_SENT_ONCE)
    if failure is not None:
        if kind == CUSTOMER_KEY and _asks_for_key(failure):
            encrypts[kind] = True
        return  # a refusal for another reason proves nothing
    found = s3api.parse_object(reply)
    if found.etag != etag and not _ignores_keys(client, target, options):
        return  # another writer was there since
    if kind == CUSTOMER_KEY:
        seen = _needs_key(client, target, found.size)
    else:
        seen = _is_as_strong(found.sse or named, kind)
    if seen is None:
        return
    encrypts[kind] = seen
    if not seen:
        raise InTheClear(_stored_in_the_clear(target, kind, found.sse))


def _stored_in_the_clear(target: S3Location, kind: str, sse: str | None) -> str:
    named = f"encrypted by {sse}" if sse else "no encryption is named for it"
    but = "not encrypted" if kind == CUSTOMER_KEY else named
    return f"{target.url} is stored, but {but}: {_how(kind)}; remove it if that must not be"


def that_gives_up_soon(client: S3Client) -> S3Client:
    """Returns a client for looks after a success, whose retries end after `LOOK_SECONDS`."""
    looks = S3Client(client.session, client.given_engine, client.on_retry, client.on_notice)
    budget = min(client.policy.budget, LOOK_SECONDS)
    looks.policy = replace(client.policy, budget=budget, unreached=min(client.policy.unreached, budget))
    return looks


def _is_as_strong(found: str | None, kind: str) -> bool:
    """Whether encryption by `found` is what was asked for: some servers do AES256 with a KMS, and say that."""
    return found == kind or (kind == "AES256" and (found or "").startswith("aws:kms"))


def _needs_key(client: S3Client, target: S3Location, size: int) -> bool | None:
    """Whether an object that HeadObject describes to anybody is readable with its key alone; None: that is open."""
    if size == 0:
        return None
    request = s3api.get_object(target.bucket, target.key, offset=0, length=1)
    _, failure = client.attempt(request, keep=_SENT_ONCE)
    if failure is None:
        return False
    return True if _asks_for_key(failure) else None


def _asks_for_key(failure: Failure) -> bool:
    return failure.kind is Kind.KEY or failure.status == 400


def _ignores_keys(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> bool:
    """Whether a key is taken for an object that is readable without one: S3 refuses that (400)."""
    if options.customer_key is None:
        return False
    _, failure = client.attempt(s3api.head_object(target.bucket, target.key, customer_key=options.customer_key))
    return failure is None


def _how(kind: str) -> str:
    if kind == CUSTOMER_KEY:
        return "this server drops customer keys without a word, and objects are readable without them"
    return (
        f"this server drops the request for {kind} without a word, or never says how it encrypts (where it is known to "
        "encrypt everything, leave --sse, or ServerSideEncryption, out)"
    )
