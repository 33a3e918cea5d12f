"""The names of an open directory, read as far as they were asked for. Threads may share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class DirectoryNames:
    """begin: starts reading."""

    def __init__(self, begin: Callable[[], Iterator[str]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._names: list[str] = []
        self._rest: Iterator[str] = iter(())
        self._error: BaseException | None = None

    def after(self, offset: int) -> Iterator[tuple[str, None, int]]:
        """The entries from number `offset` on, each with the number of the next one."""
        if offset == 0:
            with self._lock:
                self._names, self._rest, self._error = [], self._begin(), None
        while (name := self._at(offset)) is not None:
            offset += 1
            yield name, None, offset

    def _at(self, number: int) -> str | None:
        with self._lock:
            while len(self._names) <= number:
                if self._error is not None:
                    raise self._error
                try:
                    name = next(self._rest, None)
                except BaseException as error:
                    self._error = error  # who asks again must not take it for the end
                    raise
                if name is None:
                    return None
                self._names.append(name)
            return self._names[number]
