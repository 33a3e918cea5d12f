"""The objects below a prefix as entries in the order of keys, fetched ahead by a page, checked page by page.

Each page is asked for by the last key of the page before (StartAfter), so that a continuation token which is lost,
repeated or another listing's has no say. Pages must go forward; a listing that does not, as those of directory buckets
and some servers, is read whole and sorted through the disk (`sort`). One that breaks off ends in an entry of kind END:
what comes after it is unknown.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ..core.entries import Entry, Kind, order
from ..core.filters import Filters
from ..core.merge import OutOfOrder
from ..engine.client import S3Client
from ..errors import S3AMError, TransferError
from ..wire.messages import Reply
from ..wire.s3 import api as s3api
from ..wire.s3.xml import MalformedXml
from .spill import sorted_by

PAGE_KEYS = 1000
"""Keys that a page of ListObjectsV2 has at most (S3 API, "ListObjectsV2")."""
PAGE_TRIES = 3
"""How often a page that makes no sense is asked for."""
PAGES_AHEAD = 2
SECOND = 10**9


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Selects the keys to list: those that begin with `root + prefix`, named relative to `root`.

    after: only keys (relative ones) behind this. sort: the server is known to list in another order. keep: which keys
    (relative ones) take part.
    """

    root: str = ""
    prefix: str = ""
    after: str = ""
    sort: bool = False
    keep: Callable[[str], bool] | None = None


