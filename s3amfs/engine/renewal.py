"""Credentials that end while parts move: renewed in a thread of their own while the parts wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from .loop import Loop


class Credentials(Protocol):
    """Signs the parts (wire.aws.session.S3Session): asked before each part, renewed outside the loops."""

    def credentials_fresh(self) -> bool: ...

    def refresh_credentials(self, force: bool = False) -> None: ...


class Renewal:
    """The credentials of one transfer; used in its home loop.

    on_error: called in the home loop with what renewing raised.
    """

    def __init__(
        self, credentials: Sequence[Credentials], home: Loop, on_error: Callable[[BaseException], None]
    ) -> None:
        self._credentials = credentials
        self._home = home
        self._on_error = on_error
        self._expired = False
        self._waiting: list[Callable[[], None]] | None = None
        """Calls that wait for the thread that renews; None: there is no such thread."""

    def expired(self) -> None:
        """A server said so: they are renewed before the next part, whatever they say of themselves."""
        self._expired = True

    def when_fresh(self, begin: Callable[[], None]) -> None:
        """Calls `begin`, now or when the credentials have been renewed."""
        if self._waiting is not None:
            self._waiting.append(begin)
        elif self._expired or not all(source.credentials_fresh() for source in self._credentials):
            self._waiting = [begin]
            threading.Thread(target=self._renew, args=(self._expired,), name="s3am-credentials", daemon=True).start()
        else:
            begin()

    def _renew(self, force: bool) -> None:
        """In a thread of its own: files, processes and metadata services may take their time."""
        try:
            for source in self._credentials:
                source.refresh_credentials(force)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that owns the transfer
            failed = error
            self._home.submit(lambda: self._on_error(failed))
            return
        self._home.submit(self._renewed)

    def _renewed(self) -> None:
        waiting, self._waiting, self._expired = self._waiting or [], None, False
        for begin in waiting:
            begin()
