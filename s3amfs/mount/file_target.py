"""How an open file is stored, and what it expects under its name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from ..core.expected import NOTHING, WHATEVER
from ..core.kept import of_other_content
from ..core.locations import S3Location
from ..transfers.content_type import guess_content_type
from ..transfers.options import ObjectInfo, ObjectOptions, StoredInfo, UploadOptions
from ..transfers.target import tags_of
from .context import Service


def upload_options(
    service: Service,
    key: str,
    base: ObjectInfo | None,
    metadata: Mapping[str, str],
    *,
    goes_on: bool,
    replaces: bool,
) -> UploadOptions:
    """Returns the options with which a changed file is uploaded.

    base: the object that was seen there; None: none. The upload expects just that there, unless `replaces` (O_TRUNC):
    then whatever, but for a file that continues the content of `base` (`goes_on`).
    Attributes of an object outlive its content: encryption, class, tags, headers; attributes of a content do not.
    """
    metadata = of_other_content(metadata)
    if base is None:
        options = ObjectOptions(content_type=guess_content_type(key), metadata=metadata)
    else:
        tags = tags_of(service.client, S3Location(service.bucket, key), base)
        options = replace(base.copy_options(other_content=True), tags=tags, metadata=metadata)
        if not goes_on:
            options = replace(options, content_type=guess_content_type(key), content_encoding=None, expires=None)
    seen = NOTHING if base is None else base.expected
    return UploadOptions(
        unfinished="continue",
        exists="overwrite",
        expected=WHATEVER if replaces and not goes_on else seen,
        part_size=service.options.part_size,
        object=options,
    )


def published_info(
    key: str, base: ObjectInfo | None, size: int, stored: StoredInfo, metadata: Mapping[str, str], *, goes_on: bool
) -> ObjectInfo:
    """The object that stands there now."""
    if base is None:
        return ObjectInfo(
            size=size,
            etag=stored.etag,
            content_type=guess_content_type(key),
            version_id=stored.version_id,
            last_modified=time.time(),
            metadata=dict(metadata),
            checksums=stored.checksums,
            checksum_type=stored.checksum_type,
        )
    if not goes_on:
        base = replace(base, content_type=guess_content_type(key), content_encoding=None, expires=None)
    return replace(
        base,
        size=size,
        etag=stored.etag,
        version_id=stored.version_id,
        last_modified=time.time(),
        metadata=dict(metadata),
        checksums=stored.checksums,
        checksum_type=stored.checksum_type,
    )
