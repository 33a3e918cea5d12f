"""Objects of a listing as they arrive, each once, also of a server that turns out to list in another order than S3.

Nobody knows what the pages of a listing lack that are not in the order of keys. So they are checked as they come; once
they fail, all is listed once more and sorted through the disk, and what was passed on already is left out.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from typing import IO

from ..core.entries import Kind, order
from ..core.merge import OutOfOrder
from ..engine.client import S3Client
from ..errors import TransferError
from ..wire.s3 import api as s3api
from .listing import Listing, ListOptions
from .pages import PAGE_KEYS, Objects

SECOND = 10**9


def object_pages(client: S3Client, bucket: str, prefix: str) -> Iterator[Objects]:
    """Objects whose keys begin with `prefix`. The first page is asked for at once.

    Raises NotFound (no such bucket), AccessDenied, TransferError (also where the listing is not whole).
    """
    return _pages(Listing(client, bucket, ListOptions(prefix=prefix)), client, bucket, prefix)


def _pages(listing: Listing, client: S3Client, bucket: str, prefix: str) -> Iterator[Objects]:
    with tempfile.TemporaryFile(prefix="s3am-") as passed:
        try:
            for page in listing.pages():
                yield page
                if listing.is_checked:
                    pickle.dump([item.key for item in page], passed, pickle.HIGHEST_PROTOCOL)
            return
        except OutOfOrder:
            passed.seek(0)
        finally:
            listing.close()
        again = Listing(client, bucket, ListOptions(prefix=prefix, sort=True))
        try:
            yield from _rest(again, f"s3://{bucket}/{prefix}", _keys(passed))
        finally:
            again.close()


def _rest(listing: Listing, url: str, passed: Iterator[str]) -> Iterator[Objects]:
    """Pages of the sorted `listing` without the keys of `passed`, which are in order, too."""
    page: list[s3api.ListedObject] = []
    last = next(passed, None)
    for entry in listing:
        if entry.kind is Kind.END:
            raise TransferError(f"{url}: {entry.problem}: repeat the command")
        while last is not None and order(last) < order(entry.key):
            last = next(passed, None)
        if last == entry.key:
            continue
        modified = entry.modified / SECOND if entry.modified else None
        page.append(s3api.ListedObject(entry.key, entry.size, entry.etag, modified, entry.storage_class))
        if len(page) == PAGE_KEYS:
            yield tuple(page)
            page.clear()
    if page:
        yield tuple(page)


def _keys(passed: IO[bytes]) -> Iterator[str]:
    while True:
        try:
            yield from pickle.load(passed)
        except EOFError:
            return
