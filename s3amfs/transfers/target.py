"""Decisions about the new object: skip it where it exists, guess its type, keep the metadata of its source."""

from __future__ import annotations

from dataclasses import fields, replace

from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import AccessDenied, BadCredentials, EncryptionKeyError, ObjectExists
from ..wire.s3 import api as s3api
from .options import UploadOptions


def skips_existing(client: S3Client, target: S3Location, options: UploadOptions, *, checks_bucket: bool = True) -> bool:
    """Whether the target is there and is to be left as it is. Raises ObjectExists, NotFound (no such bucket).

    checks_bucket: as in `S3Client.find`; a dry run does so in any case.
    """
    if options.exists == "overwrite":
        return False
    key, checks_bucket = options.object.customer_key, checks_bucket or options.dry_run
    try:
        found = client.find(target.bucket, target.key, customer_key=key, checks_bucket=checks_bucket) is not None
    except EncryptionKeyError:
        # There is an object under another key; or the server refuses the key itself, be there an object or not.
        found = options.object.customer_key is None or _is_there(client, target)
    except BadCredentials:
        raise
    except PermissionError:
        found = False  # who may write need not be allowed to read
    if found and options.exists == "refuse":
        raise ObjectExists(f"{target.url} exists: use --exists overwrite or --exists skip")
    return found


def _is_there(client: S3Client, target: S3Location) -> bool:
    """Whether there is an object, be it readable or not."""
    try:
        return client.find(target.bucket, target.key) is not None
    except (EncryptionKeyError, PermissionError):
        return True


def with_content_type(options: UploadOptions, content_type: str | None) -> UploadOptions:
    """Returns `options` with `content_type`, unless they have a type already."""
    if options.object.content_type is not None or content_type is None:
        return options
    return replace(options, object=replace(options.object, content_type=content_type))


def with_kept(
    client: S3Client,
    source: S3Location,
    info: s3api.ObjectInfo,
    options: UploadOptions,
    *,
    other_content: bool = False,
    tags: bool = True,
) -> UploadOptions:
    """`options` with what the object `info` at `source` has, wherever they say nothing.

    Content headers and user metadata are left out unless `options.copy_metadata`.
    other_content: the bytes will be others, so that metadata about them is left out. tags: asked for, too.
    Raises AccessDenied where it has tags that may not be read.
    """
    given, kept = options.object, info.copy_options(other_content=other_content)
    if given.sse or given.sse_kms_key_id or given.customer_key:
        kept = replace(kept, sse=None if given.customer_key else kept.sse, sse_kms_key_id=None, bucket_key=None)
    if not options.copy_metadata:
        kept = s3api.ObjectOptions(
            storage_class=kept.storage_class,
            sse=kept.sse,
            sse_kms_key_id=kept.sse_kms_key_id,
            bucket_key=kept.bucket_key,
        )
    merged = {
        field.name: getattr(given, field.name) or getattr(kept, field.name)
        for field in fields(s3api.ObjectOptions)
        if field.name not in ("tags", "customer_key", "extra_headers")
    }
    kept_tags = tags_of(client, source, info) if tags and given.tags is None else given.tags
    return replace(options, object=replace(given, **merged, tags=kept_tags))


def with_relayed(
    reader: S3Client, source: S3Location, info: s3api.ObjectInfo, options: UploadOptions, *, elsewhere: bool
) -> UploadOptions:
    """As `with_kept`, for an object whose bytes are relayed through this machine.

    elsewhere: it is in another service, whose storage classes and keys the target does not know.
    """
    if elsewhere:
        info = replace(info, storage_class=None, sse=None, sse_kms_key_id=None, bucket_key=None)
    return with_kept(reader, source, info, options)


def tags_of(client: S3Client, source: S3Location, info: s3api.ObjectInfo) -> dict[str, str] | None:
    """The tags of an object; None where it has none. Raises AccessDenied, which says that tags are the trouble."""
    if not info.tags_count:
        return None
    try:
        return client.tags(source.bucket, source.key, version_id=source.version_id)
    except BadCredentials:
        raise
    except AccessDenied as error:
        raise AccessDenied(
            f"the tags of {source.url} may not be read, so they can't be kept: get the permission "
            f"s3:GetObjectTagging, or say which tags the new object has (--tag) ({error.message})"
        ) from None


def changes_headers(options: s3api.ObjectOptions) -> bool:
    """Whether `options` say anything about content headers or user metadata."""
    return bool(options.content_headers())
