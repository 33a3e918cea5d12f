"""Changes of metadata that wait a moment: what rsync and cp do after a close (times, mode, rename) costs one copy.

S3 can't change metadata in place: an object is copied onto itself. So changes of one object within a moment become one
copy, and a rename takes them along. A change that waits is seen through the mount at once. Threads may share it.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping

DELAY = 1.0
"""Seconds without a further change after which they are stored."""
Apply = Callable[[str, Mapping[str, str]], None]
log = logging.getLogger("s3amfs.mount")


class Changes:
    """apply: stores the metadata of a key; raises OSError."""

    def __init__(self, apply: Apply, delay: float = DELAY) -> None:
        self._apply = apply
        self._delay = delay
        self._waiting: dict[str, tuple[float, dict[str, str]]] = {}
        self._condition = threading.Condition()
        self._applying: set[str] = set()
        self._thread: threading.Thread | None = None
        self._failed: list[str] = []

    def put(self, key: str, metadata: Mapping[str, str]) -> None:
        """`metadata`, all of it, is what the object will have."""
        with self._condition:
            self._waiting[key] = (time.monotonic() + self._delay, dict(metadata))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="s3am-changes", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def of(self, key: str) -> dict[str, str] | None:
        """What waits for `key`."""
        with self._condition:
            waiting = self._waiting.get(key)
            return waiting[1] if waiting else None

    def take(self, key: str) -> dict[str, str] | None:
        """What waits for `key`: the caller stores it, or the object is about to go. One under way is waited for."""
        with self._condition:
            while key in self._applying:
                self._condition.wait()
            waiting = self._waiting.pop(key, None)
            return waiting[1] if waiting else None

    def store(self, key: str) -> None:
        """Stores what waits for `key` now. Raises OSError."""
        with self._condition:
            while key in self._applying:
                self._condition.wait()
            waiting = self._waiting.get(key)
            if waiting is None:
                return
            self._applying.add(key)
        try:
            self._apply(key, waiting[1])
        finally:
            with self._condition:
                self._applying.discard(key)
                if self._waiting.get(key) is waiting:
                    del self._waiting[key]
                self._condition.notify_all()

    def store_all(self) -> None:
        """Stores all that waits. Raises OSError for what failed, also earlier."""
        with self._condition:
            keys = list(self._waiting)
        for key in keys:
            self._try(key)
        with self._condition:
            failed, self._failed = self._failed, []
        if failed:
            raise OSError(errno.EIO, f"times or modes of {len(failed)} files could not be stored: {failed[0]}")

    def _try(self, key: str) -> None:
        try:
            self.store(key)
        except OSError as error:
            log.error("times or mode of %s were not stored: %s", key, error)
            with self._condition:
                self._failed.append(f"{key}: {error}")

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
