"""Fetches the pages of one listing ahead of their reader, many at a time where it is long (`core/trees/list_plan`)."""

from __future__ import annotations

import marshal
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from ..core.trees.list_plan import Ask, ListPlan
from ..engine import waiting
from ..errors import S3AMError
from ..wire.s3 import api as s3api

PAGE_KEYS = 1000
"""Keys that a page of ListObjectsV2 has at most (S3 API, "ListObjectsV2")."""
WIDTH = 24
"""Pages of one listing in flight at most."""

AT_ONCE = 8
"""Pages that a reader takes at most before it looks at the others."""
FEW = 4
"""Pages that wait as they are."""
PACKED_BYTES = 8 * 1024 * 1024
"""Beyond that pages that wait are compressed, to about 30 bytes a key."""
_WITHOUT_REFERENCES = 2
"""Version of `marshal`."""
_MD5_DIGITS = 32

Objects = tuple[s3api.ListedObject, ...]
Page = s3api.ListingPage
Stored = s3api.Columns | bytes
"""A page that waits, as it is or packed."""
OnPage = Callable[[Page | None], None]


class Fetch(Protocol):
    """Asks for the page behind `after`, or the one of `token`. Raises S3AMError."""

    def __call__(self, after: str | None, token: str | None) -> Page: ...


class Begin(Protocol):
    """Asks for a page as `Fetch` does and does not wait: `on_page` is called with it, in some thread, not in this call.

    None: it did not come, and `Fetch` is to be asked. Raises S3AMError for the same.
    """

    def __call__(self, after: str | None, token: str | None, on_page: OnPage) -> object: ...


class Pages:
    """The pages of one listing in order, from `first` on. Iterate once.

    begin: asks for a page; None: only `fetch` can. fetch: does it with all retries, in threads of this object. after:
    the key behind which `first` was asked for. width: pages in flight at most; by_token: see `ListPlan`. waits_for:
    what a reader waits for, in words.
    """

    def __init__(
        self,
        fetch: Fetch,
        first: Page,
        after: str = "",
        width: int = WIDTH,
        by_token: bool = False,
        *,
        begin: Begin | None = None,
        waits_for: Callable[[], str] = lambda: "a page of a listing",
    ) -> None:
        self._fetch = fetch
        self._begin = begin
        self._waits_for: Callable[[], str] | None = waits_for
        self._plan: ListPlan[Stored] = ListPlan(width, after, by_token=by_token)
        self._changed = threading.Condition()
        self._asks: deque[Ask[Stored]] = deque()
        self._taken: deque[tuple[Stored, int]] = deque()
        self._threads = self._idle = self._flying = 0
        self._closed = False
        self._broken: BaseException | None = None
        ask = self._plan.ask()
        assert ask is not None
        self._arrived(ask, first)
        with self._changed:
            self._dispatch()

    def __iter__(self) -> Iterator[Objects]:
        """`columns` by rows."""
        return (page.objects() for page in self.columns())

    def columns(self) -> Iterator[s3api.Columns]:
        """The pages. Raises S3AMError where the page that comes next could not be had."""
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

    def _next(self) -> s3api.Columns | None:
        if self._closed:
            return None
        while not self._taken and not self._take():
            if self._closed or self._plan.over:
                return None
            self._report_wait()
        page, count = self._taken.popleft()
        return (_unpacked(page) if isinstance(page, bytes) else page).first(count)

    def _take(self) -> bool:
        """Takes pages that come next; False: there are none, or none came for so long that it should be said."""
        with self._changed:
            while (taken := None if self._closed else self._plan.take()) is None:
                if self._closed or self._plan.over:
                    return False
                if (error := self._broken or self._plan.error) is not None:
                    raise error
                self._dispatch()  # the plan may go on otherwise now
                if self._waits_for is None or not self._flying:
                    self._changed.wait()
                elif not self._changed.wait(waiting.WAIT_SECONDS):
                    return False
            while taken is not None:
                self._taken.append(taken)
                taken = self._plan.take() if len(self._taken) < AT_ONCE else None
            self._dispatch()
            return True

    def _report_wait(self) -> None:
        """Once. Where `fetch` is at work it says by itself what it waits for."""
        if self._waits_for is not None and self._flying:
            waiting.report(self._waits_for())
            self._waits_for = None

    def _dispatch(self) -> None:
        """Sends what is to be asked for; under the lock."""
        while not self._closed and (ask := self._plan.ask()) is not None:
            if not self._send(ask):
                self._give(ask)

    def _send(self, ask: Ask[Stored]) -> bool:
        if self._begin is None:
            return False
        try:
            self._begin(*_place(ask), partial(self._on_page, ask))
        except S3AMError:
            return False
        self._flying += 1
        return True

    def _give(self, ask: Ask[Stored]) -> None:
        """To a thread; under the lock."""
        self._asks.append(ask)
        if self._idle >= len(self._asks):
            self._changed.notify_all()
        else:
            self._threads += 1
            threading.Thread(target=self._work, name="s3am-list", daemon=True).start()

    def _on_page(self, ask: Ask[Stored], page: Page | None) -> None:
        """Of what `begin` has asked for; any thread."""
        with self._changed:
            self._flying -= 1
            if page is None and not self._closed:
                self._give(ask)
        if page is not None:
            self._take_in(ask, page)

    def _work(self) -> None:
        while (ask := self._take_ask()) is not None:
            try:
                page = self._fetch(*_place(ask))
            except BaseException as error:  # noqa: BLE001 - raised to the reader
                with self._changed:
                    self._plan.failed(ask, error)
                    self._changed.notify_all()
                continue
            self._take_in(ask, page)

    def _take_in(self, ask: Ask[Stored], page: Page) -> None:
        with self._changed:
            if self._closed:
                return
            stored = self._plan.stored
        try:
            packed = _packed(page.columns, stored)
            with self._changed:
                self._arrived(ask, page, packed)
                self._dispatch()
                if self._plan.may_give:  # the reader has nothing from a page that comes later
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised to the reader
            with self._changed:
                self._broken = error
                self._changed.notify_all()

    def _take_ask(self) -> Ask[Stored] | None:
        with self._changed:
            while not self._asks:
                if self._closed or self._plan.over:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._asks.popleft() if not self._closed else None

    def _arrived(self, ask: Ask[Stored], page: Page, packed: Stored | None = None) -> None:
        keys = page.columns.keys
        is_full = len(keys) >= PAGE_KEYS and not self._plan.by_token  # servers were seen to say that it was the last
        stored = page.columns if packed is None else packed
        self._plan.arrived(ask, keys, page.more or is_full, page.token, stored)


