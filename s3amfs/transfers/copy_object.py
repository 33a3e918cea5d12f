"""CopyObject as a commit: one object copied inside S3 in one request, if what is expected stands at its target."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..core.capabilities import refuses_copy
from ..core.expected import Expected
from ..core.failures import Kind
from ..core.locations import S3Location
from ..errors import ChecksumMismatch, Unsupported
from ..wire.failures import to_error
from ..wire.messages import S3Request
from ..wire.s3 import api as s3api
from .as_asked import look_at_stored
from .commit import Commit
from .encryption import EncryptionWatch, refuse_in_the_clear
from .job import Job

CLOCK_SECONDS = 1.0
"""How exact times of HTTP are."""


@dataclass(frozen=True, slots=True)
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
        """Compares the copy with its source. Returns a name for the comparison; '' if nothing was compared."""
        full = (self.info.checksum_type or "FULL_OBJECT") == "FULL_OBJECT"
        for name, value in self.info.checksums.items():
            if "-" in value or not full or name not in checksums:
                continue
            if checksums[name] != value:
                raise ChecksumMismatch(f"{url}: the copy's {name} is not that of {self.location.url}: copy again")
            return f"{name} of the whole object, equal to the source's"
        return "ETag equal to the source's" if etag and etag == self.info.etag else ""


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

    def build(condition: Expected) -> S3Request:
        return s3api.copy_object(
            target.bucket, target.key, source, options.object, expected=condition, replace_metadata=replace_metadata
        )

    began = time.monotonic()
    reply, failure = commit.send(build, client=counting)
    if failure is None:
        stored = s3api.parse_copied(reply)
        commit.after(stored.etag)
        look_at_stored(job.client, target, options.object, stored.etag, job.report.warn)
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
