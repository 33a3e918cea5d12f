"""`--write-back`: small files that were closed are published together, a moment later, several at a time.

A file that waits is Delayed (states.py): its content lies in a spool with a name and a record, so a killed daemon
loses none of it (`s3am pending`). The queue is one of the file's holders until it is published. fsync, rename, umount
and an open for writing do not wait for its time: they `settle` it. Threads may share a queue.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from ..core.parts import MIN_PART
from ..engine.interruptible import holding, result_of, wait_on
from ..engine.resources import usable_descriptors
from ..errors import Interrupted
from .open_file import OpenFile

MOST_BYTES = MIN_PART
"""Larger files are published by their close."""
MOST_FILES = 2000
DESCRIPTORS = 8
"""A file takes two descriptors: at most a fourth of all."""
WORKERS = 32
Act = Callable[[OpenFile], None]
log = logging.getLogger("s3amfs.mount")


class WriteBack:
    """seconds: in which a file is published. publish: raises OSError or S3AMError. release: gives the hold back."""

    def __init__(self, seconds: float, publish: Act, release: Callable[[int], None]) -> None:
        self._seconds = seconds
        self._publish = publish
        self._release = release
        self._most = min(MOST_FILES, usable_descriptors() // DESCRIPTORS)
        self._condition = threading.Condition()
        self._waiting: dict[OpenFile, tuple[float, int]] = {}
        """When it is due, and its handle; in this order."""
        self._publishing: set[OpenFile] = set()
        self._failed: list[tuple[str, str]] = []
        """(key, reason)"""
        self._unsaid: dict[str, str] = {}
        """By key: why a file was not published for which nobody waited, until that is raised."""
        self._pool: ThreadPoolExecutor | None = None

    @property
    def count(self) -> int:
        return len(self._waiting) + len(self._publishing)

    @property
    def has_failures(self) -> bool:
        """Whether `confirm` has something to raise."""
        return bool(self._unsaid)

    def takes(self, file: OpenFile) -> bool:
        """Whether `file`, which is being closed, may wait."""
        small = file.size < MOST_BYTES and file.is_whole and not file.failed
        return self._seconds > 0 and small and self.count < self._most

    def put(self, file: OpenFile, hold: Callable[[OpenFile], int]) -> None:
        """`file` waits from now on. hold: holds it for the queue, and returns the handle."""
        with self._condition:
            if file in self._waiting:
                return
            self._waiting[file] = (time.monotonic() + self._seconds / 2, hold(file))
            if self._pool is None:
                self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3am-write-back")
                threading.Thread(target=self._run, name="s3am-write-back", daemon=True).start()
            self._condition.notify_all()

    def settle(self, files: Iterable[OpenFile]) -> None:
        """Publishes those of `files` that wait, now. Raises OSError or S3AMError."""
        given = list(files)
        pool = self._pool
        if len(given) > 1 and pool is not None:
            for file, done in [(file, pool.submit(self._settle, file, remembers=True)) for file in given]:
                try:
                    result_of(done)
                except Interrupted:
                    raise
                except Exception:
                    self._raised(file)  # of all others `confirm` says it
                    raise
        else:
            for file in given:
                self._settle(file)

    def _settle(self, file: OpenFile, *, remembers: bool = False) -> None:
        with holding(self._condition):
            while file in self._publishing:
                wait_on(self._condition)
        if self._take(file) is not None:
            self._do(file, remembers=remembers)

    def cancel(self, file: OpenFile) -> int | None:
        """It need not be published: returns its handle, for the caller to release; None: it does not wait (now)."""
        with holding(self._condition):
            while file in self._publishing:
                wait_on(self._condition)
            _, number = self._waiting.pop(file, (0.0, None))
            return number

    def confirm(self, key: str) -> None:
        """Raises OSError, once, for what was closed at `key`, or below it, and could not be published by itself."""
        with self._condition:
            found = [name for name in self._unsaid if name == key or name.startswith(key + "/")]
            reasons = [self._unsaid.pop(name) for name in found]
        if found:
            raise OSError(errno.EIO, f"{found[0]} was closed, and could not be published: {reasons[0]}")

    def forget(self, key: str) -> None:
        """The content that could not be published at `key` is superseded."""
        with self._condition:
            self._unsaid.pop(key, None)

    def settle_all(self) -> None:
        """Publishes all that waits. Raises OSError for what failed, also earlier."""
        pool = self._pool
        with self._condition:
            files = list(self._waiting)
        if pool is not None:
            for done in [pool.submit(self._try, file) for file in files]:
                result_of(done)
        with holding(self._condition):
            while self._publishing:
                wait_on(self._condition)
            failed, self._failed = self._failed, []
            self._unsaid.clear()
        if failed:
            key, reason = failed[0]
            raise OSError(errno.EIO, f"{len(failed)} files were not published after their close: {key}: {reason}")

    def _take(self, file: OpenFile) -> int | None:
        """Its handle, if it waits; the caller publishes it."""
        with self._condition:
            if file not in self._waiting or file in self._publishing:
                return None
            self._publishing.add(file)
            return self._waiting[file][1]

    def _do(self, file: OpenFile, *, remembers: bool = False) -> None:
        """Publishes a file that was taken; without success it stays on disk, on record. After Interrupted it waits on.

        remembers: the next `settle_all`, and `confirm`, raise what went wrong.
        """
        try:
            if file.is_delayed:
                self._publish(file)
        except Interrupted:
            self._done(file)
            raise
        except Exception as error:
            if remembers:  # before anybody who waits for this one can look
                self._remember(file, error)
            self._let_go(file, remembers)
            raise
        self._let_go(file, remembers)

    def _let_go(self, file: OpenFile, remembers: bool) -> None:
        """It waits no more."""
        with self._condition:
            _, number = self._waiting.pop(file)
        try:
            self._release(number)  # which publishes what was written meanwhile
        except Exception as error:
            if remembers:
                self._remember(file, error)
            raise
        finally:
            self._done(file)

    def _done(self, file: OpenFile) -> None:
        with self._condition:
            self._publishing.discard(file)
            self._condition.notify_all()

    def _remember(self, file: OpenFile, error: Exception) -> None:
        with self._condition:
            self._failed.append((file.key, str(error)))
            self._unsaid[file.key] = str(error)

    def _raised(self, file: OpenFile) -> None:
        """Its failure is known to somebody."""
        with self._condition:
            self._unsaid.pop(file.key, None)
            self._failed = [failure for failure in self._failed if failure[0] != file.key]

    def _try(self, file: OpenFile) -> None:
        if self._take(file) is None:
            return
        try:
            self._do(file, remembers=True)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: it is logged, and raised by the next settle_all
            log.error("%s was closed, and could not be published: %s", file.key, error)

    def _run(self) -> None:
        assert self._pool is not None
        while True:
            with self._condition:
                while not (due := self._due()):
                    self._condition.wait(self._until_next())
            for done in [self._pool.submit(self._try, file) for file in due]:
                done.result()

    def _due(self) -> list[OpenFile]:
        """The files whose time has come; all, if there are many."""
        now, many = time.monotonic(), len(self._waiting) > self._most // 2
        return [
            file for file, (when, _) in self._waiting.items() if (many or when <= now) and file not in self._publishing
        ]

    def _until_next(self) -> float | None:
        times = [when for file, (when, _) in self._waiting.items() if file not in self._publishing]
        return max(0.0, min(times) - time.monotonic()) if times else None
