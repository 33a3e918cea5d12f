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
from ..engine.client import S3Client
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
    """Before a transfer. Raises Unsupported where the server is known, or seen now, not to encrypt as `options` say."""
    kind = kind_of(options)
    if kind is None:
        return
    encrypts = client.session.capabilities(target.bucket).encrypts
    if encrypts.get(kind) is False:
        raise Unsupported(f"{target.url}: {_how(kind)}: nothing was sent")
    if kind != CUSTOMER_KEY and kind not in encrypts and (said := _fails_always(client, target, options)):
        encrypts[kind] = False
        raise Unsupported(
            f"{target.url}: this server fails each request for {kind} ({said}) and takes the same one without: "
            "it has no such encryption; nothing was sent"
        )


def _fails_always(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> str:
    """The answer to uploads that ask for encryption, if it is always a failure and plain ones are taken; else "".

    SeaweedFS without keys answers 500, which looks like trouble that ends. Uploads are begun, which shows nothing, and
    aborted: a few with encryption, then one without. Those that were begun in spite of the 500 are aborted, too.
    """
    plain = replace(options, sse=None, sse_kms_key_id=None, bucket_key=None)
    known = {upload.upload_id for upload in unfinished.list_unfinished(client, target) or ()}
    began, said = time.monotonic(), ""
    for _ in range(TRIES):
        begun, failure = _create(client, target, options)
        if begun is not None:
            abort_upload(client, begun)
        if failure is None or failure.kind is not Kind.SERVER:
            return ""
        said = failure.message
    begun, _ = _create(client, target, plain)
    if begun is None:
        return ""
    unfinished.abort_orphans(client, begun, known, time.monotonic() - began)
    abort_upload(client, begun)
    return said


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
