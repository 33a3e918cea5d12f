"""Fetches the pages of one listing ahead of their reader, many at a time where it is long (`core/trees/list_plan`)."""

from __future__ import annotations

import marshal
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from ..core.trees.list_plan import Ask, ListPlan
from ..wire.s3 import api as s3api

PAGE_KEYS = 1000
"""Keys that a page of ListObjectsV2 has at most (S3 API, "ListObjectsV2")."""
WIDTH = 24
"""Pages of one listing in flight at most."""

FEW = 4
"""Pages that wait as they are."""
PACKED_BYTES = 1024 * 1024
"""Beyond that pages that wait are compressed, to about 30 bytes a key."""
_WITHOUT_REFERENCES = 2
"""Version of `marshal`."""
_ZLIB = b"\x78"
"""How what zlib has compressed begins (RFC 1950); a tuple begins with a bracket."""

Objects = tuple[s3api.ListedObject, ...]
Page = tuple[s3api.ListPage, bool]
"""A page, and whether the listing has more behind it."""


class Fetch(Protocol):
    """Asks for the page behind `after`, or the one of `token`. Raises S3AMError."""

    def __call__(self, after: str | None, token: str | None) -> Page: ...


class Pages:
    """The pages of one listing in order, from `first` on. Iterate once.

    fetch: called in threads of this object. after: the key behind which `first` was asked for. width: pages in flight
    at most; by_token: see `ListPlan`.
    """

    def __init__(self, fetch: Fetch, first: Page, after: str = "", width: int = WIDTH, by_token: bool = False) -> None:
        self._fetch = fetch
        self._plan: ListPlan[Objects | bytes] = ListPlan(width, after, by_token=by_token)
        self._changed = threading.Condition()
        self._asks: deque[Ask[Objects | bytes]] = deque()
        self._threads = self._idle = 0
        self._closed = False
        self._broken: BaseException | None = None
        ask = self._plan.ask()
        assert ask is not None
        self._arrived(ask, *first)
        self._dispatch()

    def __iter__(self) -> Iterator[Objects]:
        """Raises S3AMError where the page that comes next could not be had."""
        try:
            while (page := self._next()) is not None:
                yield page
        finally:
            self.close()

    def close(self) -> None:
        """Ends the listing; nothing more is asked for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _next(self) -> Objects | None:
        with self._changed:
            while (taken := None if self._closed else self._plan.take()) is None:
                if self._closed or self._plan.over:
                    return None
                if (error := self._broken or self._plan.error) is not None:
                    raise error
                self._dispatch()  # the plan may go on otherwise now
                self._changed.wait()
            self._dispatch()
        page, count = taken
        objects = _unpacked(page) if isinstance(page, bytes) else page
        return objects if count == len(objects) else objects[:count]

    def _dispatch(self) -> None:
        """Gives what is to be asked for to threads; under the lock."""
        while not self._closed and (ask := self._plan.ask()) is not None:
            self._asks.append(ask)
            if self._idle >= len(self._asks):
                self._changed.notify_all()
            else:
                self._threads += 1
                threading.Thread(target=self._work, name="s3am-list", daemon=True).start()

    def _work(self) -> None:
        while (ask := self._take_ask()) is not None:
            try:
                page, more = self._fetch(None if ask.token is not None else ask.after or None, ask.token)
            except BaseException as error:  # noqa: BLE001 - raised to the reader
                with self._changed:
                    self._plan.failed(ask, error)
                    self._changed.notify_all()
                continue
            with self._changed:
                stored = self._plan.stored
            packed = _packed(page.objects, stored)
            with self._changed:
                try:
                    self._arrived(ask, page, more, packed)
                    self._dispatch()
                except BaseException as error:  # noqa: BLE001 - raised to the reader
                    self._broken = error
                self._changed.notify_all()

    def _take_ask(self) -> Ask[Objects | bytes] | None:
        with self._changed:
            while not self._asks:
                if self._closed or self._plan.over:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._asks.popleft() if not self._closed else None

    def _arrived(
        self, ask: Ask[Objects | bytes], page: s3api.ListPage, more: bool, packed: Objects | bytes | None = None
    ) -> None:
        keys = [item.key for item in page.objects]
        is_full = len(keys) >= PAGE_KEYS and not self._plan.by_token  # servers were seen to say that it was the last
        self._plan.arrived(ask, keys, more or is_full, page.next_token, page.objects if packed is None else packed)


def _packed(objects: Objects, stored: int) -> Objects | bytes:
    """`objects` as they are stored, of which `stored` pages have to wait already: the fewer, the quicker."""
    if stored < FEW:
        return objects
    data = marshal.dumps(tuple(zip(*objects, strict=True)), _WITHOUT_REFERENCES)
    return zlib.compress(data, 1) if len(data) * stored > PACKED_BYTES else data


def _unpacked(data: bytes) -> Objects:
    columns = marshal.loads(zlib.decompress(data) if data[:1] == _ZLIB else data)
    return tuple(map(s3api.listed_object, zip(*columns, strict=True)))
