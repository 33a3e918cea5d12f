"""Pages of a listing that come while the caller does something else."""

from __future__ import annotations

import threading
import time
from functools import partial

from ..engine.client import S3Client
from ..engine.interruptible import wait_for
from ..wire.s3 import api as s3api
from .one_request import begin_list
from .options import ListPage


class PageAhead:
    """Asks for one page; arguments as those of `S3Client.list_page`."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        prefix: str,
        *,
        delimiter: str | None = None,
        token: str | None = None,
        max_keys: int | None = None,
    ) -> None:
        self._ask_again = partial(client.list_page, bucket, prefix, delimiter=delimiter, token=token, max_keys=max_keys)
        self._page: ListPage | None = None
        self.came_at = 0.0
        """Monotonic seconds."""
        self._came = threading.Event()
        self._cut = begin_list(
            client, bucket, prefix, self._on_page, delimiter=delimiter, token=token, max_keys=max_keys
        )

    def _on_page(self, page: ListPage | None) -> None:
        self.came_at, self._page = time.monotonic(), page
        self._came.set()

    @property
    def came(self) -> bool:
        """Whether `result` need not wait."""
        return self._page is not None

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if not self._came.is_set():
            self._cut()

    def result(self) -> ListPage:
        """Raises AccessDenied, TransferError, Interrupted; what did not come is asked for once more."""
        wait_for(self._came)
        if self._page is None:
            page = self._ask_again()
            self._page, self.came_at = page, time.monotonic()
        return self._page


class PagesAhead:
    """Pages of what is directly below `prefix`. Not for several threads at once.

    most_age: how long a page may wait to be taken, in seconds; it is asked for again then. 0: none is asked for ahead.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str, most_age: float) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._most_age = most_age
        self._token: str | None = None
        """Of the page that is taken next."""
        self._next: PageAhead | None = None
        self._over = self._repeats = False
        self.taken_at = 0.0
        """When the page that was taken last came, monotonic seconds."""

    def begin(self) -> None:
        """Asks for the next page, if there is one and it was not asked for. The first one is asked for by `take`."""
        if self._next is None and self._token is not None and not self._repeats and self._most_age > 0:
            self._next = PageAhead(self._client, self._bucket, self._prefix, delimiter="/", token=self._token)

    @property
    def came(self) -> bool:
        """Whether there is a next page that can be taken without waiting."""
        return self._next is not None and self._next.came and self._is_new(self._next)

    def take(self) -> ListPage | None:
        """Returns the next page, None after the last one. Raises AccessDenied, TransferError, Interrupted."""
        if self._over:
            return None
        s3api.must_advance(not self._repeats, "ListObjectsV2")
        coming = self._next
        if coming is not None and (not coming.came or self._is_new(coming)):
            page, self.taken_at = coming.result(), coming.came_at
        else:
            page = self._client.list_page(self._bucket, self._prefix, delimiter="/", token=self._token)
            self.taken_at = time.monotonic()
        self._repeats = page.next_token is not None and page.next_token == self._token
        self._next, self._token, self._over = None, page.next_token, page.next_token is None
        return page

    def stop(self) -> None:
        """Nobody waits for the next page any more."""
        if self._next is not None:
            self._next.stop()

    def _is_new(self, page: PageAhead) -> bool:
        return time.monotonic() - page.came_at <= self._most_age
