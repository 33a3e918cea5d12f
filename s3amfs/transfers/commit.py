"""The one commit: every change of what stands under a name goes through here, with what it expects to be there.

`Commit` is one change of one name by one operation. The condition goes with the request, and the server decides. Where
nobody knows whether the server obeys conditions, and where it is known to ignore them, the name is looked at right
before and right after, which core/expected.py decides. Nothing else in the package sends a condition on a target.

A caller that sends the request itself (PutObject's body moves with the engine) asks `before`, sends `condition`, and
then `refused`, `error` and `after`. `send` does that for control calls: Complete, CopyObject, DeleteObject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from ..core.capabilities import refuses_condition
from ..core.checksums import Crc
from ..core.expected import WHATEVER, Expected, Operation, Plan, holds, is_lost, plan
from ..core.failures import Failure, Kind
from ..core.locations import S3Location
from ..core.ssec import CustomerKey
from ..engine.client import CountingClient, S3Client
from ..errors import AccessDenied, BadCredentials, EncryptionKeyError, ObjectExists, S3AMError, TargetChanged
from ..wire.failures import to_error
from ..wire.messages import Reply, S3Request
from ..wire.s3 import api as s3api
from .as_asked import look_at_stored, refuse_in_the_clear

Warn = Callable[[str], None]
Build = Callable[[Expected], S3Request]
"""Makes the request that carries a condition."""


class Commit:
    """One change of what stands under `target`.

    warn: receives what the user has to know. customer_key: of the object that stands there, for looking at it.
    """

    def __init__(
        self,
        client: S3Client,
        target: S3Location,
        expected: Expected,
        operation: Operation,
        warn: Warn,
        *,
        customer_key: CustomerKey | None = None,
    ) -> None:
        self.expected = expected
        self._client = client
        self._target = target
        self._operation = operation
        self._warn = warn
        self._customer_key = customer_key
        self._can = client.session.capabilities(target.bucket)
        self._refused = self._bare = False
        self._looked_into: tuple[Failure, bool] | None = None
        """A failed condition, and whether it was misread."""
        self.is_doubtful = False
        """The request goes without its condition now, since that may be what the server did not implement."""

    @property
    def condition(self) -> Expected:
        """The expectation that the next request carries."""
        condition = self._plan.condition
        return replace(condition, bare=True) if self._bare and condition.kind == "etag" else condition

    @property
    def _plan(self) -> Plan:
        obeys = False if self._refused else self._can.conditions.get((self._operation, self.expected.kind))
        return plan(self.expected, obeys)

    # -- around the request -----------------------------------------------------------------------------------------

    def before(self, *, looked: bool = False) -> None:
        """Looks at the name where the server's word is not enough. looked: the caller has just done so.

        Raises ObjectExists or TargetChanged if something else stands there, AccessDenied where it can't be looked at
        and nothing else would protect it, TransferError.
        """
        if self._plan.warn:
            self._warn_once()
        if not self._plan.look or looked:
            return
        found = self._look(needed=self._plan.warn)
        gone = self._operation == "delete" and found is None
        if found is not _UNKNOWN and not gone and not holds(self.expected, found):
            raise self.lost_error()

    def after(self, etag: str) -> None:
        """After a success: warns if another object than the one with `etag` stands there by now."""
        if self.is_doubtful:
            self._can.conditions[self._operation, self.expected.kind] = False
        if not self._plan.look:
            return
        found = self._look(needed=False)
        stale = self.expected.kind == "etag" and found == self.expected.etag  # a listing or cache that lags behind
        if found in (_UNKNOWN, None, etag) or stale:
            return
        self._warn(
            f"{self._target.url}: another writer has stored an object there at the same time or right after: what was "
            "stored here is replaced"
        )

    def refused(self, failure: Failure, *, doubt: bool = True) -> bool:
        """Whether the server takes no such condition, or not so: then the request may be sent once more, after
        `before`.

        doubt: also a 501 that names no header; what the server can is known once the request without it has succeeded.
        """
        if self._refused or self.condition is WHATEVER:
            return False
        if self._is_misread(failure):
            self._bare = True
            return True
        if refuses_condition(failure):
            self._can.conditions[self._operation, self.expected.kind] = False
        elif doubt and failure.status == 501 and not failure.of_source:
            self.is_doubtful = True
        else:
            return False
        self._refused = True
        return True

    def is_lost(self, failure: Failure) -> bool:
        """Whether something else stood there than was expected; that the server said so proves that it looks."""
        lost = is_lost(self.condition, failure) and not self._is_misread(failure)
        if lost and failure.kind is Kind.CONDITION:
            self._can.conditions[self._operation, self.expected.kind] = True
        return lost

    def _is_misread(self, failure: Failure) -> bool:
        """Whether the condition failed although the object is the one that was expected: the server may compare the
        quotes, too."""
        sent = self.condition
        if failure.kind is not Kind.CONDITION or failure.of_source or sent.kind != "etag" or sent.bare:
            return False
        if self._looked_into is None or self._looked_into[0] is not failure:
            self._looked_into = failure, self._look(needed=False) == self.expected.etag
        return self._looked_into[1]

    def lost_error(self) -> S3AMError:
        """The error for something else that stands there."""
        if self.expected.kind == "nothing":
            return ObjectExists(f"{self._target.url} exists: use --exists overwrite or --exists skip")
        return TargetChanged(
            f"{self._target.url} was changed by somebody else meanwhile: it is left as it is; look at it and try again"
        )

    def error(self, failure: Failure, what: str) -> S3AMError:
        """The error to raise for `failure` of `what`."""
        return self.lost_error() if self.is_lost(failure) else to_error(failure, what)

    # -- control calls ----------------------------------------------------------------------------------------------

    def send(
        self, build: Build, *, looked: bool = False, client: S3Client | None = None
    ) -> tuple[Reply, Failure | None]:
        """Sends what `build` makes, in a second try without the condition where the server refuses that by name.

        client: instead of the commit's own, to count retries. Raises what `before` raises; the caller judges the
        failure (`is_lost`, `error`) and calls `after` once it knows the new ETag.
        """
        client = client or self._client
        self.before(looked=looked)
        reply, failure = client.attempt(build(self.condition))
        if failure is not None and self.refused(failure):
            self.before()
            reply, failure = client.attempt(build(self.condition))
        return reply, failure

    # -- looking ----------------------------------------------------------------------------------------------------

    def _look(self, *, needed: bool) -> str | None:
        """The ETag of what stands there, None for nothing, _UNKNOWN where that can't be said."""
        bucket, key = self._target.bucket, self._target.key
        try:
            found = self._client.find(bucket, key, customer_key=self._customer_key, checks_bucket=False)
        except EncryptionKeyError:
            return _OTHER_KEY
        except BadCredentials:
            raise
        except AccessDenied as error:
            if needed:
                raise AccessDenied(
                    f"{self._target.url} may not be looked at, and the server knows no conditional requests: nothing "
                    f"would protect what is there; use --exists overwrite if it may be replaced ({error.message})"
                ) from None
            return _UNKNOWN
        return found.etag if found is not None else None

    def _warn_once(self) -> None:
        name = f"conditions of {self._operation} ({self.expected.kind})"
        if name in self._can.warned:
            return
        self._can.warned.add(name)
        self._warn(
            "the server does not obey conditional requests: what another writer stores between the look at "
            f"{self._target.url} and the change of it is lost"
        )


