"""The objects below a prefix as entries in the order of keys, fetched ahead by a page, checked page by page.

Each page is asked for by the last key of the page before (StartAfter), so that a continuation token which is lost,
repeated or another listing's has no say; a long listing is fetched in many places at a time (`pages`). Pages must go
forward; a listing that does not, as those of directory buckets
and some servers, is read whole and sorted through the disk (`sort`). One that breaks off ends in an entry of kind END:
what comes after it is unknown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise, repeat

from ..core.define import define
from ..core.entries import Entry, Kind, is_ascending, order
from ..core.filters import Filters
from ..core.http import origin
from ..core.merge import OutOfOrder
from ..engine.client import S3Client
from ..errors import S3AMError
from ..wire.messages import Reply, S3Request
from ..wire.s3 import api as s3api
from ..wire.s3.xml import MalformedXml
from .pages import PAGE_KEYS, WIDTH, Objects, OnPage, Page, Pages
from .spill import sorted_by

PAGE_TRIES = 3
"""How often a page that makes no sense is asked for."""
SECOND = 10**9


@define(frozen=True, slots=True)
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
        self.clock_offset = 0
        """Nanoseconds that the server's clock is ahead, as its Date says; known once the first page is there."""
        self.requests = 0
        self._lock = threading.Lock()
        self._parsing = threading.Lock()  # one interpreter gains nothing by more at a time, and each takes a MiB
        self._by_token = is_directory_bucket(bucket)
        self._sort = options.sort or self._by_token
        self._pages = self._begin()

    def __iter__(self) -> Iterator[Entry]:
        if self._sort:
            yield from self._sorted()
        else:
            yield from self._entries(self._checked())

    def close(self) -> None:
        """Ends the listing; nothing more is asked for."""
        self._pages.close()

    # -- pages ------------------------------------------------------------------------------------------------------

    def _begin(self) -> Pages:
        """Asks for the first page, in the caller's thread: it raises what makes the whole listing impossible."""
        options = self._options
        start = options.root + options.after if options.after and not self._sort else None
        before = time.time()
        page, reply = self._asked(start, None)
        self.clock_offset = clock_offset(reply, before, time.time())
        if lists_by_folders(reply):
            self._sort = True
            if start is not None:  # where that server goes on has nothing to do with the order of keys
                start = None
                page, _ = self._asked(None, None)
        width = 1 if self._sort else WIDTH

        return Pages(
            self._page, page, start or "", width, self._by_token, begin=self._begin_page, waits_for=self._waits_for
        )

    def _waits_for(self) -> str:
        return f"an answer of {origin(self._client.session.endpoint_id(self._bucket))}"

    def _request(self, after: str | None, token: str | None) -> S3Request:
        with self._lock:
            self.requests += 1
        prefix = self._options.root + self._options.prefix
        return s3api.list_objects(self._bucket, prefix=prefix, start_after=after, token=token, max_keys=PAGE_KEYS)

    def _begin_page(self, after: str | None, token: str | None, on_page: OnPage) -> None:
        """Asks for a page and does not wait; any thread, and `on_page` is called in a loop's."""

        def on_reply(reply: Reply | None) -> None:
            try:
                page = self._parsed(reply) if reply is not None else None
            except MalformedXml:
                page = None
            on_page(page)

        self._client.begin(self._request(after, token), on_reply)

    def _page(self, after: str | None, token: str | None) -> Page:
        """The page, whatever it takes; any thread. Raises S3AMError."""
        return self._asked(after, token)[0]

    def _asked(self, after: str | None, token: str | None) -> tuple[Page, Reply]:
        for tries in range(PAGE_TRIES):
            reply = self._client.call(
                self._request(after, token), f"s3://{self._bucket}/{self._options.root}{self._options.prefix}"
            )
            try:
                with self._parsing:
                    return self._parsed(reply), reply
            except MalformedXml:
                if tries == PAGE_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _parsed(self, reply: Reply) -> Page:
        """Raises MalformedXml, also for keys that nobody asked for."""
        page = s3api.parse_listing(reply)
        prefix = self._options.root + self._options.prefix
        if not all(map(str.startswith, page.columns.keys, repeat(prefix))):
            foreign = next(key for key in page.columns.keys if not key.startswith(prefix))
            raise MalformedXml(f"the server's listing of {prefix!r} names {foreign!r}")
        return page

    @property
    def is_checked(self) -> bool:
        """Whether `pages` come in the order of keys; else the server is known to have another one."""
        return not self._sort

    def pages(self) -> Iterator[Objects]:
        """The pages as the server gives them. Raises S3AMError, OutOfOrder (only if `is_checked`)."""
        return (page.objects() for page in self.columns())

    def columns(self) -> Iterator[s3api.Columns]:
        """`pages` by columns, which takes less time. Raises S3AMError, OutOfOrder (only if `is_checked`)."""
        return self._checked() if self.is_checked else self._pages.columns()

    def _checked(self) -> Iterator[s3api.Columns]:
        """Pages in order. Raises OutOfOrder, S3AMError."""
        last = ""
        for page in self._pages.columns():
            keys = page.keys
            if not is_ascending(last, keys):
                raise OutOfOrder(next(mine for before, mine in pairwise((last, *keys)) if mine <= before))
            last = keys[-1] if keys else last
            yield page

    # -- entries ----------------------------------------------------------------------------------------------------

    def _entries(self, pages: Iterable[s3api.Columns]) -> Iterator[Entry]:
        root, keep = self._options.root, self._options.keep
        cut = len(root)
        last = self._options.after
        behind = order(last) if last and not self._sort else b""  # not every server takes notice of StartAfter
        try:
            for page in pages:
                for item in page.rows():
                    key = item.key[cut:]
                    if behind and order(key) <= behind:
                        continue
                    behind = b""
                    if key and (keep is None or keep(key)):
                        yield entry_of(item, key)
                    last = key or last
        except S3AMError as error:
            yield Entry(last, kind=Kind.END, problem=f"the listing broke off ({error})")

    def _sorted(self) -> Iterator[Entry]:
        broken: list[Entry] = []

        def whole() -> Iterator[Entry]:
            for entry in self._entries(self._pages.columns()):
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