class Listing:
    """Objects of one bucket below a prefix. Iterate once; `close` when it is not read to its end."""

    def __init__(self, client: S3Client, bucket: str, options: ListOptions) -> None:
        self._client = client
        self._bucket = bucket
        self._options = options
        self._pages: queue.Queue[list[s3api.ListedObject] | BaseException | None] = queue.Queue(PAGES_AHEAD)
        self._closed = False
        self.clock_offset = 0
        """Nanoseconds that the server's clock is ahead, as its Date says; known once the first page is there."""
        self.requests = 0
        self._sort = options.sort or is_directory_bucket(bucket)
        self._first = self._begin()

    def __iter__(self) -> Iterator[Entry]:
        if self._sort:
            yield from self._sorted()
        else:
            yield from self._entries(self._checked())

    def close(self) -> None:
        """Ends the listing; nothing more is asked for."""
        self._closed = True
        while True:
            try:
                self._pages.get_nowait()
            except queue.Empty:
                return

    # -- pages ------------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[list[s3api.ListedObject], bool]:
        """The first page, in the caller's thread: it raises what makes the whole listing impossible."""
        options = self._options
        start = options.root + options.after if options.after and not self._sort else None
        before = time.time()
        page, more, reply = self._page(start, None)
        if lists_by_folders(reply):
            self._sort = True
            if start is not None:  # where that server goes on has nothing to do with the order of keys
                page, more, _ = self._page(None, None)
        self.clock_offset = clock_offset(reply, before, time.time())
        if more:
            threading.Thread(target=self._run, args=(page,), name="s3am-list", daemon=True).start()
        return list(page.objects), more

    def _page(self, after: str | None, token: str | None) -> tuple[s3api.ListPage, bool, Reply]:
        """Raises S3AMError."""
        prefix = self._options.root + self._options.prefix
        request = s3api.list_objects(self._bucket, prefix=prefix, start_after=after, token=token, max_keys=PAGE_KEYS)
        for tries in range(PAGE_TRIES):
            self.requests += 1
            reply = self._client.call(request, f"s3://{self._bucket}/{prefix}")
            try:
                page, more = s3api.parse_listing(reply)
                foreign = next((item.key for item in page.objects if not item.key.startswith(prefix)), None)
                if foreign is not None:
                    raise MalformedXml(f"the server's listing of {prefix!r} names {foreign!r}")
                return page, more or len(page.objects) == PAGE_KEYS, reply
            except MalformedXml:
                if tries == PAGE_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _run(self, page: s3api.ListPage) -> None:
        """Fetches the other pages; a thread of its own."""
        by_token = is_directory_bucket(self._bucket)
        try:
            more = True
            while more and not self._closed:
                last = page.objects[-1].key if page.objects else None
                if last is None and page.next_token is None:
                    raise TransferError("the server's listing says that more follows, but not where")
                use_token = page.next_token if by_token or last is None else None
                page, more, _ = self._page(None if use_token else last, use_token)
                self._put(list(page.objects))
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised to the reader
            self._put(error)

    def _put(self, item: list[s3api.ListedObject] | BaseException | None) -> None:
        while not self._closed:
            try:
                self._pages.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def pages(self) -> Iterator[list[s3api.ListedObject]]:
        """The pages as the server gives them, in whatever order. Raises S3AMError."""
        return self._objects()

    def _objects(self) -> Iterator[list[s3api.ListedObject]]:
        page, more = self._first
        self._first = ([], False)
        yield page
        while more:
            item = self._pages.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                return
            yield item

    def _checked(self) -> Iterator[list[s3api.ListedObject]]:
        """Pages in order. Raises OutOfOrder, S3AMError."""
        last = b""
        for page in self._objects():
            for item in page:
                mine = item.key.encode("utf-8", "surrogateescape")
                if mine <= last:
                    raise OutOfOrder(item.key)
                last = mine
            yield page

    # -- entries ----------------------------------------------------------------------------------------------------

    def _entries(self, pages: Iterator[list[s3api.ListedObject]]) -> Iterator[Entry]:
        root, keep = self._options.root, self._options.keep
        cut = len(root)
        last = self._options.after
        try:
            for page in pages:
                for item in page:
                    key = item.key[cut:]
                    if key and (keep is None or keep(key)):
                        yield entry_of(item, key)
                    last = key or last
        except S3AMError as error:
            yield Entry(last, kind=Kind.END, problem=f"the listing broke off ({error})")

    def _sorted(self) -> Iterator[Entry]:
        broken: list[Entry] = []

        def whole() -> Iterator[Entry]:
            for entry in self._entries(self._objects()):
                if entry.kind is Kind.END:
                    broken.append(entry)
                else:
                    yield entry

        after = order(self._options.after)
        last: str | None = None
        for entry in sorted_by(whole(), lambda entry: order(entry.key)):
            if broken:  # a part of a listing in no order says nothing about any key that it lacks
                yield replace(broken[0], key=last or "")
                return
            if entry.key == last:
                yield Entry(last, kind=Kind.END, problem="the server's listing has keys twice")
                return
            last = entry.key
            if order(entry.key) > after or not after:
                yield entry
        if broken:
            yield replace(broken[0], key=last or "")


def is_directory_bucket(bucket: str) -> bool:
    """Those of S3 Express list in no order and know no StartAfter (S3 User Guide, "Directory buckets")."""
    return bucket.endswith("--x-s3")


def lists_by_folders(reply: Reply) -> bool:
    """SeaweedFS sorts each folder by names: 'a/b' comes before 'a b'."""
    return "seaweedfs" in reply.headers.get("server", "").lower()


def entry_of(item: s3api.ListedObject, key: str) -> Entry:
    """An object of a listing as an entry of the name `key`."""
    kind = Kind.FOLDER if key.endswith("/") and item.size == 0 else Kind.FILE
    modified = round(item.last_modified * 1000) * 1_000_000 if item.last_modified is not None else 0
    return Entry(key, item.size, modified, kind, item.etag, item.storage_class)


def clock_offset(reply: Reply, before: float, after: float) -> int:
    """Nanoseconds that the server's clock is ahead of this machine's; 0 where they may be equal, or nothing says it."""
    date = s3api.http_time(reply.headers.get("date"))
    if date is None:
        return 0
    least, most = date - after, date + 1 - before
    nearest = 0.0 if least <= 0 <= most else least if least > 0 else most
    return round(nearest * SECOND)


def filtered(filters: Filters) -> Callable[[str], bool] | None:
    """`keep` for a listing."""
    return filters.includes if filters else None