_UNKNOWN = "?"
"""No ETag: nothing is known of what stands there."""
_OTHER_KEY = "!"
"""No ETag: something stands there, under another customer key."""


def delete(
    client: S3Client, target: S3Location, expected: Expected, warn: Warn, *, customer_key: CustomerKey | None = None
) -> None:
    """Deletes what stands under `target` if it is what is expected; an object that is gone already is fine.

    Raises TargetChanged if something else stands there by now, and it stays; AccessDenied, TransferError.
    """
    commit = Commit(client, target, expected, "delete", warn, customer_key=customer_key)

    def build(condition: Expected) -> S3Request:
        return s3api.delete_object(target.bucket, target.key, version_id=target.version_id, expected=condition)

    _, failure = commit.send(build)
    if failure is None or failure.kind is Kind.MISSING:
        return
    raise commit.error(failure, target.url)


def put(
    client: S3Client, target: S3Location, data: bytes, options: s3api.ObjectOptions, expected: Expected, warn: Warn
) -> s3api.StoredInfo:
    """Stores a small object in one request, with its CRC64NVME where the server knows it, if what is expected is there.

    Raises ObjectExists or TargetChanged if something else stands there, and it stays; Unsupported (it is not encrypted
    as it was to be), AccessDenied, TransferError.
    """
    refuse_in_the_clear(client, target, options)
    can = client.session.capabilities(target.bucket)
    body = s3api.Body(data, checksum=("crc64nvme", crc64(data)) if can.takes_checksums else None)
    commit = Commit(client, target, expected, "put", warn, customer_key=options.customer_key)
    counting = CountingClient(client)
    reply, failure = commit.send(
        lambda condition: s3api.put_object(target.bucket, target.key, body, options, condition), client=counting
    )
    if failure is None:
        stored = s3api.parse_stored(reply)
        commit.after(stored.etag)
        look_at_stored(client, target, options, stored, warn)
        return stored
    if commit.is_lost(failure) and (counting.retries or reply.sent_again):
        found = client.find(target.bucket, target.key, customer_key=options.customer_key)
        if found is not None and _is_content(data, found.etag, found.checksums.get("crc64nvme")):
            return s3api.StoredInfo(found.etag, found.checksums, found.checksum_type, found.version_id)
    raise commit.error(failure, target.url)


def _is_content(data: bytes, etag: str, crc: str | None) -> bool:
    """Whether an object with this ETag and CRC64NVME, if it has one, is `data`; False where that is unknown."""
    return crc == crc64(data) if crc is not None else etag == hashlib.md5(data, usedforsecurity=False).hexdigest()


def crc64(data: bytes) -> str:
    """Base64 CRC64NVME of `data`."""
    crc = Crc("crc64nvme")
    crc.update(data)
    return crc.base64