def _place(ask: Ask[Stored]) -> tuple[str | None, str | None]:
    """The page that `ask` asks for: the key behind which the page begins, or its token."""
    return (None, ask.token) if ask.token is not None else (ask.after or None, None)


def _packed(columns: s3api.Columns, stored: int) -> Stored:
    """`columns` as they are stored, of which `stored` pages have to wait already: the fewer, the quicker."""
    if stored < FEW:
        return columns
    digests = _digests(columns.etags)
    etags = columns.etags if digests is None else digests
    classes = columns.classes[0] if len(set(columns.classes)) == 1 else columns.classes
    text = marshal.dumps((columns.keys, columns.sizes, columns.modified), _WITHOUT_REFERENCES)
    squeezed = (len(text) + len(columns.keys) * _MD5_DIGITS // 2) * stored > PACKED_BYTES
    return marshal.dumps((squeezed, zlib.compress(text, 1) if squeezed else text, etags, classes), _WITHOUT_REFERENCES)


def _digests(etags: list[str]) -> bytes | None:
    """ETags that are MD5s in half of their length; None: not all are."""
    if set(map(len, etags)) != {_MD5_DIGITS}:
        return None
    joined = "".join(etags)
    try:
        found = bytes.fromhex(joined)
    except ValueError:
        return None
    return found if found.hex() == joined else None


def _unpacked(data: bytes) -> s3api.Columns:
    squeezed, text, etags, classes = marshal.loads(data)
    keys, sizes, modified = marshal.loads(zlib.decompress(text) if squeezed else text)
    if isinstance(etags, bytes):
        digits = etags.hex()
        etags = [digits[at : at + _MD5_DIGITS] for at in range(0, len(digits), _MD5_DIGITS)]
    if not isinstance(classes, list):
        classes = [classes] * len(keys)
    return s3api.Columns(keys, sizes, etags, modified, classes)
