"""What the new object is to be: left alone where it exists, its type guessed, what its source had kept."""

from __future__ import annotations

from dataclasses import fields, replace

from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import BadCredentials, EncryptionKeyError, ObjectExists
from ..wire.s3 import api as s3api
from .options import UploadOptions


def skips_existing(client: S3Client, target: S3Location, options: UploadOptions) -> bool:
    """Whether the target is there and is to be left as it is. Raises ObjectExists, NotFound (no such bucket)."""
    if options.exists == "overwrite":
        return False
    try:
        found = client.find(target.bucket, target.key, customer_key=options.object.customer_key) is not None
    except EncryptionKeyError:
        found = True  # there is an object, only under another key
    except BadCredentials:
        raise
    except PermissionError:
        found = False  # who may write need not be allowed to read
    if found and options.exists == "refuse":
        raise ObjectExists(f"{target.url} exists: use --exists overwrite or --exists skip")
    return found


def with_content_type(options: UploadOptions, content_type: str | None) -> UploadOptions:
    if options.object.content_type is not None or content_type is None:
        return options
    return replace(options, object=replace(options.object, content_type=content_type))


def with_kept(client: S3Client, source: S3Location, info: s3api.ObjectInfo, options: UploadOptions) -> UploadOptions:
    """`options` with what the source has, wherever they say nothing."""
    kept = info.copy_options()
    given = options.object
    merged = {
        field.name: getattr(given, field.name) or getattr(kept, field.name)
        for field in fields(s3api.ObjectOptions)
        if field.name not in ("tags", "customer_key", "extra_headers")
    }
    tags = given.tags
    if tags is None and info.tags_count:
        tags = client.tags(source.bucket, source.key, version_id=source.version_id)
    return replace(options, object=replace(given, **merged, tags=tags))
