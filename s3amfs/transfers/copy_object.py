"""CopyObject: whether it keeps all of an object, whether the copy is that object, and the copy itself as a commit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..core.capabilities import refuses_copy
from ..core.define import define
from ..core.expected import Expected
from ..core.failures import Kind
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import ChecksumMismatch, Unsupported
from ..wire.failures import to_error
from ..wire.messages import S3Request
from ..wire.s3 import api as s3api
from .as_asked import look_at_stored
from .commit import Commit
from .encryption import EncryptionWatch, refuse_in_the_clear
from .job import Job
from .options import ChecksumChoice
from .proof import stored_of

_NOT_JOINED = ("sha1", "sha256")
"""Checksums of a whole that do not follow from those of its parts."""
CLOCK_SECONDS = 1.0
"""How exact times of HTTP are."""


@define(frozen=True, slots=True)
class Original:
    """The object that is copied."""

    location: S3Location
    info: s3api.ObjectInfo
    source: s3api.CopySource

    def prove(self, job: Job, stored: s3api.StoredInfo, checksums: Mapping[str, str]) -> str:
        """Compares what the copy has with what the source had; a copy that nothing is said of is looked at.

        Raises ChecksumMismatch: the copy is another content; it is left as it is.
        """
        compared = self._compare(job.target.url, checksums, stored.etag)
        if compared:
            return compared
        found = job.client.find(job.target.bucket, job.target.key, customer_key=job.options.object.customer_key)
        if found is None or found.etag != stored.etag:
            return "the source's ETag at every request"  # another writer was there since
        if found.size != self.info.size:
            raise ChecksumMismatch(
                f"{job.target.url}: the copy has {found.size} bytes and {self.location.url} has {self.info.size}: the "
                "server does not copy as it should; give --src-endpoint-url to copy through this machine"
            )
        return self._compare(job.target.url, found.checksums, "") or "size, and the source's ETag at every request"

    def _compare(self, url: str, checksums: Mapping[str, str], etag: str) -> str:
        return compare_copy(self.info, self.location.url, url, checksums, etag)


def compare_copy(
    info: s3api.ObjectInfo, source_url: str, target_url: str, checksums: Mapping[str, str], etag: str
) -> str:
    """Compares a copy, which has `checksums` and `etag`, with its source `info`, as far as both are known.

    Returns a name for the comparison; '' if nothing was compared. Raises ChecksumMismatch.
    """
    full = (info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT"
    for name, value in info.checksums.items():
        if "-" in value or not full or name not in checksums:
            continue
        if checksums[name] != value:
            raise ChecksumMismatch(f"{target_url}: the copy's {name} is not that of {source_url}: copy again")
        return f"{name} of the whole object, equal to the source's"
    return "ETag equal to the source's" if etag and etag == info.etag else ""


def keeps_all(info: s3api.ObjectInfo, options: s3api.ObjectOptions, *, metadata: bool = True) -> bool:
    """Whether CopyObject with `options` gives a copy all that the object `info` has, but locks and ACLs.

    It takes over content headers, user metadata and tags. Encryption, storage class and website redirect are those that
    the request names, or the defaults of the target's bucket (S3 API Reference, CopyObject).
    metadata: content headers and user metadata are to be the source's.
    """
    kept = info.copy_options()
    is_encrypted_otherwise = bool(options.sse or options.sse_kms_key_id or options.customer_key)
    return (
        (kept.sse is None or is_encrypted_otherwise)
        and (kept.storage_class is None or options.storage_class is not None)
        and (kept.website_redirect is None or not metadata)
    )


def algorithm_of(info: s3api.ObjectInfo) -> str:
    """The CRC that a copy in parts gets: the source's, so that the two can be compared; as CopyObject keeps it."""
    return stored_of(info).crc_name or "crc64nvme"


def asked_algorithm(choice: ChecksumChoice | None) -> str | None:
    """The checksum that CopyObject is asked to store; None: that of the source (S3 API, CopyObject)."""
    return choice if choice in ("crc64nvme", "crc32c") else None


