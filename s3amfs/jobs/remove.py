"""`rm`: one object, one version, everything in a folder, or what a glob matches."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO

from ..core.define import define
from ..core.deletions import MaxDelete, refusal
from ..core.expected import WHATEVER, this_etag
from ..core.failures import Kind
from ..core.filters import NO_FILTERS, Filters, glob_of
from ..core.locations import S3Location
from ..core.tree_events import EntryDone, Totals
from ..engine.client import S3Client
from ..errors import InvalidDestination, NotFound, SourceChanged, TooManyDeletions, UsageError
from ..wire.failures import to_error
from ..wire.s3 import api as s3api
from .deletes import Victim, delete_all
from .object_pages import object_pages

CHUNK = 1000


@define(frozen=True, slots=True)
class RemoveOptions:
    """Options of `rm`."""

    recursive: bool = False
    dry_run: bool = False
    max_delete: MaxDelete | None = None
    """Most of what is listed that may go; None: whatever was named."""
    if_match: str | None = None
    """Delete one object only if it has this ETag."""
    filters: Filters = NO_FILTERS


def remove(
    where: S3Location, client: S3Client, options: RemoveOptions, on_entry: Callable[[EntryDone], None]
) -> Totals:
    """Deletes what `where` names. on_entry: called for each entry, in this thread.

    Returns the totals, whose exit code is 1 if something could not be deleted. Raises NotFound (one absent key, no such
    bucket), TooManyDeletions, SourceChanged (another ETag), InvalidDestination, UsageError, AccessDenied,
    TransferError.
    """
    begun = time.monotonic()
    totals = Totals("rm", where.url, "", dry_run=options.dry_run)
    pattern = glob_of(where.key)
    if pattern is None and not options.recursive:
        _remove_one(where, client, options, on_entry, totals)
    else:
        if options.if_match is not None or where.version_id is not None:
            raise UsageError("--if-match and --version-id are for one object: leave -r and globs out")
        _remove_many(where, client, options, on_entry, totals)
    totals.seconds = time.monotonic() - begun
    return totals


def _remove_one(
    where: S3Location,
    client: S3Client,
    options: RemoveOptions,
    on_entry: Callable[[EntryDone], None],
    totals: Totals,
) -> None:
    if not where.key:
        raise InvalidDestination(f"{where.url} names a bucket: give a key, or -r for everything in it")
    info = _look(where, client)
    if options.if_match is not None and info is not None and info.etag != s3api.bare_etag(options.if_match):
        raise SourceChanged(f"{where.url} has the ETag {info.etag}, not {options.if_match}: it is left as it is")
    size = info.size if info is not None else None
    if options.max_delete is not None and (why := refusal(1, 1, options.max_delete)):
        raise TooManyDeletions(why)
    if not options.dry_run:
        expected = this_etag(s3api.bare_etag(options.if_match)) if options.if_match is not None else WHATEVER
        request = s3api.delete_object(where.bucket, where.key, version_id=where.version_id, expected=expected)
        _, failure = client.attempt(request)
        if failure is not None and failure.kind is Kind.CONDITION:
            raise SourceChanged(f"{where.url} has changed meanwhile: it is left as it is")
        if failure is not None:
            raise to_error(failure, where.url)
    on_entry(EntryDone(where.key, "delete", "named", size, options.dry_run))
    totals.count("delete")
    totals.bytes = size or 0


def _look(where: S3Location, client: S3Client) -> s3api.ObjectInfo | None:
    """Returns the object's description; None for a delete marker. Raises NotFound."""
    if where.version_id is not None and _is_marker(where, client):
        return None
    try:
        return client.head(where.bucket, where.key, version_id=where.version_id)
    except NotFound:
        client.check_bucket(where.bucket)
        raise NotFound(f"{where.url} does not exist: give -r for everything in a folder of that name") from None


def _is_marker(where: S3Location, client: S3Client) -> bool:
    """A delete marker is answered by 405 (S3 API, "HeadObject"), by some servers as if it were not there."""
    _, failure = client.attempt(s3api.head_object(where.bucket, where.key, version_id=where.version_id))
    if failure is None:
        return False
    if failure.status == 405:
        return True
    request = s3api.list_object_versions(where.bucket, prefix=where.key)
    found = s3api.parse_versions(client.call(request, where.url)).versions
    return any(item.deleted and (item.key, item.version_id) == (where.key, where.version_id) for item in found)


def _remove_many(
    where: S3Location,
    client: S3Client,
    options: RemoveOptions,
    on_entry: Callable[[EntryDone], None],
    totals: Totals,
) -> None:
    matched = _Matched(where, client, options)
    if options.max_delete is None:
        victims: Iterator[Victim] = iter(matched)
    else:
        victims = _judged(matched, options.max_delete)
    if options.dry_run:
        for victim in victims:
            _count(totals, victim, on_entry, dry_run=True)
        return
    for deleted in delete_all(client, where.bucket, victims):
        if deleted.error:
            totals.count("fail")
            totals.exit_code = 1
            on_entry(EntryDone(deleted.victim.key, "fail", deleted.error, deleted.victim.size))
        else:
            _count(totals, deleted.victim, on_entry, dry_run=False)


def _count(totals: Totals, victim: Victim, on_entry: Callable[[EntryDone], None], *, dry_run: bool) -> None:
    totals.count("delete")
    totals.bytes += victim.size or 0
    on_entry(EntryDone(victim.key, "delete", "matched", victim.size, dry_run))


class _Matched:
    """Listed entries that match. `seen`: number of entries in the listing."""

    def __init__(self, where: S3Location, client: S3Client, options: RemoveOptions) -> None:
        self._pattern = glob_of(where.key)
        self._filters = options.filters
        if self._pattern is not None:
            self._prefix, self._root = self._pattern.prefix, self._pattern.root
        else:
            self._prefix = self._root = where.key if where.key.endswith("/") or not where.key else where.key + "/"
        self._pages = object_pages(client, where.bucket, self._prefix)
        self.seen = 0

    def __iter__(self) -> Iterator[Victim]:
        for page in self._pages:
            for item in page:
                if self._filters and not self._filters.includes(item.key[len(self._root) :]):
                    continue
                self.seen += 1
                if self._pattern is None or self._pattern.matches(item.key):
                    yield Victim(item.key, item.size)


def _judged(matched: _Matched, limit: MaxDelete) -> Iterator[Victim]:
    """All of `matched`, after they were counted; on the disk meanwhile. Raises TooManyDeletions."""
    with tempfile.TemporaryFile(prefix="s3am-") as kept:
        count = _keep(matched, kept)
        why = refusal(count, matched.seen, limit)
        if why:
            raise TooManyDeletions(why)
        kept.seek(0)
        for _ in range(0, count, CHUNK):
            yield from pickle.load(kept)


def _keep(matched: _Matched, kept: IO[bytes]) -> int:
    count = 0
    chunk: list[Victim] = []
    for victim in matched:
        chunk.append(victim)
        count += 1
        if len(chunk) == CHUNK:
            pickle.dump(chunk, kept, protocol=pickle.HIGHEST_PROTOCOL)
            chunk = []
    if chunk:
        pickle.dump(chunk, kept, protocol=pickle.HIGHEST_PROTOCOL)
    return count
