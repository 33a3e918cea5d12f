"""`ls` and `du`: listings as users ask for them, streamed page by page."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.filters import glob_of
from ..core.locations import S3Location
from ..core.tree_events import Listed, PrefixTotal
from ..engine.client import S3Client
from ..errors import NotFound
from ..wire.s3 import api as s3api
from .listing import is_directory_bucket
from .object_pages import object_pages

Found = Listed | PrefixTotal


def list_buckets(client: S3Client) -> Iterator[Listed]:
    """All buckets. Raises AccessDenied, TransferError."""
    token: str | None = None
    while True:
        page = s3api.parse_buckets(client.call(s3api.list_buckets(token=token), "the list of buckets"))
        yield from (Listed(name, modified=created) for name, created in page.buckets)
        token = page.next_token
        if token is None:
            return


def list_objects(
    where: S3Location, client: S3Client, *, recursive: bool = False, versions: bool = False
) -> Iterator[Found]:
    """Yields what exists at `where`: an object, the entries of a folder, or the matches of a glob.

    recursive: all objects below instead of one level. Raises NotFound where nothing is there, AccessDenied,
    TransferError.
    """
    pattern = glob_of(where.key)
    if pattern is not None:
        found = (
            _versions(where.bucket, pattern.prefix, client) if versions else _all(where.bucket, pattern.prefix, client)
        )
        matching = (item for item in found if isinstance(item, Listed) and pattern.matches(item.key))
        yield from _not_none(matching, where)
        return
    yield from _not_none(_level(where, client, recursive, versions), where, empty=not where.key)


def _level(where: S3Location, client: S3Client, recursive: bool, versions: bool) -> Iterator[Found]:
    bucket, key = where.bucket, where.key
    if key and not key.endswith("/"):
        yield from _named(bucket, key, client, versions)
        key += "/"
    if versions:
        yield from _versions(bucket, key, client, delimiter=None if recursive else "/")
    elif recursive:
        yield from _all(bucket, key, client)
    else:
        for page in client.list_pages(bucket, key, delimiter="/"):
            level: list[Found] = [PrefixTotal(prefix) for prefix in page.prefixes]
            level += [_listed(item) for item in page.objects]
            yield from sorted(level, key=lambda found: found.prefix if isinstance(found, PrefixTotal) else found.key)


def _named(bucket: str, key: str, client: S3Client, versions: bool) -> Iterator[Listed]:
    """The object `key` itself; the first of all keys that begin with it, if it is there."""
    if versions:
        page = s3api.parse_versions(client.call(s3api.list_object_versions(bucket, prefix=key), f"s3://{bucket}/{key}"))
        yield from (_version(item) for item in page.versions if item.key == key)
        return
    for item in client.list_page(bucket, key, delimiter="/").objects:
        if item.key == key:
            yield _listed(item)


def _all(bucket: str, prefix: str, client: S3Client) -> Iterator[Listed]:
    for page in object_pages(client, bucket, prefix):
        for item in page:
            yield _listed(item)


def _versions(bucket: str, prefix: str, client: S3Client, delimiter: str | None = None) -> Iterator[Found]:
    after: tuple[str, str] | None = None
    while True:
        request = s3api.list_object_versions(bucket, prefix=prefix, delimiter=delimiter, after=after)
        page = s3api.parse_versions(client.call(request, f"s3://{bucket}/{prefix}"))
        yield from (PrefixTotal(found) for found in page.prefixes)
        yield from (_version(item) for item in page.versions)
        after = page.next_markers
        if after is None:
            return


def _not_none(found: Iterator[Found], where: S3Location, *, empty: bool = False) -> Iterator[Found]:
    any_found = empty
    for item in found:
        any_found = True
        yield item
    if not any_found:
        raise NotFound(f"{where.url}: there is nothing with that name: check the spelling")


def _listed(item: s3api.ListedObject) -> Listed:
    return Listed(item.key, item.size, item.last_modified, item.etag, item.storage_class)


def _version(item: s3api.ListedVersion) -> Listed:
    return Listed(
        item.key,
        None if item.deleted else item.size,
        item.last_modified,
        item.etag,
        item.storage_class,
        item.version_id,
        item.is_latest,
        item.deleted,
    )


def disk_usage(where: S3Location, client: S3Client) -> Iterator[PrefixTotal]:
    """Objects and bytes of each folder one level below `where`, as each is done, and of all at the end.

    Raises NotFound (no such bucket), AccessDenied, TransferError.
    """
    pattern = glob_of(where.key)
    root = pattern.root if pattern is not None else where.key
    if pattern is None and root and not root.endswith("/"):
        root += "/"
    objects = size = 0
    folders: dict[str, list[int]] = {}
    unordered = is_directory_bucket(where.bucket)
    last = ""
    for item in _all(where.bucket, pattern.prefix if pattern is not None else root, client):
        if pattern is not None and not pattern.matches(item.key):
            continue
        objects, size = objects + 1, size + (item.size or 0)
        name, slash, _ = item.key[len(root) :].partition("/")
        if not slash:
            continue
        if name != last and last in folders and not unordered:
            yield _sum(f"{root}{last}/", folders.pop(last))
        last = name
        counted = folders.setdefault(name, [0, 0])
        counted[0] += 1
        counted[1] += item.size or 0
    for name, counted in folders.items():
        yield _sum(f"{root}{name}/", counted)
    yield PrefixTotal(root, objects, size, total=True)


def _sum(prefix: str, counted: list[int]) -> PrefixTotal:
    return PrefixTotal(prefix, counted[0], counted[1])
