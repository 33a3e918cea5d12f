"""Blocking control calls of one S3 service: head, list, small puts and gets, and any other request, with retries.

Any thread may use a client. The data of parts does not go through here (`executor.py`), but what is learned about the
service (regions, clock, capabilities) is shared through the session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from ..core.checksums import Crc
from ..core.failures import Failure, Kind
from ..core.http import origin
from ..core.retry import RetryPolicy
from ..core.ssec import CustomerKey
from ..errors import NotFound
from ..wire.aws.capabilities import Feature
from ..wire.aws.session import S3Session
from ..wire.curl.options import FRESH_CONNECT
from ..wire.curl.streams import Chunks
from ..wire.failures import find_failure, naming_encryption, to_error
from ..wire.messages import HttpRequest, Reply, S3Request
from ..wire.s3 import api as s3api
from . import waiting
from .heads import look
from .limits import SlotGate
from .loop import Engine, get_engine
from .one_shot import OneShot, OnReply
from .retry_loop import retrying
from .second_try import send_with_options

OnRetry = Callable[[Failure, float], None]
OnNotice = Callable[[str], None]


class S3Client:
    """A client of one service.

    session: endpoint and credentials. engine: None: the process's own. on_retry: called at each retry (failure, delay
    in s). on_notice: called once for a harmless oddity of the server.
    """

    def __init__(
        self,
        session: S3Session,
        engine: Engine | None = None,
        on_retry: OnRetry | None = None,
        on_notice: OnNotice | None = None,
    ) -> None:
        self.session = session
        self.given_engine = engine
        self.policy = RetryPolicy.of(session.config.retry_budget, session.config.max_attempts)
        self.on_retry = on_retry
        self.on_notice = on_notice
        self._seen_buckets: set[str] = set()  # of those that exist nobody asks again at each absent name

    @property
    def engine(self) -> Engine:
        """Looked up at each use: a client lives on in a forked child, an engine does not."""
        return self.given_engine or get_engine()

    def endpoint(self, bucket: str | None) -> str:
        """The name of the lines to `bucket`: one service may be near in one region and far in another."""
        return f"{origin(self.session.endpoint_id(bucket))} {self.session.region(bucket)}"

    def call(self, request: S3Request, what: str) -> Reply:
        """Sends `request` until it succeeds or the policy gives up; `what` is what the error will be about.

        Raises the S3AMError that belongs to the last failure.
        """
        reply, failure = self.attempt(request)
        if failure is not None:
            raise to_error(failure, what)
        return reply

    def attempt(
        self, request: S3Request, *, fresh: bool = False, keep: Collection[Feature] = ()
    ) -> tuple[Reply, Failure | None]:
        """Like `call`, but returns the last failure, for callers with another plan.

        A request that is refused is sent once more without its optional headers, except those in `keep`.
        fresh: on a new connection. On a kept one that turns out to be dead, curl sends the request again by itself, and
        the caller can't see that the first may have been executed.
        """
        can = self.session.capabilities(request.bucket)
        return send_with_options(request, can, partial(self._attempt, fresh=fresh), keep)

    def _attempt(self, request: S3Request, *, fresh: bool) -> tuple[Reply, Failure | None]:
        reply = Reply(0)

        def once() -> Failure | None:
            nonlocal reply
            if not self.session.credentials_fresh():
                self._renew()
            prepared = self.session.prepare(request)
            if fresh:
                prepared = replace(prepared, options=(*prepared.options, (FRESH_CONNECT, 1)))
            reply = self.engine.call(prepared)
            if reply.ok:
                self.engine.lines.found_latency(self.endpoint(request.bucket), reply.latency)
            return naming_encryption(find_failure(reply), request.headers)

        def learn(failure: Failure, delay: float) -> None:
            self.learn(failure, request.bucket)
            if failure.kind is Kind.EXPIRED:
                self._renew(force=True)
            if self.on_retry is not None:
                self.on_retry(failure, delay)

        failure = retrying(self.policy, once, learn, self.engine.sampler)
        if failure is None and s3api.has_bare_etag(reply):
            self._notice_etags(request.bucket)
        return reply, failure

    def _renew(self, *, force: bool = False) -> None:
        with waiting.long_wait("credentials"):
            self.session.refresh_credentials(force)

    def _notice_etags(self, bucket: str | None) -> None:
        can = self.session.capabilities(bucket)
        noticed, can.quoted_etags = can.quoted_etags is False, False
        if self.on_notice is not None and not noticed:
            self.on_notice("the server sends ETags without quotes; they are compared without")

    def begin(
        self,
        request: S3Request,
        on_reply: OnReply,
        chunks: Chunks | None = None,
        *,
        loop: int = 0,
        gate: SlotGate | None = None,
    ) -> OneShot:
        """Sends `request` once and does not wait.

        on_reply is called in a loop's thread: with the reply of a success; with None for all else, which is then to be
        done by `call`. chunks: where the body goes. loop: number of the loop to use. gate: slots shared with others.
        """

        def prepare() -> HttpRequest | None:
            return self.session.prepare(request) if self.session.credentials_fresh() else None

        return OneShot(self.engine.loop(loop), prepare, on_reply, chunks, gate)

    def learn(self, failure: Failure, bucket: str | None) -> None:
        """Takes up what a failure says about the service, so that the next request does better."""
        if failure.kind is Kind.REDIRECT and failure.region is None and bucket is not None:
            reply = self.engine.call(self.session.prepare(s3api.head_bucket(bucket)))
            failure = replace(failure, region=s3api.parse_region(reply))
        self.session.learn(failure, bucket)

    # -- objects ----------------------------------------------------------------------------------------------------

    def head(
        self, bucket: str, key: str, *, version_id: str | None = None, customer_key: CustomerKey | None = None
    ) -> s3api.ObjectInfo:
        """Returns what HeadObject says of `key`. Raises NotFound, AccessDenied, EncryptionKeyError, TransferError."""
        reply, failure = look(self.attempt, bucket, key, version_id=version_id, customer_key=customer_key)
        if failure is not None and failure.kind is Kind.DENIED and customer_key is not None:
            # A wrong customer key is often answered by 'access denied'. Without a key an object that has one is refused
            # for that reason, and only to those who may read it.
            _, said = self.attempt(s3api.get_object(bucket, key, offset=0, length=1, version_id=version_id))
            if said is not None and said.kind is Kind.KEY:
                failure = replace(said, message="the encryption key is not the one that the object was stored with")
        if failure is not None:
            raise to_error(failure, f"s3://{bucket}/{key}")
        return s3api.parse_object(reply)

    def begin_head(
        self,
        bucket: str,
        key: str,
        on_info: Callable[[s3api.ObjectInfo | None], None],
        *,
        customer_key: CustomerKey | None = None,
    ) -> None:
        """`head` as `begin` does it: one of many at a time."""

        def on_reply(reply: Reply | None) -> None:
            on_info(s3api.parse_object(reply) if reply is not None else None)

        self.begin(s3api.head_object(bucket, key, customer_key=customer_key), on_reply)

    def find(
        self, bucket: str, key: str, *, customer_key: CustomerKey | None = None, checks_bucket: bool = True
    ) -> s3api.ObjectInfo | None:
        """Like `head`, but None if there is no such object. A missing bucket raises NotFound if it was never there, but
        not without `checks_bucket`: that request is for those whose next one does not find it out."""
        try:
            return self.head(bucket, key, customer_key=customer_key)
        except NotFound:
            if checks_bucket and bucket not in self._seen_buckets:
                self.check_bucket(bucket)
            return None

    def check_bucket(self, bucket: str) -> None:
        """Raises NotFound if there is no such bucket, AccessDenied if it may not be used at all."""
        _, failure = self.attempt(s3api.head_bucket(bucket))
        if failure is not None and failure.kind is Kind.MISSING:
            raise NotFound(f"bucket {bucket} does not exist: check its name, the endpoint and the region")
        if failure is not None and failure.kind is not Kind.DENIED:  # HeadBucket needs ListBucket, an upload does not
            raise to_error(failure, f"s3://{bucket}")
        self._seen_buckets.add(bucket)

    def get(
        self,
        bucket: str,
        key: str,
        *,
        offset: int | None = None,
        length: int | None = None,
        version_id: str | None = None,
        if_match: str | None = None,
        customer_key: CustomerKey | None = None,
    ) -> tuple[s3api.ObjectInfo, bytes]:
        """A small object, or a small range of one, in memory (at most 32 MiB)."""
        request = s3api.get_object(
            bucket,
            key,
            offset=offset,
            length=length,
            version_id=version_id,
            if_match=if_match,
            customer_key=customer_key,
        )
        reply = self.call(request, f"s3://{bucket}/{key}")
        return s3api.parse_object(reply), reply.body

    def put(self, bucket: str, key: str, data: bytes, options: s3api.ObjectOptions | None = None) -> s3api.StoredInfo:
        """Stores a small object in one request, with its CRC64NVME where the server knows it."""
        crc = Crc("crc64nvme")
        crc.update(data)
        known = self.session.capabilities(bucket).takes_checksums
        body = s3api.Body(data, checksum=("crc64nvme", crc.base64) if known else None)
        request = s3api.put_object(bucket, key, body, options or s3api.ObjectOptions())
        return s3api.parse_stored(self.call(request, f"s3://{bucket}/{key}"))

    def delete(self, bucket: str, key: str, *, version_id: str | None = None) -> None:
        self.call(s3api.delete_object(bucket, key, version_id=version_id), f"s3://{bucket}/{key}")

    def delete_many(
        self, bucket: str, keys: Iterable[str], etags: Mapping[str, str] | None = None
    ) -> tuple[s3api.DeleteFailure, ...]:
        """Deletes up to 1,000 keys in one request; returns those that failed. etags: expected ETags, by key."""
        return s3api.parse_deleted(self.call(s3api.delete_objects(bucket, keys, etags), f"s3://{bucket}"))

    def tags(self, bucket: str, key: str, *, version_id: str | None = None) -> dict[str, str]:
        request = s3api.get_object_tagging(bucket, key, version_id=version_id)
        return s3api.parse_tags(self.call(request, f"s3://{bucket}/{key}"))

    # -- listings ---------------------------------------------------------------------------------------------------

    def list_page(
        self,
        bucket: str,
        prefix: str = "",
        *,
        delimiter: str | None = None,
        token: str | None = None,
        start_after: str | None = None,
        max_keys: int | None = None,
    ) -> s3api.ListPage:
        request = s3api.list_objects(
            bucket, prefix=prefix, delimiter=delimiter, token=token, start_after=start_after, max_keys=max_keys
        )
        return s3api.parse_page(self.call(request, f"s3://{bucket}/{prefix}"))

    def list_pages(
        self, bucket: str, prefix: str = "", *, delimiter: str | None = None, start_after: str | None = None
    ) -> Iterator[s3api.ListPage]:
        """Pages of a listing, fetched as they are asked for."""
        token: str | None = None
        while True:
            yield (page := self.list_page(bucket, prefix, delimiter=delimiter, token=token, start_after=start_after))
            before, token = token, page.next_token
            if token is None:
                return
            s3api.must_advance(token != before, "ListObjectsV2")


class CountingClient(S3Client):
    """A client like `client` that counts its retries: an answer may have been lost."""

    def __init__(self, client: S3Client) -> None:
        super().__init__(client.session, client.given_engine, self._count, client.on_notice)
        self._noted = client.on_retry
        self.retries = 0

    def _count(self, failure: Failure, delay: float) -> None:
        self.retries += 1
        if self._noted is not None:
            self._noted(failure, delay)
