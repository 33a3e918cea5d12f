"""Small objects, one request each: begun here, ended in a loop's thread, so that many are under way and nobody waits.

Only what succeeds at once and is proven is an answer. Everything else (errors, servers that check nothing, objects
that turn out to be large) ends with None, and the caller does it another way, which also has the say about errors.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable

from ..core.checksums import Crc
from ..core.define import define
from ..core.expected import WHATEVER, Expected
from ..core.http import parse_content_range
from ..core.locations import S3Location
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.upload_body import looks_like_md5
from ..errors import S3AMError
from ..wire.curl.streams import Chunks
from ..wire.messages import Reply
from ..wire.s3 import api as s3api
from .checksum_choice import etag_is_md5
from .options import ChecksumChoice
from .proof import stored_of

Cut = Callable[[], None]
_turns = itertools.count()


@define(frozen=True, slots=True)
class Fetched:
    """An object, or a range of one."""

    data: bytes
    info: s3api.ObjectInfo


def begin_put(
    client: S3Client,
    target: S3Location,
    data: bytes,
    options: s3api.ObjectOptions,
    checksum: ChecksumChoice | None,
    done: Callable[[s3api.StoredInfo | None], None],
    expected: Expected = WHATEVER,
) -> Cut:
    """Stores `data` if what is expected stands there. Returns what cuts it."""
    body = body_of(client, target, data, checksum)
    algorithm, value = body.checksum or (None, "")

    def ended(reply: Reply | None) -> None:
        done(_stored(reply, data, options, algorithm, value) if reply is not None else None)

    request = s3api.put_object(target.bucket, target.key, body, options, expected)
    return client.begin(request, ended, loop=_next_loop(client, target.bucket)).cut


def body_of(client: S3Client, target: S3Location, data: bytes, checksum: ChecksumChoice | None) -> s3api.Body:
    """Returns the body of a PutObject with the checksum that the server takes of it."""
    can = client.session.capabilities(target.bucket)
    if checksum is None and can.takes_checksums:
        checksum = "crc64nvme"
    elif checksum is None and can.needs_digest:
        checksum = "md5"
    algorithm = checksum if checksum in ("crc64nvme", "crc32c") else None
    md5 = hashlib.md5(data, usedforsecurity=False).digest() if checksum == "md5" else None
    value = ""
    if algorithm is not None:
        crc = Crc(algorithm)
        crc.update(data)
        value = crc.base64
    return s3api.Body(
        data,
        length=len(data),
        checksum=(algorithm, value) if algorithm is not None else None,
        md5=base64.b64encode(md5).decode() if md5 is not None else None,
    )


def _next_loop(client: S3Client, bucket: str) -> int:
    """Number of the loop for a request with an object's bytes: they take turns where TLS costs CPU, as ranges do."""
    return next(_turns) if client.session.uses_tls(bucket) else 0


def _stored(
    reply: Reply, data: bytes, options: s3api.ObjectOptions, algorithm: str | None, value: str
) -> s3api.StoredInfo | None:
    try:
        stored = s3api.parse_stored(reply)
    except S3AMError:
        return None
    if algorithm is None:
        return stored  # nothing was to be checked, or the server did it (Content-MD5)
    said = stored.checksums.get(algorithm)
    if said is not None:
        return stored if said == value else None
    if etag_is_md5(options) and looks_like_md5(stored.etag):
        return stored if stored.etag == hashlib.md5(data, usedforsecurity=False).hexdigest() else None
    return stored


def begin_list(
    client: S3Client,
    bucket: str,
    prefix: str,
    done: Callable[[s3api.ListPage | None], None],
    *,
    delimiter: str | None = None,
    token: str | None = None,
    max_keys: int | None = None,
) -> Cut:
    """Lists keys that begin with `prefix`, one page; arguments as those of `list_page`. Returns what cuts it."""

    def ended(reply: Reply | None) -> None:
        try:
            page = s3api.parse_objects(reply) if reply is not None else None
        except S3AMError:
            page = None
        done(page)

    request = s3api.list_objects(bucket, prefix=prefix, delimiter=delimiter, token=token, max_keys=max_keys)
    return client.begin(request, ended).cut


def begin_get(
    client: S3Client,
    source: S3Location,
    done: Callable[[Fetched | None], None],
    *,
    limit: int,
    span: tuple[int, int] | None = None,
    customer_key: CustomerKey | None = None,
) -> Cut:
    """Fetches an object of at most `limit` bytes, or its bytes [start, end), as far as it has them.

    Returns what cuts it.
    """
    chunks = Chunks(limit)

    def ended(reply: Reply | None) -> None:
        done(_fetched(reply, b"".join(chunks), span) if reply is not None else None)

    request = s3api.get_object(
        source.bucket,
        source.key,
        offset=span[0] if span is not None else None,
        length=span[1] - span[0] if span is not None else None,
        version_id=source.version_id,
        customer_key=customer_key,
    )
    return client.begin(request, ended, chunks, loop=_next_loop(client, source.bucket)).cut


def _fetched(reply: Reply, data: bytes, span: tuple[int, int] | None) -> Fetched | None:
    info = s3api.parse_object(reply)
    if span is not None:
        got = parse_content_range(reply.headers.get("content-range", "")) if reply.status == 206 else None
        if got is None or got.total is None:
            return None
        exact = got.start == span[0] and got.length == min(span[1], got.total) - span[0] == len(data)
        return Fetched(data, info) if exact else None
    if reply.status != 200 or len(data) != info.size:
        return None
    return Fetched(data, info) if _is_content(data, info) else None


def _crc64(data: bytes) -> str:
    crc = Crc("crc64nvme")
    crc.update(data)
    return crc.base64


def _is_content(data: bytes, info: s3api.ObjectInfo) -> bool:
    """Whether `data` is what S3 stores, as far as its ETag or checksum shows."""
    said = info.checksums.get("crc64nvme")
    if said is not None and info.checksum_type in (None, "FULL_OBJECT") and said == _crc64(data):
        return True
    stored = stored_of(info)
    if stored.crc_name is not None:
        crc = Crc(stored.crc_name)
        crc.update(data)
        return crc.value == stored.crc
    if looks_like_md5(stored.etag):
        return hashlib.md5(data, usedforsecurity=False).hexdigest() == stored.etag
    return True
