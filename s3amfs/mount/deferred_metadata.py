"""Changes that wait a moment: those of rsync and cp after a close (times, mode, rename) cost one copy.

S3 can't change metadata in place: an object is copied onto itself. So changes of one object within a moment become one
copy, and a rename takes them along. A change that waits is seen through the mount at once. Each says of which version
it is; that of another one is dropped. Removals wait, too, where a rename may follow in an instant that replaces what
is to be removed (name_operations.py). Threads may share it.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping

from ..core.define import define
from ..engine.interruptible import check, holding, wait_on
from ..errors import Interrupted
from ..transfers.options import ObjectInfo

DELAY = 1.0
"""Seconds without a further change after which they are stored."""
REMOVAL_DELAY = 0.25
"""Seconds: libfuse calls the rename that follows within microseconds."""
SYNC_SECONDS = 10.0
"""After all was stored for an unmount, changes are stored at once for so long: nobody may wait for the daemon's end."""
log = logging.getLogger("s3amfs.mount")


@define(frozen=True, slots=True)
class Waiting:
    """All that waits for one object."""

    base: ObjectInfo
    """The version that was changed."""
    changes: Mapping[str, str]
    """Of its metadata."""
    since: int
    """Of the last change, in nanoseconds since 1970: its ctime."""
    removal: bool = False

    @property
    def metadata(self) -> dict[str, str]:
        return {**self.base.metadata, **self.changes}


Apply = Callable[[str, Waiting], None]


class Changes:
    """apply: stores what waits for a key; raises OSError."""

    def __init__(self, apply: Apply, delay: float = DELAY) -> None:
        self._apply = apply
        self._delay = delay
        self._waiting: dict[str, tuple[float, Waiting]] = {}
        self._condition = threading.Condition()
        self._applying: set[str] = set()
        self._thread: threading.Thread | None = None
        self._failed: list[str] = []
        self._at_once_until = 0.0

    def put(self, key: str, base: ObjectInfo, changes: Mapping[str, str]) -> None:
        """changes: of the metadata of `base`, which stands at `key`; they join those that wait. Raises OSError."""
        with self._condition:
            known = self._waiting.get(key)
            if known is not None and known[1].base.etag == base.etag and not known[1].removal:
                base, changes = known[1].base, {**known[1].changes, **changes}
        self.put_back(key, Waiting(base, dict(changes), time.time_ns()))
        if time.monotonic() < self._at_once_until:
            self.store(key)

    def remove_later(self, key: str, base: ObjectInfo) -> None:
        """Removes `base` from `key` unless it is replaced in an instant."""
        self.put_back(key, Waiting(base, {}, time.time_ns(), removal=True))

    def keep(self, key: str) -> None:
        """It is not to be removed after all: it is being replaced."""
        with self._condition:
            known = self._waiting.get(key)
            if known is not None and known[1].removal and key not in self._applying:
                del self._waiting[key]

    def settle(self, key: str) -> None:
        """A removal that waits is done now: something new comes there. Raises OSError."""
        waiting = self.of(key)
        if waiting is not None and waiting.removal:
            self.store(key)

    def put_back(self, key: str, waiting: Waiting) -> None:
        delay = REMOVAL_DELAY if waiting.removal else self._delay
        with self._condition:
            self._waiting[key] = (time.monotonic() + delay, waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="s3am-changes", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def of(self, key: str) -> Waiting | None:
        """All that waits for `key`."""
        waiting = self._waiting.get(key)
        return waiting[1] if waiting else None

    @property
    def count(self) -> int:
        """How many objects something waits for."""
        return len(self._waiting)

    def removals_in(self, prefix: str) -> set[str]:
        """Keys that begin with `prefix` and are to be removed."""
        with self._condition:
            return {key for key, (_, each) in self._waiting.items() if each.removal and key.startswith(prefix)}

    def take(self, key: str) -> Waiting | None:
        """All that waits for `key`: the caller stores it, or the object is about to go. One under way is waited for."""
        with holding(self._condition):
            while key in self._applying:
                wait_on(self._condition)
            waiting = self._waiting.pop(key, None)
            return waiting[1] if waiting else None

    def store(self, key: str, *, remembers: bool = False) -> None:
        """Stores what waits for `key` now. Raises OSError; remembers: the next `store_all` raises it, too. It waits on
        after Interrupted: nobody has given it up."""
        with holding(self._condition):
            while key in self._applying:
                wait_on(self._condition)
            waiting = self._waiting.get(key)
            if waiting is None:
                return
            self._applying.add(key)
        waits_on = False
        try:
            self._apply(key, waiting[1])
        except Interrupted:
            waits_on = True
            raise
        except OSError as error:
            if remembers:  # before anybody who waits for this one can look
                with self._condition:
                    self._failed.append(f"{key}: {error}")
            raise
        finally:
            with self._condition:
                self._applying.discard(key)
                if self._waiting.get(key) is waiting and not waits_on:
                    del self._waiting[key]
                self._condition.notify_all()

    def store_all(self) -> None:
        """Stores all that waits. Raises OSError for what failed, also earlier; Interrupted."""
        with self._condition:
            keys = list(self._waiting)
            self._at_once_until = time.monotonic() + SYNC_SECONDS
        for key in keys:
            self._try(key)
            check()
        with self._condition:
            failed, self._failed = self._failed, []
        if failed:
            self._at_once_until = 0.0
            raise OSError(errno.EIO, f"times or modes of {len(failed)} files could not be stored: {failed[0]}")

    def _try(self, key: str) -> None:
        try:
            self.store(key, remembers=True)
        except Interrupted:
            return
        except OSError as error:
            log.error("times or mode of %s were not stored, or it was not removed: %s", key, error)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (due := self._due()):
                    self._condition.wait(self._until_next())
            for key in due:
                self._try(key)

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [key for key, (when, _) in self._waiting.items() if when <= now and key not in self._applying]

    def _until_next(self) -> float | None:
        times = [when for key, (when, _) in self._waiting.items() if key not in self._applying]
        return max(0.0, min(times) - time.monotonic()) if times else None
