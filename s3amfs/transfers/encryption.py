"""Whether an object is encrypted as it was asked for. Servers exist that drop the headers for it and answer 200.

Proven by a look, once for each endpoint, bucket and kind of encryption: an object under a customer's key must not be
readable without it, and one that the server encrypts must say so (HeadObject, x-amz-server-side-encryption). Where the
server is known to store in the clear, nothing is sent.
"""

from __future__ import annotations

from ..core.failures import Kind
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import Unsupported
from ..wire.s3 import api as s3api

CUSTOMER_KEY = "sse-c"


def kind_of(options: s3api.ObjectOptions) -> str | None:
    """'sse-c', 'AES256', 'aws:kms', …; None where no encryption is asked for."""
    return CUSTOMER_KEY if options.customer_key is not None else options.sse


def refuse_in_the_clear(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> None:
    """Raises Unsupported where the server is known not to encrypt as `options` say."""
    kind = kind_of(options)
    if kind is not None and client.session.capabilities(target.bucket).encrypts.get(kind) is False:
        raise Unsupported(f"{target.url}: {_how(kind)}: nothing was sent")


def require_encrypted(client: S3Client, target: S3Location, options: s3api.ObjectOptions, etag: str) -> None:
    """Looks at the object that was stored with `etag` unless the server is known to encrypt.

    Raises Unsupported if it is in the clear, TransferError.
    """
    kind = kind_of(options)
    encrypts = client.session.capabilities(target.bucket).encrypts
    if kind is None or kind in encrypts:
        return
    reply, failure = client.attempt(s3api.head_object(target.bucket, target.key), keep=("checksum_mode",))
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
