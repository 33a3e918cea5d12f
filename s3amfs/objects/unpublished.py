"""Changes of objects that a mount could not publish, or did not come to: to be listed, published or removed.

A record and a spool hold each change (core/unpublished.py, engine/spool.py). They exist while a file is changed; as
long as its mount lives, no other process touches them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace

from ..core import unpublished as u
from ..core.define import define
from ..core.events import TransferResult
from ..core.kept import of_other_content
from ..core.locations import S3Location, parse_s3_url
from ..core.sizes import format_age, format_size
from ..engine.client import S3Client
from ..engine.spool import Spool, SpoolRecord, is_recorded, left_records
from ..errors import ObjectExists, SourceChanged, TransferLocked, UsageError
from ..transfers.options import ObjectInfo, ObjectOptions, UploadOptions
from ..transfers.report import OnEvent, Report
from ..transfers.target import tags_of
from .spooled_file import SpooledFile


@define(frozen=True, slots=True)
class UnpublishedChanges:
    """Changes that were written to one file and is not in S3."""

    bucket: str
    key: str
    path: str
    """Of the local file that has it."""
    size: int
    """Bytes of the changed file."""
    bytes: int
    """How many of them were written."""
    age: float
    """Seconds."""

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def what(self) -> str:
        return f"the unpublished changes of {self.url} in {self.path}"

    def text(self) -> str:
        if not os.path.exists(self.path):
            return (
                f"{self.url}  age {format_age(self.age)}  not published, in {self.path}, which is not there now: mount "
                f"its disk again, or give them up with 's3am cancel {self.url}'"
            )
        written = f"{format_size(self.bytes)} written of {format_size(self.size)}"
        return (
            f"{self.url}  age {format_age(self.age)}  {written}, not published, in {self.path}: "
            f"'s3am upload --resume {self.path} {self.url}' publishes them"
        )

    def json(self) -> dict[str, object]:
        return {"event": "unpublished", "url": self.url, **asdict(self)}

    def cancelled(self) -> dict[str, object]:
        return {**self.json(), "event": "discarded"}


def left_changes(client: S3Client, bucket: str | None, prefix: str, state: str | None) -> Iterator[UnpublishedChanges]:
    """Those of keys that begin with `prefix`; bucket None: of all buckets."""
    for _, record, left in _of_service(client, state):
        record.close()
        if bucket in (None, left.bucket) and left.key.startswith(prefix):
            yield left


def discard(client: S3Client, changes: UnpublishedChanges, state: str | None) -> None:
    """Removes `changes`, with their spool and record. state: the state folder; None: the default."""
    for found, record, left in _of_service(client, state):
        if left.path == changes.path:
            with contextlib.suppress(FileNotFoundError):  # its disk may be away
                Spool.open(found.header.data).discard()
            record.remove()
        else:
            record.close()


def _of_service(client: S3Client, state: str | None) -> Iterator[tuple[u.Unpublished, SpoolRecord, UnpublishedChanges]]:
    """With the lock of each, which the caller gives back; also of files whose disk is away just now."""
    for record, found in left_records(state):
        header = found.header
        where = parse_s3_url(header.url)
        if header.endpoint != client.session.endpoint_id(where.bucket):
            record.close()
        else:
            age = max(0.0, time.time() - header.began)
            yield (
                found,
                record,
                UnpublishedChanges(where.bucket, where.key, header.data, found.size, found.dirty.total, age),
            )


def publish_left(
    path: str, target: S3Location, client: S3Client, options: UploadOptions, on_event: OnEvent
) -> TransferResult:
    """Publishes the changes in `path`. Raises SourceChanged if their base was replaced, and what `upload` raises."""
    if options.unfinished != "resume":
        raise UsageError(f"{path} holds changes of an object, not all of it: use --resume to publish them")
    for found, record, left in _of_service(client, options.state_dir):
        if left.path == os.path.abspath(path):
            return _publish(found, record, target, client, options, on_event)
        record.close()
    if is_recorded(os.path.abspath(path), options.state_dir):
        raise TransferLocked(
            f"{path} belongs to a mount that is at work on it, to another service, or to another version"
        )
    raise UsageError(f"nothing is known of the changes in {path}: rename it to upload it as it is, holes and all")


def _publish(
    found: u.Unpublished,
    record: SpoolRecord,
    target: S3Location,
    client: S3Client,
    options: UploadOptions,
    on_event: OnEvent,
) -> TransferResult:
    header = found.header
    report = Report("upload", header.data, target.url, on_event)
    spool = Spool.open(header.data)
    try:
        if target.url != header.url:
            raise UsageError(f"{header.data} holds changes of {header.url}: give that as the target")
        base = _base_of(found, target, client, options)
        spool.dirty, spool.present = found.dirty.copy(), found.dirty.copy()
        spooled = SpooledFile(client, target, base, spool, found.size, found.base_valid)
        report.started(found.size, None, None)
        stored = spooled.publish(_options(found, spooled.kept, target, client, options), on_event=on_event)
        spool.discard()
        record.remove()
        return report.result(size=found.size, etag=stored.etag, version_id=stored.version_id)
    finally:
        spool.close()
        record.close()


def _base_of(found: u.Unpublished, target: S3Location, client: S3Client, options: UploadOptions) -> ObjectInfo | None:
    now = client.find(target.bucket, target.key, customer_key=options.object.customer_key)
    if not found.base_etag:
        if now is not None and options.exists == "refuse":
            raise ObjectExists(f"{target.url} exists: use --exists overwrite")
        return None
    if now is None or now.etag != found.base_etag:
        raise SourceChanged(
            f"{target.url} is another object than the one that was changed: what was written to that one is in "
            f"{found.header.data}; 's3am cancel' removes it"
        )
    return now


def _options(
    found: u.Unpublished, kept: ObjectInfo | None, target: S3Location, client: S3Client, options: UploadOptions
) -> UploadOptions:
    """As the mount would have published it."""
    from ..transfers.content_type import guess_content_type

    if kept is not None:
        tags = tags_of(client, target, kept)
        described = replace(kept.copy_options(other_content=True), tags=tags)
    else:
        described = ObjectOptions(content_type=guess_content_type(target.key))
    described = replace(
        described, metadata=of_other_content(found.header.metadata), customer_key=options.object.customer_key
    )
    return replace(options, unfinished="continue", exists="overwrite", expected=options.expects, object=described)
