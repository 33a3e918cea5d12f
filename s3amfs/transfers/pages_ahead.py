"""Pages of a listing that come while the caller does something else."""

from __future__ import annotations

import threading
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
        self._came = threading.Event()
        self._cut = begin_list(
            client, bucket, prefix, self._on_page, delimiter=delimiter, token=token, max_keys=max_keys
        )

    def _on_page(self, page: ListPage | None) -> None:
        self._page = page
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
        return self._page if self._page is not None else self._ask_again()


class PagesAhead:
    """Pages of what is directly below `prefix`: each asks for the next one. Not for several threads at once."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._token: str | None = None
        self._next: PageAhead | None = None
        self._over = False

    @property
    def came(self) -> bool:
        """Whether there is a next page, and it has come."""
        return self._next is not None and self._next.came

    def take(self) -> ListPage | None:
        """Returns the next page, None after the last one. Raises AccessDenied, TransferError, Interrupted."""
        if self._over:
            return None
        if self._next is None:
            page = self._client.list_page(self._bucket, self._prefix, delimiter="/")
        else:
            page = self._next.result()
        before, self._token, self._next = self._token, page.next_token, None
        self._over = self._token is None
        if self._token is not None:
            s3api.must_advance(self._token != before, "ListObjectsV2")
            self._next = PageAhead(self._client, self._bucket, self._prefix, delimiter="/", token=self._token)
        return page

    def stop(self) -> None:
        """Nobody waits for the next page any more."""
        if self._next is not None:
            self._next.stop()
