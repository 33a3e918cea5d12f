"""How the mount changes what stands under a key, beside writing files: each change says what it expects there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from ..core import posix_metadata as posix
from ..core.expected import NOTHING, WHATEVER, Expected
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import NotFound, ObjectExists, SourceChanged, TargetChanged
from ..transfers import commit
from ..transfers.content_type import guess_content_type
from ..transfers.options import ObjectInfo, ObjectOptions, StoredInfo, UploadOptions
from ..verbs.upload import upload
from .attributes import last_changed
from .deferred_metadata import Waiting

MOST_MARKER_BYTES = 8 * 1024 * 1024
"""A folder's object that is larger is copied inside S3, which not every server does for a key that ends in a slash."""
log = logging.getLogger("s3amfs.mount")


class Store:
    """Threads may share it."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put_new(self, key: str, content: bytes, metadata: Mapping[str, str]) -> ObjectInfo:
        """A small object where nothing is expected. Raises ObjectExists."""
        stored = self._put(key, content, ObjectOptions(metadata=dict(metadata)), NOTHING)
        return ObjectInfo(len(content), stored.etag, version_id=stored.version_id, metadata=dict(metadata))

    def _put(self, key: str, content: bytes, options: ObjectOptions, expected: Expected) -> StoredInfo:
        return commit.put(self.client, S3Location(self.bucket, key), content, options, expected, log.warning)

    def _copy(self, old: str, base: ObjectInfo, new: str, options: ObjectOptions, expected: Expected) -> StoredInfo:
        """Copies `base` from `old` to `new`. Raises SourceChanged if another object stands at `old`."""
        given = UploadOptions(
            unfinished="continue", exists="overwrite", expected=expected, object=options, source_etag=base.etag
        )
        done = upload(S3Location(self.bucket, old), S3Location(self.bucket, new), self.client, given)
        return StoredInfo(done.etag, version_id=done.version_id)

    def change_metadata(self, key: str, waiting: Waiting) -> StoredInfo | None:
        """Copies an object onto itself with other metadata; None: somebody else has replaced it, theirs stays."""
        try:
            now = self.client.find(self.bucket, key)
            if now is not None and _is_same(now, waiting.base):
                options = ObjectOptions(metadata={**now.metadata, **_mtime_of(now), **waiting.changes})
                return self._copy(key, now, key, options, now.expected)
        except SourceChanged as error:
            log.info("%s", error)
        log.warning("%s was replaced by somebody else: its times and mode are theirs", key)
        return None

    def move(
        self, old: str, base: ObjectInfo, new: str, replaced: ObjectInfo | None, changes: Mapping[str, str]
    ) -> StoredInfo:
        """Copies `base` from `old` to `new`, then removes it. replaced: what stands at `new`.

        Raises SourceChanged or ObjectExists if somebody else has stored at either meanwhile: theirs stays.
        """
        # Without changes S3 copies what is there: others may have changed it since, and the ETag stays as it was.
        metadata = {**base.metadata, **_mtime_of(base), **changes} if changes else {}
        options = ObjectOptions(metadata=metadata, content_type=_type_after(old, new, base.content_type))
        stored = self._copy(old, base, new, options, NOTHING if replaced is None else replaced.expected)
        self.remove(old, base)
        return stored

    def remove(self, key: str, base: ObjectInfo | None) -> bool:
        """Removes `base` (None: any) from `key`. Returns False for an object that somebody else has stored there: it
        stays."""
        expected = WHATEVER if base is None else base.expected
        try:
            commit.delete(self.client, S3Location(self.bucket, key), expected, log.warning)
        except TargetChanged:
            log.warning("%s was stored again by somebody else: theirs stays", key)
            return False
        return True

    def put_marker(
        self, prefix: str, metadata: Mapping[str, str], base: ObjectInfo | None, *, again: bool = True
    ) -> None:
        """A directory's marker. base: the object that stands there; its content is kept. again: also where the server
        still shows a folder that has been emptied. Raises ObjectExists.

        Written, not copied: not every server copies a key that ends in a slash.
        """
        if base is None:
            options = ObjectOptions(metadata=dict(metadata))
            try:
                self._put(prefix, b"", options, NOTHING)
            except ObjectExists:
                if not again or not self._is_emptied_folder(prefix):
                    raise
                self._put(prefix, b"", options, WHATEVER)
            return
        options = replace(base.copy_options(), metadata=dict(metadata))
        if base.size > MOST_MARKER_BYTES:
            self._copy(prefix, base, prefix, options, base.expected)
            return
        content = self.client.get(self.bucket, prefix, if_match=base.strong_etag)[1] if base.size else b""
        self._put(prefix, content, options, base.expected if base.size else WHATEVER)

    def _is_emptied_folder(self, prefix: str) -> bool:
        """Whether an empty object stands at `prefix` that no listing shows.

        SeaweedFS keeps a folder for a while after its last key went: it is not listed, but refuses `If-None-Match`.
        """
        try:
            size = self.client.head(self.bucket, prefix).size
        except NotFound:
            return True  # it went meanwhile
        return not size and not self.client.list_page(self.bucket, prefix, max_keys=1).objects

    def move_marker(self, old: str, new: str, metadata: Mapping[str, str] | None) -> None:
        """metadata: None for what is stored."""
        try:
            base = self.client.head(self.bucket, old)
        except NotFound:
            return
        options = replace(base.copy_options(), metadata=dict(base.metadata if metadata is None else metadata))
        if base.size > MOST_MARKER_BYTES:
            self._copy(old, base, new, options, NOTHING)
        else:
            content = self.client.get(self.bucket, old, if_match=base.strong_etag)[1] if base.size else b""
            self._put(new, content, options, WHATEVER)  # the marker of an empty directory may stand there
        self.remove(old, base if base.size else None)


def _mtime_of(info: ObjectInfo) -> dict[str, str]:
    """The mtime of an object that has none in its metadata: its time, which a copy has not."""
    unknown = -1
    known = posix.mtime(info.metadata, unknown)
    return {"mtime": posix.time_text(last_changed(info))} if known == unknown and info.last_modified else {}


def _is_same(now: ObjectInfo, seen: ObjectInfo) -> bool:
    """Whether it is the version that was seen."""
    return now.etag == seen.etag and (None in (now.version_id, seen.version_id) or now.version_id == seen.version_id)


def _type_after(old: str, new: str, content_type: str | None) -> str | None:
    """A Content-Type that was guessed by the old name becomes that of the new one; others stay (None)."""
    if content_type in (None, "application/octet-stream", "binary/octet-stream", guess_content_type(old)):
        return guess_content_type(new)
    return None
