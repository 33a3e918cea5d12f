"""Whether an object is stored as it was asked for beside its bytes. Servers exist that drop headers and answer 200.

Encryption is `encryption.py`'s: what is in the clear fails. Tags, metadata, headers of the content and the storage
class are looked at once for each endpoint, bucket and kind; where they are dropped, a warning says so, once. The
attributes of files in metadata are the mount's and `--preserve`'s own affair: what they read shows whether they are
there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..core.kept_attributes import NAMES
from ..core.locations import S3Location
from ..engine.client import S3Client
from ..errors import S3AMError
from ..wire.s3 import api as s3api
from . import encryption

TRIES = 3
"""Looks that may leave a kind open: an object that may not be looked at does not cost a request for each one stored."""
_HEADERS = ("cache_control", "content_disposition", "content_language", "expires", "website_redirect")
"""Not Content-Type, which servers may guess, nor Content-Encoding, which is part of how bytes are sent."""

refuse_in_the_clear = encryption.refuse_in_the_clear


def is_settled(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> bool:
    """Whether nothing is to be looked at after a store: nothing special is asked, or the server was seen to obey."""
    return encryption.is_settled(client, target, options) and not _open_kinds(client, target, options)


def look_at_stored(
    client: S3Client,
    target: S3Location,
    options: s3api.ObjectOptions,
    stored: s3api.StoredInfo,
    warn: Callable[[str], None],
    *,
    as_asked: bool = True,
) -> None:
    """Looks at the object that was `stored`, unless all that `options` ask for is known to be kept.

    as_asked: whether its upload was begun with them; else what it lacks beside encryption is not the server's fault.
    Raises Unsupported if it is in the clear though it was to be encrypted. warn: receives what else was dropped.
    """
    encryption.require_encrypted(client, target, options, stored.etag, stored.sse)
    kinds = _open_kinds(client, target, options) if as_asked else []
    if not kinds:
        return
    can = client.session.capabilities(target.bucket)
    unknown = [kind for kind in kinds if kind not in can.keeps]
    if unknown:
        for kind in unknown:
            can.looks[kind] = can.looks.get(kind, 0) + 1
        can.keeps.update(_kept(encryption.that_gives_up_soon(client), target, options, stored.etag, unknown))
    for kind in kinds:
        if can.keeps.get(kind) is False and _name(kind) not in can.warned:
            can.warned.add(_name(kind))
            warn(f"{target.url}: this server silently drops {kind}: the object is stored without")


def asks_more(options: s3api.ObjectOptions) -> bool:
    """Whether anything is asked for beside the bytes and their type."""
    return bool(_asked(options) or options.acl or options.content_encoding)


def _open_kinds(client: S3Client, target: S3Location, options: s3api.ObjectOptions) -> list[str]:
    """Kinds of what is asked for that nobody knows the server to keep, and has not been warned of."""
    can = client.session.capabilities(target.bucket)
    found = []
    for kind in _asked(options):
        known = can.keeps.get(kind)
        is_open = can.looks.get(kind, 0) < TRIES if known is None else not known and _name(kind) not in can.warned
        if is_open:
            found.append(kind)
    return found


def _asked(options: s3api.ObjectOptions) -> list[str]:
    found = []
    if options.tags:
        found.append("tags")
    if _metadata(options):
        found.append("metadata")
    if any(getattr(options, name) for name in _HEADERS):
        found.append("headers")
    if (options.storage_class or "STANDARD") != "STANDARD":
        found.append(f"the storage class {options.storage_class}")
    return found


def _metadata(options: s3api.ObjectOptions) -> Mapping[str, str]:
    return {name.lower(): value for name, value in options.metadata.items() if name.lower() not in NAMES}


def _kept(
    client: S3Client, target: S3Location, options: s3api.ObjectOptions, etag: str, kinds: list[str]
) -> dict[str, bool]:
    """Whether the object has what is asked for, by kind; without those that the answers leave open."""
    try:
        found = client.find(target.bucket, target.key, customer_key=options.customer_key)
    except S3AMError:
        return {}
    if found is None or found.etag != etag:
        return {}  # another writer was there since
    kept: dict[str, bool] = {}
    for kind in kinds:
        if kind == "tags":
            seen = bool(found.tags_count) or _has_tags(client, target)
            if seen is not None:
                kept[kind] = seen
        elif kind == "metadata":
            kept[kind] = set(_metadata(options)) <= {name.lower() for name in found.metadata}
        elif kind == "headers":
            kept[kind] = all(getattr(found, name) for name in _HEADERS if getattr(options, name))
        else:
            kept[kind] = (found.storage_class or "STANDARD") != "STANDARD"
    return kept


def _has_tags(client: S3Client, target: S3Location) -> bool | None:
    """Not every server counts tags in HeadObject. None: they may not be read, or not now."""
    reply, failure = client.attempt(s3api.get_object_tagging(target.bucket, target.key))
    if failure is not None:
        return False if failure.status in (405, 501) else None
    try:
        return bool(s3api.parse_tags(reply))
    except S3AMError:
        return None


def _name(kind: str) -> str:
    return f"drops {kind}"