def warn_of_lost(
    client: S3Client, source: S3Location, info: s3api.ObjectInfo, warn: Callable[[str], None], *, in_parts: bool
) -> None:
    """Says once for each bucket what `source` has and a copy of it does not get: locks, in parts also a SHA.

    S3 gives a copy the default retention of its bucket, never that of its source (S3 User Guide, Object Lock). It joins
    CRCs of parts to one of the whole, and no SHA (S3 User Guide, Checking object integrity).
    """
    warned = client.session.capabilities(source.bucket).warned
    locks, digests = f"locks of {source.bucket}", f"digests of {source.bucket}"
    if info.locked and locks not in warned:
        warned.add(locks)
        warn(
            f"{source.url} is under a retention or a legal hold: S3 keeps neither in a copy, which has its bucket's "
            "default retention"
        )
    full = (info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT"
    name = next((name for name, value in info.checksums.items() if name in _NOT_JOINED and "-" not in value), "")
    if in_parts and full and name and digests not in warned:
        warned.add(digests)
        warn(
            f"{source.url} is stored with its {name}: a copy in parts is stored with its {algorithm_of(info)} instead; "
            "in one request (--part-size 5GiB) S3 keeps it"
        )


def warn_without(
    client: S3Client, target: S3Location, asked: str | None, stored: s3api.StoredInfo, warn: Callable[[str], None]
) -> None:
    """Says once for each bucket that the server does not store the checksum that a copy was asked to have."""
    warned, key = client.session.capabilities(target.bucket).warned, f"no {asked} of copies"
    if asked is not None and asked not in stored.checksums and key not in warned:
        warned.add(key)
        warn(f"{target.url}: the server's answer names no {asked} of the copy: it stores none, or another checksum")


def copy_object(job: Job, original: Original, *, replace_metadata: bool) -> s3api.StoredInfo:
    """Copies at most 5 GiB, with the options of `job`. replace_metadata: content headers and metadata are the options'.

    Without it they are the source's, whatever these hold. Raises ObjectExists or SourceChanged (of what stands at the
    target, or of the source), Unsupported (the server can't copy this), TransferError.
    """
    target, options, source = job.target, job.options, original.source
    commit = Commit(
        job.client, target, options.expects, "copy", job.report.warn, customer_key=options.object.customer_key
    )
    counting = EncryptionWatch(job.client, target, options.object)
    refuse_in_the_clear(job.client, target, options.object)

    asked = asked_algorithm(options.checksum)

    def build(condition: Expected) -> S3Request:
        return s3api.copy_object(
            target.bucket,
            target.key,
            source,
            options.object,
            expected=condition,
            replace_metadata=replace_metadata,
            checksum_algorithm=asked,
        )

    began = time.monotonic()
    reply, failure = commit.send(build, client=counting)
    if failure is None:
        stored = s3api.parse_copied(reply)
        commit.after(stored.etag)
        look_at_stored(job.client, target, options.object, stored, job.report.warn)
        warn_without(job.client, target, asked, stored, job.report.warn)
        return stored
    if failure.kind is Kind.CONDITION and _source_changed(job, original):
        raise to_error(replace(failure, kind=Kind.CHANGED), original.location.url)
    if commit.is_lost(failure):
        since = (s3api.http_time(reply.headers.get("date")) or math.inf) - (time.monotonic() - began) - CLOCK_SECONDS
        found = _find_ours(job, original, 0.0 if counting.retries else since)
        if found is not None:
            return found
    elif refuses_copy(failure):
        raise Unsupported(failure.message)
    raise commit.error(failure, f"copy of {original.location.url}")


def _source_changed(job: Job, original: Original) -> bool:
    """Returns whether the source has changed: CopyObject answers 412 for its condition on either side."""
    where, key = original.location, original.source.customer_key
    now = job.client.find(where.bucket, where.key, customer_key=key) if where.version_id is None else original.info
    return now is None or now.etag != original.info.etag


def _find_ours(job: Job, original: Original, since: float) -> s3api.StoredInfo | None:
    """The copy that an attempt whose answer was lost has made: the same size, and ETag or checksum of the source.

    since: when it can have been made at the earliest, by the server's clock; curl sends a request again by itself when
    a kept connection turns out to be dead.
    """
    found = job.client.find(job.target.bucket, job.target.key, customer_key=job.options.object.customer_key)
    if found is None or found.size != original.info.size or (found.last_modified or 0.0) < since:
        return None
    same = {name for name, value in original.info.checksums.items() if found.checksums.get(name) == value}
    if not same and found.etag != original.info.etag:
        return None
    return s3api.StoredInfo(found.etag, found.checksums, found.checksum_type, found.version_id)
