"""A small object copied by the server, one of many at a time: no thread waits.

A look at the source, CopyObject, a comparison; where the answers compare nothing, a look at the copy. It ends with None
wherever CopyObject alone does not do (it would give up encryption, class or redirect; a refusal; another content):
`verbs.copy` then does it, which also has the say about errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from ..core.define import define
from ..core.expected import WHATEVER, Expected
from ..core.locations import S3Location
from ..core.ssec import CustomerKey
from ..engine.client import S3Client
from ..engine.one_shot import OneShot
from ..errors import ChecksumMismatch, S3AMError
from ..wire.messages import Reply, S3Request
from ..wire.s3 import api as s3api
from .copy_object import asked_algorithm, compare_copy, keeps_all, warn_of_lost, warn_without
from .one_request import Cut
from .options import ChecksumChoice

Done = Callable[[s3api.StoredInfo | None], None]


@define(frozen=True, slots=True)
class CopyOrder:
    """One object to copy inside a service."""

    source: S3Location
    target: S3Location
    options: s3api.ObjectOptions
    """Of the copy; nothing about content headers and user metadata if these are the source's."""
    etag: str = ""
    """Of the source, as it was listed; '': whatever stands there."""
    expected: Expected = WHATEVER
    """The expected state of the target."""
    source_key: CustomerKey | None = field(default=None, repr=False)
    copy_metadata: bool = True
    """Content headers and user metadata are the source's; else those of `options`."""
    checksum: ChecksumChoice | None = None
    """The checksum that is stored with the copy; None: that of the source."""

    def request(self, expected: Expected, etag: str | None) -> S3Request:
        """CopyObject. etag: of the source, as a condition; None: it can't be met with one."""
        source = s3api.CopySource(
            self.source.bucket,
            self.source.key,
            version_id=self.source.version_id,
            if_match=etag,
            customer_key=self.source_key,
        )
        return s3api.copy_object(
            self.target.bucket,
            self.target.key,
            source,
            self.options,
            expected=expected,
            replace_metadata=not self.copy_metadata,
            checksum_algorithm=asked_algorithm(self.checksum),
        )


def begin_copy(client: S3Client, order: CopyOrder, done: Done, warn: Callable[[str], None]) -> Cut:
    """Copies an object of at most 5 GiB. Returns what cuts it.

    done: called in a loop's thread with the copy, or None: then `verbs.copy` has to do it. warn: receives what no copy
    keeps.
    """
    return _SmallCopy(client, order, done, warn).begin()


class _SmallCopy:
    def __init__(self, client: S3Client, order: CopyOrder, done: Done, warn: Callable[[str], None]) -> None:
        self._client = client
        self._order = order
        self._done = done
        self._warn = warn
        self._under_way: OneShot | None = None
        self._is_cut = False

    def begin(self) -> Cut:
        where = self._order.source
        request = s3api.head_object(
            where.bucket, where.key, version_id=where.version_id, customer_key=self._order.source_key
        )
        self._send(request, self._looked)
        return self._cut

    def _send(self, request: S3Request, on_reply: Callable[[Reply | None], None]) -> None:
        if self._is_cut:
            self._done(None)
        else:
            self._under_way = self._client.begin(request, on_reply)

    def _cut(self) -> None:
        self._is_cut = True
        if self._under_way is not None:
            self._under_way.cut()

    def _looked(self, reply: Reply | None) -> None:
        order = self._order
        info = s3api.parse_object(reply) if reply is not None else None
        if info is None or (order.etag and info.etag != order.etag):
            self._done(None)  # it can't be seen, or was replaced since
            return
        if not keeps_all(info, order.options, metadata=order.copy_metadata):
            self._done(None)
            return
        warn_of_lost(self._client, order.source, info, self._warn, in_parts=False)
        self._send(order.request(order.expected, info.strong_etag), lambda reply: self._copied(info, reply))

    def _copied(self, info: s3api.ObjectInfo, reply: Reply | None) -> None:
        try:
            stored = s3api.parse_copied(reply) if reply is not None else None
        except S3AMError:
            stored = None
        if stored is None:
            self._done(None)
            return
        order = self._order
        warn_without(self._client, order.target, asked_algorithm(order.checksum), stored, self._warn)
        same = self._is_same(info, stored.checksums, stored.etag)
        if same is not None:
            self._done(stored if same else None)
            return
        request = s3api.head_object(order.target.bucket, order.target.key, customer_key=order.options.customer_key)
        self._send(request, lambda reply: self._found(info, stored, reply))

    def _found(self, info: s3api.ObjectInfo, stored: s3api.StoredInfo, reply: Reply | None) -> None:
        found = s3api.parse_object(reply) if reply is not None else None
        if found is None or found.etag != stored.etag:
            self._done(stored)  # it may not be seen, or another writer was there since
            return
        same = self._is_same(info, found.checksums, "") is not False and found.size == info.size
        self._done(stored if same else None)

    def _is_same(self, info: s3api.ObjectInfo, checksums: Mapping[str, str], etag: str) -> bool | None:
        """Whether what has `checksums` and `etag` is what `info` describes; None: nothing of it can be compared."""
        order = self._order
        try:
            return bool(compare_copy(info, order.source.url, order.target.url, checksums, etag)) or None
        except ChecksumMismatch:
            return False
